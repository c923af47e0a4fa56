"""TIFF and BigTIFF files: all images in strips and tiles, of pages, SubIFDs and stacks.

Blocks lie as they are, or are streams of deflate, LZW or PackBits.

The reader of tags is our own: it takes no more time and memory than the file has bytes, whatever they are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mulanzip.image.kinds import MAX_BANDS, MAX_SIDE, Mode
from mulanzip.source.found import Blocks, Found, Numbers, halves_of, mode_of, palette_mode, words_of
from mulanzip.source.holes import ABSENT, Hole, Layout, joined
from mulanzip.source.packing import Packed, Packing, Words
from mulanzip.source.table import MAX_BLOCKS, MAX_IMAGES
from mulanzip.streams.predictor import Predictor
from mulanzip.streams.recipe import Method, Recipe

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _DESCRIPTION = 256, 257, 258, 259, 262, 266, 270
_STRIPS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_SIZES, _PLANAR, _PREDICTOR, _COLOURS = 273, 277, 278, 279, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _BELOW, _EXTRA, _FORMAT = 322, 323, 324, 325, 330, 338, 339
_SUBSAMPLING, _DEPTH, _METAMORPH = 530, 32997, 33629
_WANTED = frozenset((_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _DESCRIPTION, _STRIPS, _SAMPLES))
_WANTED |= {_ROWS_PER_STRIP, _STRIP_SIZES, _PLANAR, _COLOURS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _BELOW}
_WANTED |= {_EXTRA, _FORMAT, _SUBSAMPLING, _DEPTH, _METAMORPH, _PREDICTOR}
#: Bytes of one value by type; types of texts and integers alone, and of fractions for the count.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_METHODS = {5: Method.LZW, 8: Method.DEFLATE, 32946: Method.DEFLATE, 32773: Method.PACKBITS}
_PLAIN, _DIFFERENCES = 1, 2
_NONE, _CHUNKY, _UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED, _REVERSED, _ALPHA = 1, 1, 1, 2, 3, 4, 2, 2
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _MASK, _YCBCR = 0, 1, 2, 3, 4, 6
_STACK = re.compile(rb"^images=(\d{1,9})\r?$", re.MULTILINE)
#: Maximum number of bytes of a description that is searched.
_MAX_TEXT = 1 << 16


@dataclass(frozen=True)
class _Tag:
    kind: int
    count: int
    place: int


@dataclass
class _Reader:
    """Reads directories; raises ValueError where they leave the file, or once it has read as much as the file has."""

    data: bytes
    order: str = ""
    is_big: bool = False
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.order = "<" if self.data.startswith(b"II") else ">"
        self.is_big = self.data[2:4] in (b"+\0", b"\0+")
        self.left = 1024 + 4 * len(self.data)

    def numbers(self, tags: dict[int, _Tag], tag: int) -> np.ndarray:
        """The integers of a tag, int64; none if it is missing."""
        found = tags.get(tag)
        size = _SIZES.get(found.kind, 0) if found else 0
        if found is None or size == 0:
            return np.zeros(0, np.int64)
        if found.count > MAX_BLOCKS:
            raise ValueError("a tag of too many values")
        raw = self.take(found.place, size * found.count)
        values = np.frombuffer(raw, np.dtype(f"{self.order}u{size}"))
        if size == 8 and values.size and int(values.max()) >> 62:
            raise ValueError("an impossible value")
        return values.astype(np.int64)

    def number(self, tags: dict[int, _Tag], tag: int, default: int) -> int:
        """The first integer of a tag."""
        found = tags.get(tag)
        if found is None:
            return default
        values = self.numbers({tag: replace(found, count=min(found.count, 1))}, tag)
        return int(values[0]) if len(values) else default

    def take(self, place: int, size: int) -> bytes:
        self.left -= size
        if place + size > len(self.data) or self.left < 0:
            raise ValueError("a damaged directory")
        return self.data[place : place + size]

    def directory(self, place: int) -> tuple[dict[int, _Tag], int]:
        """The tags of a directory, and the position of the next one, or 0."""
        head, row, pointer = ("Q", "HHQ8s", "Q") if self.is_big else ("H", "HHI4s", "I")
        size = struct.calcsize(self.order + head)
        (count,) = struct.unpack(self.order + head, self.take(place, size))
        form = struct.Struct(self.order + row)
        rows = self.take(place + size, count * form.size)
        tags: dict[int, _Tag] = {}
        for i, (tag, kind, number, value) in enumerate(form.iter_unpack(rows)):
            if tag not in _WANTED or kind not in _SIZES:
                continue
            inside = place + size + i * form.size + form.size - len(value)
            is_inside = _SIZES[kind] * number <= len(value)
            where = inside if is_inside else int.from_bytes(value, "little" if self.order == "<" else "big")
            tags.setdefault(tag, _Tag(kind, number, where))
        end = place + size + count * form.size
        following = self.data[end : end + struct.calcsize(self.order + pointer)]
        return tags, int.from_bytes(following, "little" if self.order == "<" else "big")


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data.startswith(_SIGNATURES)


def find(data: bytes) -> Iterator[Found]:
    """The images of a file; may end with ValueError."""
    reader = _Reader(data)
    start, end = (8, 16) if reader.is_big else (4, 8)
    waiting = [int.from_bytes(data[start:end], "little" if reader.order == "<" else "big")]
    seen: set[int] = set()
    while waiting and len(seen) < MAX_IMAGES:
        place = waiting.pop()
        if place == 0 or place in seen:
            continue
        seen.add(place)
        try:
            tags, following = reader.directory(place)
            waiting.append(following)
            waiting += [int(below) for below in reader.numbers(tags, _BELOW)[::-1]]
            images = list(_images(reader, tags))
        except ValueError:
            continue  # What follows a damaged directory may be whole.
        yield from images


def _images(reader: _Reader, tags: dict[int, _Tag]) -> Iterator[Found]:
    """The images of a directory."""
    compression = reader.number(tags, _COMPRESSION, _NONE)
    if compression not in (_NONE, *_METHODS) or reader.number(tags, _DEPTH, 1) != 1:
        return
    channels = reader.number(tags, _SAMPLES, 1)
    width, height = reader.number(tags, _WIDTH, 0), reader.number(tags, _HEIGHT, 0)
    if not (0 < channels <= MAX_BANDS and 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError("an impossible size")
    if reader.number(tags, _PHOTOMETRIC, 0) == _YCBCR and set(reader.numbers(tags, _SUBSAMPLING)) != {1}:
        return
    planes = 1 if reader.number(tags, _PLANAR, _CHUNKY) == _CHUNKY else channels
    packing = _packing(reader, tags, channels // planes)
    if packing is None:
        return
    hole, is_half = _hole(reader, tags, (height, width, planes), packing), _is_of_halves(packing)
    mode, palette = _mode(reader, tags, channels, packing)
    bits = max(9, min(16, reader.number(tags, _BITS, 1)))
    if compression in _METHODS:
        blocks = _blocks(reader, tags, hole.layout, _METHODS[compression])
        if blocks is not None:
            yield Found(hole, mode, palette, bits, blocks=blocks, is_half=is_half)
        return
    hole = joined(hole)
    yield Found(hole, mode, palette, bits, is_half=is_half)
    size = _size_of_rows(packing, width) * height * planes
    for i in range(1, min(_stacked(reader, tags), len(reader.data) // size)):
        # The offsets of the other images of a stack stand nowhere: they follow the first one.
        if planes > 1 or hole.layout.grid != (1, 1, 1) or hole.offsets[0] == ABSENT:
            return
        yield Found(Hole(hole.layout, hole.offsets + i * size), mode, palette, is_half=is_half)


def _packing(reader: _Reader, tags: dict[int, _Tag], channels: int) -> Packing | None:
    """How samples lie; None if they are not for us."""
    bits, forms = set(reader.numbers(tags, _BITS).tolist() or [1]), set(reader.numbers(tags, _FORMAT).tolist() or [1])
    form = forms.pop()
    depth = bits.pop()
    if bits or forms or form not in (_UNSIGNED, _SIGNED, _UNDEFINED, *((_FLOAT,) if depth == 32 else ())):
        return None
    signed, is_reversed = form == _SIGNED, reader.number(tags, _FILL_ORDER, 1) == _REVERSED
    if depth == 32 and not is_reversed:
        return halves_of(reader.order, form == _FLOAT, signed, channels)
    if not 0 < depth <= 16 or (is_reversed and depth == 16 and reader.order == "<"):
        return None
    if depth in (8, 16) and not is_reversed:
        return words_of(depth // 8, reader.order, signed, channels)
    return Packed(depth, "<" if is_reversed else ">", 1 << depth - 1 if signed else 0, channels)


def _is_of_halves(packing: Packing) -> bool:
    """Whether samples are halves of those in the file."""
    return isinstance(packing, Words) and packing.pixel_step > packing.size * packing.channels


def _mode(reader: _Reader, tags: dict[int, _Tag], channels: int, packing: Packing) -> tuple[Mode, bytes]:
    kind = reader.number(tags, _PHOTOMETRIC, _WHITE_IS_0)
    if isinstance(packing, Packed) and packing.bits == 1:
        return (Mode.BILEVEL if channels == 1 else Mode.BANDS), b""
    if kind == _PALETTE and channels == 1 and packing.dtype == np.uint8:
        colours = reader.numbers(tags, _COLOURS)
        if not 0 < len(colours) <= 3 * 256 or len(colours) % 3:
            return Mode.GRAY, b""
        # The high byte of a colour is what 8 bits can show.
        shown = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
        return palette_mode(shown.reshape(3, -1).T.tobytes())
    extra = reader.numbers(tags, _EXTRA).tolist()
    mode = mode_of(channels) if channels - len(extra) in (1, 2, 3, 4) and extra in ([], [_ALPHA]) else Mode.BANDS
    if (mode in (Mode.RGB, Mode.RGBA)) != (kind == _RGB):
        mode = Mode.BANDS
    if channels == 1:
        mode = Mode.GRAY
    is_signed = isinstance(packing, Words) and packing.signed
    return (Mode.BANDS if is_signed and mode is not Mode.GRAY else mode), b""


def _size_of_rows(packing: Packing, width: int) -> int:
    if isinstance(packing, Words):
        return width * packing.pixel_step
    bits = packing.bits if isinstance(packing, Packed) else 8 * packing.size
    return -(-width * packing.channels * bits // 8)


def _hole(reader: _Reader, tags: dict[int, _Tag], size: tuple[int, int, int], packing: Packing) -> Hole:
    height, width, planes = size
    is_tiled = _is_tiled(tags)
    if is_tiled:
        across, down = reader.number(tags, _TILE_WIDTH, 0), reader.number(tags, _TILE_HEIGHT, 0)
    else:
        across, down = width, reader.number(tags, _ROWS_PER_STRIP, height)
    if not 0 < across <= MAX_SIDE or down <= 0:
        raise ValueError("an impossible size")
    step = _size_of_rows(packing, across)
    layout = Layout(height, width, planes, min(height, down), min(width, across), step, packing)
    offsets, sizes = (reader.numbers(tags, tag) for tag in _block_tags(tags))
    count = planes * layout.grid[1] * layout.grid[2]
    if len(offsets) < count:
        raise ValueError("too few offsets")
    offsets = offsets[:count]
    is_absent = offsets == 0
    if len(sizes) == len(offsets):
        is_absent |= sizes[:count] == 0
    if is_absent.all():
        raise ValueError("no block is in the file")
    offsets = np.where(is_absent, ABSENT, offsets)
    return Hole(layout, _first_of_each(offsets))


def _blocks(reader: _Reader, tags: dict[int, _Tag], layout: Layout, method: Method) -> Blocks | None:
    """The streams of an image; None if they are not for us."""
    predictor, packing = None, layout.packing
    kind = reader.number(tags, _PREDICTOR, _PLAIN)
    if kind == _DIFFERENCES and method is not Method.PACKBITS:
        if not isinstance(packing, Words) or _is_of_halves(packing):
            return None
        predictor = Predictor(packing.size, reader.order, packing.channels, layout.row_step)
    elif kind not in (_PLAIN, _DIFFERENCES) or reader.number(tags, _FILL_ORDER, 1) == _REVERSED:
        return None
    rows = reader.number(tags, _TILE_HEIGHT, 0) if _is_tiled(tags) else 0
    found = [tags.get(tag) for tag in _block_tags(tags)]
    if None in found or rows > MAX_SIDE:
        return None
    positions, lengths = (
        Numbers(one.place, _SIZES[one.kind], reader.numbers({0: one}, 0)) for one in found if one is not None
    )
    return Blocks(Recipe(method, layout.row_step, predictor), rows, positions, lengths, reader.order == "<")


def _is_tiled(tags: dict[int, _Tag]) -> bool:
    return _TILE_WIDTH in tags and _TILE_HEIGHT in tags


def _block_tags(tags: dict[int, _Tag]) -> tuple[int, int]:
    """The tags of the blocks' offsets and sizes: some writers store those of tiles in the tags of strips."""
    is_tiled = _is_tiled(tags)
    return (
        _TILES if is_tiled and _TILES in tags else _STRIPS,
        _TILE_SIZES if is_tiled and _TILE_SIZES in tags else _STRIP_SIZES,
    )


def _first_of_each(offsets: np.ndarray) -> np.ndarray:
    """Offsets, with those that came before made absent: writers store equal tiles once."""
    _, first = np.unique(offsets, return_index=True)
    kept = np.full(len(offsets), ABSENT, np.int64)
    kept[first] = offsets[first]
    return kept


def _stacked(reader: _Reader, tags: dict[int, _Tag]) -> int:
    """Number of images that a directory stands for, by the words of ImageJ or a tag of MetaMorph."""
    if _METAMORPH in tags:
        return tags[_METAMORPH].count
    text = tags.get(_DESCRIPTION)
    if text is None or text.count > _MAX_TEXT:
        return 1
    description = reader.take(text.place, text.count)
    found = _STACK.search(description) if description.startswith(b"ImageJ=") else None
    return int(found[1]) if found else 1
