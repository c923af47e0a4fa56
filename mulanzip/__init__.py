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

import os.path
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulanzip import timings
    from mulanzip.api import code_length, context_of, decode, encode
    from mulanzip.archive.reader import Archive
    from mulanzip.archive.writer import pack_arrays
    from mulanzip.clients.pillow import register_pillow
    from mulanzip.errors import (
        ArchiveError,
        CorruptFileError,
        LimitError,
        ModelError,
        MulanzipError,
        OutputExistsError,
        PartError,
        UnreadableImageError,
        UnsupportedImageError,
        UnsupportedVersionError,
        VerificationError,
    )
    from mulanzip.inspect.info import FileInfo, info
    from mulanzip.inspect.ledger import Ledger, ledger
    from mulanzip.inspect.maps import bits_map, schedule_map
    from mulanzip.jobs.compress import compress_file
    from mulanzip.jobs.files import FileResult
    from mulanzip.jobs.pack import pack, unpack
    from mulanzip.jobs.restore import decompress_file
    from mulanzip.jobs.salvage_file import salvage_file
    from mulanzip.limits import Limits

__version__ = "0.1.0"

# In a checkout, the folders of ``mulanzip.cli`` and ``mulanzip.models`` lie beside this one, not in it.
_HERE = os.path.dirname(os.path.abspath(__file__))
_CHECKOUT = os.path.dirname(_HERE)
if not os.path.isdir(os.path.join(_HERE, "cli")) and os.path.isfile(os.path.join(_CHECKOUT, "pyproject.toml")):
    __path__.append(_CHECKOUT)

# Where public names live.  They are imported on first use, so that the command line starts fast.
_HOMES = {
    "mulanzip.api": ("code_length", "context_of", "decode", "encode"),
    "mulanzip.archive.reader": ("Archive",),
    "mulanzip.jobs.pack": ("pack", "unpack"),
    "mulanzip.archive.writer": ("pack_arrays",),
    "mulanzip.errors": (
        "ArchiveError",
        "CorruptFileError",
        "LimitError",
        "ModelError",
        "MulanzipError",
        "OutputExistsError",
        "PartError",
        "UnreadableImageError",
        "UnsupportedImageError",
        "UnsupportedVersionError",
        "VerificationError",
    ),
    "mulanzip.jobs.compress": ("compress_file",),
    "mulanzip.jobs.files": ("FileResult",),
    "mulanzip.jobs.restore": ("decompress_file",),
    "mulanzip.jobs.salvage_file": ("salvage_file",),
    "mulanzip.inspect.info": ("FileInfo", "info"),
    "mulanzip.inspect.maps": ("bits_map", "schedule_map"),
    "mulanzip.limits": ("Limits",),
    "mulanzip.inspect.ledger": ("Ledger", "ledger"),
    "mulanzip.clients.pillow": ("register_pillow",),
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
    "PartError",
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
