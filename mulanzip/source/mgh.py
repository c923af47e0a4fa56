"""Volumes of FreeSurfer, MGH, of unsigned bytes and of words; in gzip, their suffix is ``.mgz``."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mulanzip.source.found import Found, at, mode_of, words_of
from mulanzip.source.holes import Layout

_HEADER = struct.Struct(">6i")
_VERSION, _SAMPLES = 1, 284
#: Bytes of a sample, and whether it has a sign, by the number of the type; none of those that are not coded.
_TYPES = {0: (1, False), 4: (2, True), 10: (2, False), 1: None, 3: None}


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    if len(data) < _SAMPLES:
        return False
    version, *sides, kind = _HEADER.unpack_from(data)
    return version == _VERSION and min(sides) > 0 and kind in _TYPES


def find(data: bytes) -> Iterator[Found]:
    """The slices of a file, those of a place in the order of time; may end with ValueError."""
    _, width, height, depth, times, kind = _HEADER.unpack_from(data)
    sample = _TYPES[kind]
    if sample is None:
        return
    size, signed = sample
    plane = height * width * size
    if _SAMPLES + depth * times * plane > len(data):
        raise ValueError("a damaged header, or a file that is too short")
    packing = words_of(size, ">", signed)
    layout = Layout.of_rows(height, width, width * size, packing)
    for z in range(depth):
        for t in range(times):
            yield Found(at(layout, _SAMPLES + plane * (t * depth + z)), mode_of(1, packing.signed))
