"""Interfaces that people already use: Pillow, imagecodecs, numcodecs and zarr, the desktop's file types."""
