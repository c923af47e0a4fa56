"""Bits-back coding with the Gaussian process, exact in integers."""
