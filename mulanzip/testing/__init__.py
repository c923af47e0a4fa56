"""Laws of codecs and models, as functions."""
