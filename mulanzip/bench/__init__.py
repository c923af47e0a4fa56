"""The benchmark of codecs."""
