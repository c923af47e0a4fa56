"""TGA files, in all orders of rows and columns; pixels lie as they are, or in packets of runs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.source.found import WITH_ALPHA, Found, at, open_block, palette_mode
from mulanzip.source.holes import Layout
from mulanzip.source.packing import Fields, Words
from mulanzip.streams import runs
from mulanzip.streams.recipe import Method, Recipe

_HEADER = struct.Struct("<BBBHHBHHHHBB")
_PALETTE, _COLOUR, _GRAY = 1, 2, 3
#: Bit of the kind: pixels are packets of runs.
_PACKED = 8
_FROM_TOP, _RESERVED = 0x20, 0xC0
_BITS = {_PALETTE: (8,), _COLOUR: (15, 16, 24, 32), _GRAY: (8, 16)}
_FIVE_BITS = ((10, 5), (5, 5), (0, 5))


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format, which has no signature."""
    if len(data) < _HEADER.size:
        return False
    _, has_map, kind, first, length, entry, _, _, width, height, bits, flags = _HEADER.unpack_from(data)
    is_map = entry in (15, 16, 24, 32) and 0 < length <= 1 << 16 if has_map else not (first or length or entry)
    fits = bits in _BITS.get(kind & ~_PACKED, ()) and has_map in (0, 1) and (has_map or kind & ~_PACKED != _PALETTE)
    return bool(is_map and fits and width and height and not flags & _RESERVED)


def find(data: bytes) -> Iterator[Found]:
    """The image of a file; may end with ValueError."""
    text, has_map, kind, first, length, entry, _, _, width, height, bits, flags = _HEADER.unpack_from(data)
    start = _HEADER.size + text
    kind, is_packed = kind & ~_PACKED, bool(kind & _PACKED)
    palette = data[start : start + (-(-entry // 8) * length if has_map else 0)]
    start += -(-entry // 8) * length if has_map else 0
    packing: Words | Fields
    if bits in (15, 16) and kind == _COLOUR:
        packing = Fields(2, "<", 0, _FIVE_BITS)
    else:
        channels = bits // 8
        order = {1: (0,), 2: (0, 1), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[channels]
        packing = Words(1, pixel_step=channels, places=order)
    step = -(-bits // 8) * width
    mode, colours = WITH_ALPHA[packing.channels], b""
    if kind == _PALETTE:
        mode, colours = _colours(palette, first, entry)
    layout = Layout.of_rows(height, width, step if flags & _FROM_TOP else -step, packing)
    skip = 0 if flags & _FROM_TOP else (height - 1) * step
    if is_packed:
        pixel = step // width
        end = runs.stream_end(data, start, height * width, pixel)
        recipe = Recipe(Method.RUNS, height * step, unit=pixel)
        yield Found(at(layout, start), mode, colours, blocks=open_block(recipe, start, end, skip))
    else:
        yield Found(at(layout, start + skip), mode, colours)


def _colours(palette: bytes, first: int, bits: int) -> tuple[Mode, bytes]:
    if bits in (24, 32):
        entries = np.frombuffer(palette[: len(palette) // (bits // 8) * (bits // 8)], np.uint8).reshape(-1, bits // 8)
        colours = bytes(3 * first) + entries[:, 2::-1].tobytes()
        if len(colours) <= 3 * 256:
            return palette_mode(colours)
    return palette_mode(b"")
