"""Where the samples of images lie in the bytes of a file: found by the encoder, filled in by the decoder."""
