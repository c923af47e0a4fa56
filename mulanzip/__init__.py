"""mulanzip: lossless image compression with a learned density model, exact on every machine.

>>> import mulanzip
>>> data = mulanzip.encode(array)              # uint8 or uint16 (H, W, 3) or (H, W) -> bytes
>>> array = mulanzip.decode(data)
>>> mulanzip.compress_file("photo.png")        # -> photo.png.mzp
>>> mulanzip.decompress_file("photo.png.mzp", "copy.png")
>>> mulanzip.info("photo.png.mzp")
>>> mulanzip.pack(["photos/"], "photos.mzp")   # many images in one file
>>> mulanzip.Archive("photos.mzp")["a.png"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulanzip import timings
    from mulanzip.api import context_of, decode, encode
    from mulanzip.archive import Archive
    from mulanzip.archive_files import pack, unpack
    from mulanzip.archive_writer import pack_arrays
    from mulanzip.bits_ledger import Ledger, ledger
    from mulanzip.clients.pillow import register_pillow
    from mulanzip.density import code_length
    from mulanzip.errors import (
        ArchiveError,
        CorruptFileError,
        LimitError,
        ModelError,
        MulanzipError,
        UnreadableImageError,
        UnsupportedImageError,
        UnsupportedVersionError,
        VerificationError,
    )
    from mulanzip.files import FileResult, compress_file, decompress_file
    from mulanzip.inspection import FileInfo, info
    from mulanzip.maps import bits_map, schedule_map
    from mulanzip.memory import Limits
    from mulanzip.output_file import OutputExistsError
    from mulanzip.salvage import salvage_file

__version__ = "0.1.0"

# Where public names live.  They are imported on first use, so that the command line starts fast.
_HOMES = {
    "mulanzip.api": ("context_of", "decode", "encode"),
    "mulanzip.archive": ("Archive",),
    "mulanzip.archive_files": ("pack", "unpack"),
    "mulanzip.archive_writer": ("pack_arrays",),
    "mulanzip.density": ("code_length",),
    "mulanzip.errors": (
        "ArchiveError",
        "CorruptFileError",
        "LimitError",
        "ModelError",
        "MulanzipError",
        "UnreadableImageError",
        "UnsupportedImageError",
        "UnsupportedVersionError",
        "VerificationError",
    ),
    "mulanzip.files": ("FileResult", "compress_file", "decompress_file"),
    "mulanzip.inspection": ("FileInfo", "info"),
    "mulanzip.maps": ("bits_map", "schedule_map"),
    "mulanzip.memory": ("Limits",),
    "mulanzip.output_file": ("OutputExistsError",),
    "mulanzip.bits_ledger": ("Ledger", "ledger"),
    "mulanzip.clients.pillow": ("register_pillow",),
    "mulanzip.salvage": ("salvage_file",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Archive",
    "ArchiveError",
    "CorruptFileError",
    "FileInfo",
    "FileResult",
    "Ledger",
    "LimitError",
    "Limits",
    "ModelError",
    "MulanzipError",
    "OutputExistsError",
    "UnreadableImageError",
    "UnsupportedImageError",
    "UnsupportedVersionError",
    "VerificationError",
    "__version__",
    "bits_map",
    "code_length",
    "compress_file",
    "context_of",
    "decode",
    "decompress_file",
    "encode",
    "info",
    "ledger",
    "pack",
    "pack_arrays",
    "register_pillow",
    "salvage_file",
    "schedule_map",
    "timings",
    "unpack",
]


def __getattr__(name: str) -> Any:
    if name == "timings":
        return import_module("mulanzip.timings")
    if name in _HOME_OF:
        value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return value
    raise AttributeError(f"module 'mulanzip' has no attribute {name!r}")
