"""Symbols <-> bits: the ANS coder, and the message stack that bits-back coding uses."""
