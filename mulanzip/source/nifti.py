"""NIfTI files, version 1 and 2, of samples of up to 32 bits and of colours: volumes, and series of them.

The slices of a place follow each other in the order of time, as they are more alike than slices beside each other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from mulanzip.source.found import Found, at, halves_of, mode_of, words_of
from mulanzip.source.holes import Layout

_SIZES = {348: b"n+1\0", 540: b"n+2\0"}
_FLOAT = 16
#: Bytes of a sample, whether it has a sign, and channels, by the number of the type.
_TYPES = {
    2: (1, False, 1),
    4: (2, True, 1),
    256: (1, True, 1),
    512: (2, False, 1),
    128: (1, False, 3),
    2304: (1, False, 4),
    8: (4, True, 1),
    768: (4, False, 1),
    _FLOAT: (4, False, 1),
}
_MAX_AXES = 7


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format, with the samples behind the header."""
    size = _order_and_size(data)[1]
    return size in _SIZES and data[4 if size == 540 else 344 :][:4] == _SIZES[size]


def find(data: bytes) -> Iterator[Found]:
    """The slices of a file; may end with ValueError."""
    order, size = _order_and_size(data)
    if len(data) < size:
        raise ValueError("the file is too short")
    if size == 348:
        rank, *sides = struct.unpack_from(f"{order}8h", data, 40)
        (kind,) = struct.unpack_from(f"{order}h", data, 70)
        (position,) = struct.unpack_from(f"{order}f", data, 108)
        start = int(position) if 0 <= position < len(data) else -1
    else:
        (kind,) = struct.unpack_from(f"{order}h", data, 12)
        rank, *sides = struct.unpack_from(f"{order}8q", data, 16)
        (start,) = struct.unpack_from(f"{order}q", data, 168)
    if not 2 <= rank <= _MAX_AXES or kind not in _TYPES:
        return
    width, height, *others = sides[:rank]
    depth, times = (*others[:2], 1, 1)[:2]
    sample, signed, channels = _TYPES[kind]
    plane = height * width * sample * channels
    if min(sides[:rank]) < 1 or start < size or start + math.prod(others) * plane > len(data):
        raise ValueError("a damaged header, or a file that is too short")
    is_half = sample == 4
    packing = halves_of(order, kind == _FLOAT, signed) if is_half else words_of(sample, order, signed, channels)
    layout = Layout.of_rows(height, width, width * sample * channels, packing)
    for volume in range(math.prod(others[2:])):
        for z in range(depth):
            for t in range(times):
                offset = start + plane * ((volume * times + t) * depth + z)
                yield Found(at(layout, offset), mode_of(channels, packing.signed), is_half=is_half)


def _order_and_size(data: bytes) -> tuple[str, int]:
    """Byte order, and bytes of the header."""
    little, big = (int.from_bytes(data[:4], name) for name in ("little", "big"))
    return (">", big) if big in _SIZES else ("<", little)
