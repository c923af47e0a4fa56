"""Gaussian random fields, for which the cost of every noise process has a closed form, and their best model."""
