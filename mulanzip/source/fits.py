"""FITS files of samples of up to 32 bits: images and cubes of the first part and of its extensions."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mulanzip.source.found import Found, at, halves_of, mode_of
from mulanzip.source.holes import Layout
from mulanzip.source.packing import Words

_BLOCK, _CARD = 2880, 80
#: Maximum number of cards of a header, and of axes.
#: Bits per sample of images that are coded; below zero, of floats.
_CODED = (8, 16, 32, -32)
_MAX_CARDS, _MAX_AXES = 36 * 1000, 8
_ZEROS = {8: -128, 16: 32768, 32: 1 << 31}


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data.startswith(b"SIMPLE  =") and data[:_CARD].split(b"/")[0].rstrip().endswith(b"T")


def find(data: bytes) -> Iterator[Found]:
    """The images of a file; may end with ValueError."""
    position = 0
    while data.startswith((b"SIMPLE  =", b"XTENSION="), position):
        header, position = _header(data, position)
        bits, rank = _number(header, b"BITPIX"), _number(header, b"NAXIS")
        if not 0 <= rank <= _MAX_AXES:
            raise ValueError("too many axes")
        shape = [_number(header, b"NAXIS%d" % (i + 1)) for i in range(rank)]
        if min(shape, default=0) < 0 or abs(bits) not in (8, 16, 32, 64):
            raise ValueError("a damaged header")
        is_image = b"XTENSION" not in header or header[b"XTENSION"].startswith(b"'IMAGE ")
        is_plain = _number(header, b"GCOUNT", 1) == 1 and _number(header, b"PCOUNT", 0) == 0
        if bits in _CODED and rank >= 2 and 0 not in shape and is_image and is_plain:
            yield from _images(shape, bits, header, position, len(data))
        groups, more = _number(header, b"GCOUNT", 1), _number(header, b"PCOUNT", 0)
        size = abs(bits) // 8 * groups * (more + (math.prod(shape) if shape else 0))
        if size < 0:
            raise ValueError("a damaged header")
        position += -(-size // _BLOCK) * _BLOCK


def _images(shape: list[int], bits: int, header: dict[bytes, bytes], start: int, end: int) -> Iterator[Found]:
    width, height, *stack = shape
    size, is_half = abs(bits) // 8, abs(bits) == 32
    is_shifted = header.get(b"BZERO", b"0").split(b".")[0] == b"%d" % _ZEROS.get(bits, -1)
    # Bytes are unsigned in FITS, words are signed.
    flip = 1 << bits - 1 if is_shifted and not is_half else 0
    packing = Words(size, ">", bits == 16 and not is_shifted, flip, size)
    if is_half:
        packing = halves_of(">", bits < 0, not is_shifted)
    plane = height * width * size
    if math.prod(stack) * plane > end - start:
        raise ValueError("the file is too short")
    planes = 3 if stack == [3] and not packing.signed else 1
    layout = Layout.of_rows(height, width, width * size, packing, planes)
    for i in range(math.prod(stack) // planes):
        offsets = [start + (planes * i + j) * plane for j in range(planes)]
        yield Found(at(layout, *offsets), mode_of(planes, packing.signed), is_half=is_half)


def _header(data: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """Values by name, and the position behind the header."""
    found: dict[bytes, bytes] = {}
    for start in range(position, min(position + _MAX_CARDS * _CARD, len(data)), _CARD):
        card = data[start : start + _CARD]
        if card[:8].rstrip() == b"END":
            return found, start + _CARD + -(start + _CARD - position) % _BLOCK
        if card[8:10] == b"= ":
            found.setdefault(card[:8].rstrip(), card[10:].split(b"/")[0].strip())
    raise ValueError("a header without an end")


def _number(header: dict[bytes, bytes], name: bytes, default: int | None = None) -> int:
    value = header.get(name)
    if value is None and default is not None:
        return default
    if value is None or len(value) > 20:
        raise ValueError("a damaged header")
    return int(value)
