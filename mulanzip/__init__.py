"""mulanzip: lossless image compression with a learned density model."""

__version__ = "0.1.0"
