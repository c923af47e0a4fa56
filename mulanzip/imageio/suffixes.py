"""Which suffixes name files of which format, and how files of a format begin."""

from __future__ import annotations

import re

#: How files of the formats begin that a suffix can ask for.
_STARTS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "WEBP": rb"RIFF....WEBP",
    "BMP": rb"BM",
    "PNM": rb"P[1-7]\s",
    "NPY": rb"\x93NUMPY",
    "JPEG": rb"\xff\xd8\xff",
    "GIF": rb"GIF8",
}
_SUFFIXES = {
    "PNG": ".png",
    "TIFF": ".tif .tiff",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "PNM": ".ppm .pgm .pbm .pnm .pam",
    "NPY": ".npy",
    "JPEG": ".jpg .jpeg",
    "GIF": ".gif",
}
#: The formats of suffixes.
SUFFIXES_BY_FORMAT = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}


def has_format(start: bytes, suffix: str) -> bool:
    """Whether a file that begins with these bytes is of the format that ``suffix`` names."""
    return re.match(_STARTS[SUFFIXES_BY_FORMAT[suffix]], start, re.DOTALL) is not None
