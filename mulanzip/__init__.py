"""mulanzip: lossless image compression with a learned density model, exact on every machine.

>>> import mulanzip
>>> data = mulanzip.encode(array)              # uint8 (H, W, 3) or (H, W) -> bytes
>>> array = mulanzip.decode(data)
>>> mulanzip.compress_file("photo.png")        # -> photo.png.mzp
>>> mulanzip.decompress_file("photo.png.mzp", "copy.png")
>>> mulanzip.info("photo.png.mzp")
"""

from __future__ import annotations

from mulanzip import timings
from mulanzip.api import decode, encode
from mulanzip.errors import (
    CorruptFileError,
    LimitError,
    ModelError,
    MulanzipError,
    UnreadableImageError,
    UnsupportedImageError,
    UnsupportedVersionError,
    VerificationError,
)
from mulanzip.files import FileResult, OutputExistsError, compress_file, decompress_file
from mulanzip.inspection import FileInfo, info

__version__ = "0.1.0"

__all__ = [
    "CorruptFileError",
    "FileInfo",
    "FileResult",
    "LimitError",
    "ModelError",
    "MulanzipError",
    "OutputExistsError",
    "UnreadableImageError",
    "UnsupportedImageError",
    "UnsupportedVersionError",
    "VerificationError",
    "__version__",
    "compress_file",
    "decode",
    "decompress_file",
    "encode",
    "info",
    "timings",
]
