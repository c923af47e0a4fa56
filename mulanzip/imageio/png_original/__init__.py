"""Restores PNG files byte for byte."""
