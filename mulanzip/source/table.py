"""The table of holes in bytes: what a decoder reads instead of the source's format.

All numbers are of variable length.  Images of the same layout that follow each other share it.  Offsets are runs of
equal differences, so that a thousand pages of a stack take a few bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from mulanzip.errors import CorruptFileError, MulanzipError
from mulanzip.image.kinds import MAX_BANDS
from mulanzip.image.picture import check_size
from mulanzip.source.holes import ABSENT, Hole, Layout
from mulanzip.source.packing import Fields, Packed, Packing, Words
from mulanzip.varint import Reader, Writer

#: Maximum number of images, and of blocks of all images, of a file.
MAX_IMAGES, MAX_BLOCKS = 1 << 16, 1 << 20
#: Blocks have at least this number of pixels on the average, but for the first few.
_BLOCK_PIXELS, _FEW = 16, 256
#: Maximum of a position in a file, and of the bytes from a row to the next one.
_MAX_OFFSET = 1 << 48
_WORDS, _PACKED, _FIELDS = 0, 1, 2
_ORDERS = "<>"


def check_blocks(layout: Layout) -> int:
    """Check that a layout is one that a table may have.

    Returns:
        the number of its blocks.

    Raises:
        ValueError: if it is not.
    """
    height, width, channels = layout.shape
    try:
        check_size(height, width)
    except MulanzipError:
        raise ValueError("the image is too large") from None
    fits = 0 < layout.block_height <= height and 0 < layout.block_width <= width and 1 <= channels <= MAX_BANDS
    if not fits or abs(layout.row_step) > _MAX_OFFSET:
        raise ValueError("the image has an impossible layout")
    planes, down, across = layout.grid
    count = planes * down * across
    if count > min(MAX_BLOCKS, _FEW + channels * height * width // _BLOCK_PIXELS):
        raise ValueError("the image has too many blocks")
    return count


def pack(holes: Sequence[Hole]) -> bytes:
    """The table of holes that :func:`check_blocks` allows."""
    writer, last = Writer(), 0
    groups = [(layout, list(group)) for layout, group in groupby(holes, lambda hole: hole.layout)]
    writer.number(len(groups))
    for layout, group in groups:
        _write_layout(writer, layout)
        writer.number(len(group))
        offsets = np.concatenate([hole.offsets for hole in group])
        steps = np.diff(offsets, prepend=last)
        last = int(offsets[-1])
        starts = np.flatnonzero(np.diff(steps, prepend=steps[0] - 1))
        for start, end in zip(starts.tolist(), [*starts.tolist()[1:], len(steps)], strict=True):
            writer.number(end - start)
            writer.number(_folded(int(steps[start])))
    return bytes(writer.data)


def unpack(data: bytes) -> list[Hole]:
    """The holes of a table.

    Raises:
        CorruptFileError: if it is damaged.
    """
    reader = Reader(data)
    holes: list[Hole] = []
    last, blocks = 0, 0
    try:
        for _ in range(reader.count()):
            layout = _read_layout(reader)
            count, images = check_blocks(layout), reader.number()
            blocks += count * images
            if not images or len(holes) + images > MAX_IMAGES or blocks > MAX_BLOCKS:
                raise ValueError
            offsets = _read_offsets(reader, last, count * images)
            last = int(offsets[-1])
            holes += [Hole(layout, part) for part in offsets.reshape(images, count)]
        if reader.rest():
            raise ValueError
    except ValueError:
        raise CorruptFileError("the table of the images' places is damaged") from None
    return holes


def _read_offsets(reader: Reader, last: int, count: int) -> np.ndarray:
    parts, found = [], 0
    while found < count:
        length, step = reader.number(), _unfolded(reader.number())
        found += length
        end = last + length * step
        if not length or found > count or not all(ABSENT <= value <= _MAX_OFFSET for value in (last + step, end)):
            raise ValueError
        parts.append(last + step * np.arange(1, length + 1, dtype=np.int64))
        last = end
    return np.concatenate(parts)


def _write_layout(writer: Writer, layout: Layout) -> None:
    for value in (layout.height, layout.width, layout.planes, layout.block_height, layout.block_width):
        writer.number(value)
    writer.number(_folded(layout.row_step))
    _write_packing(writer, layout.packing)


def _read_layout(reader: Reader) -> Layout:
    height, width, planes, block_height, block_width = (reader.number() for _ in range(5))
    if not 1 <= planes <= MAX_BANDS:
        raise ValueError
    return Layout(height, width, planes, block_height, block_width, _unfolded(reader.number()), _read_packing(reader))


def _write_packing(writer: Writer, packing: Packing) -> None:
    numbers: tuple[int, ...]
    match packing:
        case Words():
            numbers = (_WORDS, packing.size, _ORDERS.index(packing.order), packing.signed, packing.flip)
            numbers += (packing.pixel_step, packing.channels, *packing.places)
        case Packed():
            numbers = (_PACKED, packing.bits, _ORDERS.index(packing.order), packing.flip, packing.channels)
        case Fields():
            numbers = (_FIELDS, packing.size, _ORDERS.index(packing.order), packing.flip, packing.channels)
            numbers += tuple(number for field in packing.fields for number in field)
    for number in numbers:
        writer.number(number)


def _read_packing(reader: Reader) -> Packing:
    kind, size, order = reader.number(), reader.number(), _ORDERS[_at_most(reader.number(), 1)]
    packing: Packing
    if kind == _WORDS and size in (1, 2):
        signed, flip = bool(_at_most(reader.number(), size - 1)), _at_most(reader.number(), (1 << 8 * size) - 1)
        step = _at_most(reader.number(), _MAX_OFFSET)
        places = [_at_most(reader.number(), _MAX_OFFSET) for _ in range(_at_most(reader.number(), MAX_BANDS))]
        packing = Words(size, order, signed, flip, step, tuple(places))
    elif kind == _PACKED and 1 <= size <= 16:
        flip = _at_most(reader.number(), (1 << size) - 1)
        packing = Packed(size, order, flip, _at_most(reader.number(), MAX_BANDS))
    elif kind == _FIELDS and size in (1, 2, 4):
        flip, channels = reader.number(), _at_most(reader.number(), 8 * size)
        fields = [(reader.number(), reader.number()) for _ in range(channels)]
        _check_fields(size, flip, fields)
        packing = Fields(size, order, flip, tuple(fields))
    else:
        raise ValueError
    return packing


def _check_fields(size: int, flip: int, fields: list[tuple[int, int]]) -> None:
    """Raises ValueError unless the fields lie apart in a word of ``size`` bytes."""
    taken = 0
    for low, bits in fields:
        if not 1 <= bits <= 16 or low + bits > 8 * size or taken >> low & (1 << bits) - 1 or flip >> bits:
            raise ValueError
        taken |= (1 << bits) - 1 << low
    if not fields:
        raise ValueError


def _at_most(value: int, limit: int) -> int:
    if value > limit:
        raise ValueError
    return value


def _folded(value: int) -> int:
    """Integers of both signs as those from 0: 0, -1, 1, -2, 2, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def _unfolded(value: int) -> int:
    return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)
