"""Netpbm files that Pillow does not read exactly: PGM and PPM of more than 8 bits, and PAM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import MAX_BANDS, Mode
from mulanzip.image.picture import Picture, check_size
from mulanzip.limits import Limits

_GAP = rb"(?:\s|#[^\n]*\n)+"
_PLAIN = re.compile(rb"P([56])" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})\s")
_LINE = re.compile(rb"(?:#[^\n]*|\s*|(\w+)[ \t]+([^\n]*?)[ \t]*)\n")
#: Maximum number of bytes of a header.
_MAX_HEADER = 1 << 12
#: Mode and samples per pixel by the tuple type of a PAM file.
_TYPES = {
    b"BLACKANDWHITE": (Mode.BILEVEL, 1),
    b"GRAYSCALE": (Mode.GRAY, 1),
    b"GRAYSCALE_ALPHA": (Mode.GRAY_ALPHA, 2),
    b"RGB": (Mode.RGB, 3),
    b"RGB_ALPHA": (Mode.RGBA, 4),
}
_NAMES = {mode: name for name, (mode, _) in _TYPES.items()}


@dataclass(frozen=True)
class _Header:
    mode: Mode
    channels: int
    height: int
    width: int
    maximum: int
    size: int


def is_ours(start: bytes) -> bool:
    """Whether :func:`read` reads a file that starts with these bytes; a kilobyte suffices."""
    if start.startswith(b"P7\n"):
        return True
    match = _PLAIN.match(start)
    return match is not None and int(match[4]) > 255


def _header(start: bytes) -> _Header:
    if match := _PLAIN.match(start):
        width, height, maximum = (int(match[i]) for i in (2, 3, 4))
        mode, channels = (Mode.GRAY, 1) if match[1] == b"5" else (Mode.RGB, 3)
        return _Header(mode, channels, height, width, maximum, match.end())
    position, found = len(b"P7\n"), {}
    while not start.startswith(b"ENDHDR\n", position):
        line = _LINE.match(start, position)
        if line is None:
            raise UnreadableImageError("the image is damaged: its PAM header has no end")
        position = line.end()
        if line[1]:
            found[line[1]] = line[2]
    try:
        width, height, channels, maximum = (int(found[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        raise UnreadableImageError("the image is damaged: its PAM header is incomplete") from None
    mode, expected = _TYPES.get(found.get(b"TUPLTYPE", b""), (Mode.BANDS, channels))
    if channels != expected or not 1 <= channels <= MAX_BANDS:
        raise UnsupportedImageError(f"PAM images of {channels} samples per pixel and this type are not supported")
    return _Header(mode, channels, height, width, maximum, position + len(b"ENDHDR\n"))


def read(file: BinaryIO, limits: Limits) -> Picture:
    """Read a PGM, PPM or PAM file.

    Raises:
        UnreadableImageError, UnsupportedImageError, LimitError
    """
    header = _header(file.read(_MAX_HEADER))
    limits.check_pixels(header.height, header.width)
    check_size(header.height, header.width)
    bits = header.maximum.bit_length()
    expected = 1 if header.mode is Mode.BILEVEL else max(bits, 8)
    if header.maximum + 1 != 1 << expected or bits > 16:
        raise UnsupportedImageError(
            f"Netpbm files of maximum {header.maximum} are not supported yet (255, 511, 1023, ... 65535 are)"
        )
    dtype = np.dtype(np.uint8 if bits <= 8 else ">u2")
    size = header.height * header.width * header.channels * dtype.itemsize
    file.seek(header.size)
    limits.require(2 * size)
    data = file.read(size)
    if len(data) < size:
        raise UnreadableImageError("the image is damaged: the file is too short")
    if file.read(1):
        raise UnsupportedImageError(
            "Netpbm files of several images, or with something behind the first, are not supported"
        )
    pixels = np.frombuffer(data, dtype).reshape(header.height, header.width, header.channels)
    if pixels.max() > header.maximum:
        raise UnreadableImageError("the image is damaged: a sample is larger than the maximum that the header names")
    return Picture(header.mode, pixels.astype(dtype.newbyteorder("=")), bits=max(bits, 9))


def encode(picture: Picture, suffix: str) -> bytes:
    """A Netpbm file.

    Args:
        picture: gray or RGB of more than 8 bits, unless the suffix is ``.pam``.
        suffix: of the file's name; all but ``.pam`` give PGM or PPM.
    """
    height, width, channels = picture.pixels.shape
    maximum = (1 << picture.depth) - 1
    if suffix == ".pam":
        kind = f"TUPLTYPE {_NAMES[picture.mode].decode()}\n" if picture.mode in _NAMES else ""
        header = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {maximum}\n{kind}ENDHDR\n"
    else:
        header = f"P{5 if channels == 1 else 6}\n{width} {height}\n{maximum}\n"
    samples = picture.pixels.astype(">u2") if picture.is_deep else picture.pixels
    return header.encode() + samples.tobytes()
