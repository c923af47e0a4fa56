"""Volumes of FreeSurfer, MGH, of samples of up to 32 bits; in gzip, their suffix is ``.mgz``."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mulanzip.source.found import Found, at, halves_of, mode_of, words_of
from mulanzip.source.holes import Layout

_HEADER = struct.Struct(">6i")
_VERSION, _SAMPLES = 1, 284
_FLOAT = 3
#: Bytes of a sample, and whether it has a sign, by the number of the type.
_TYPES = {0: (1, False), 1: (4, True), _FLOAT: (4, False), 4: (2, True), 10: (2, False)}


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    if len(data) < _SAMPLES:
        return False
    version, *sides, kind = _HEADER.unpack_from(data)
    return version == _VERSION and min(sides) > 0 and kind in _TYPES


def find(data: bytes) -> Iterator[Found]:
    """The slices of a file, those of a place in the order of time; may end with ValueError."""
    _, width, height, depth, times, kind = _HEADER.unpack_from(data)
    size, signed = _TYPES[kind]
    plane = height * width * size
    if _SAMPLES + depth * times * plane > len(data):
        raise ValueError("a damaged header, or a file that is too short")
    is_half = size == 4
    packing = halves_of(">", kind == _FLOAT, signed) if is_half else words_of(size, ">", signed)
    layout = Layout.of_rows(height, width, width * size, packing)
    for z in range(depth):
        for t in range(times):
            yield Found(at(layout, _SAMPLES + plane * (t * depth + z)), mode_of(1, packing.signed), is_half=is_half)
