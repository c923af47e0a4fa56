"""Replace the streams of images by their content, so that their samples lie uncompressed in the expanded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.source.found import Found, later
from mulanzip.source.holes import ABSENT, Hole, joined
from mulanzip.streams.deflate import MAX_TAIL, common_length
from mulanzip.streams.expanded import FIELD_SIZES, LENGTH, POSITION, Field, Stream, Streams, remake
from mulanzip.streams.gzip_member import Member
from mulanzip.streams.recipe import (
    DEFLATED_METHODS,
    OPEN_METHODS,
    Method,
    Recipe,
    Settings,
    candidates,
    find_deflate,
    memory_factor,
)
from mulanzip.streams.table import MAX_FIELDS, MAX_STREAMS

#: Searches for the settings of a stream, which are slow, in a file.
_SEARCHES = 8
#: Bytes of content that a byte of a stream makes at most; of LZW, whose codes of 12 bits stand for whole tables.
_MAX_RATIO = 1 << 12
#: Streams are written anew only where those that no recipe makes are more than this share of the file.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Expanded:
    """An expanded file.

    Attributes:
        data: its bytes.
        images: that lie uncompressed in it.
        streams: what makes the source of it; None if it is the source.
    """

    data: bytes
    images: list[Found]
    streams: Streams | None = None


class _Part(NamedTuple):
    """A stream of the source, its content, and what makes it: nothing where that was not found."""

    start: int
    length: int
    content: bytes
    plain: Recipe
    found: Recipe | None
    tail: bytes


@dataclass(frozen=True, eq=False)
class _Image:
    """An image whose streams were read."""

    found: Found
    parts: list[_Part]

    @property
    def is_made(self) -> bool:
        """Whether the source's streams can be made again."""
        return all(part.found is not None for part in self.parts)


class _Finder:
    """Finds recipes; settings that were found before, also in other images, are tried first."""

    def __init__(self) -> None:
        self.known: list[tuple[Method, Settings | None]] = []
        self.searches = _SEARCHES

    def find(self, plain: Recipe, stream: bytes, content: bytes) -> tuple[Recipe, bytes] | None:
        """A recipe, and the last bytes of the stream, which it does not make."""
        tried = [replace(plain, settings=settings) for method, settings in self.known if method is plain.method]
        for recipe in (*tried, *(one for one in candidates(plain) if one not in tried)):
            tail = _tail(recipe, stream, content)
            if tail is not None:
                found = (recipe.method, recipe.settings)
                self.known = [found, *(other for other in self.known if other != found)]
                return recipe, tail
        if plain.method not in DEFLATED_METHODS or not self.searches:
            return None
        self.searches -= 1
        recipe_found = find_deflate(plain, stream, content)
        if recipe_found is None:
            return None
        tail = _tail(recipe_found, stream, content)
        if tail is None:  # All content in one call gives another stream.
            return None
        self.known.insert(0, (recipe_found.method, recipe_found.settings))
        return recipe_found, tail


def _tail(recipe: Recipe, stream: bytes, content: bytes) -> bytes | None:
    """The last bytes of a stream, which a recipe does not make; None if those are too many."""
    made = recipe.make(content)
    right = len(stream) if made == stream else common_length(made, stream)
    return stream[right:] if len(stream) - right <= MAX_TAIL else None


def expand(data: bytes, images: Sequence[Found], limits: Limits = NO_LIMITS) -> Expanded:
    """Expand a file.

    Args:
        data: its bytes.
        images: that were found in it.  Of those of compressed blocks, some may be left as they are, and out of the
            result.

    Raises:
        LimitError: if there is not enough memory, or an image is too large; nothing has been expanded then.
    """
    packed = [found for found in images if found.blocks is not None and _lies_inside(found, len(data))]
    for found in packed:
        limits.check_pixels(found.hole.layout.height, found.hole.layout.width)
    limits.require(len(data) + sum(memory_factor(one.blocks.recipe) * sum(_most(one)) for one in packed if one.blocks))
    finder, taken, read = _Finder(), np.zeros(len(data), np.bool_), list[_Image]()
    for found in packed:
        try:
            image = _read(data, found, taken, finder)
        except ValueError:
            continue
        for part in image.parts:
            taken[part.start : part.start + part.length] = True
        read.append(image)
    made = [image for image in read if image.is_made]
    others = sum(part.length for image in read if not image.is_made for part in image.parts)
    is_exact = others <= _LEAST_SHARE * len(data)
    built = _built(data, made if is_exact else read, images, is_exact) if made or not is_exact else None
    return built or Expanded(data, [found for found in images if found.blocks is None])


def expand_members(data: bytes, members: Sequence[Member], images: Sequence[Sequence[Found]]) -> Expanded:
    """Expand a gzip file.

    Args:
        data: its bytes.
        members: 1 or more, each with content.
        images: in the content of each.
    """
    finder, plain, parts, is_searched = _Finder(), Recipe(Method.GZIP, 1), list[_Part](), True
    for one in members:
        stream = data[one.start : one.end]
        recipe = finder.find(plain, stream, one.content) if is_searched else None
        is_searched = recipe is not None
        parts.append(_Part(one.start, len(stream), one.content, plain, *(recipe or (None, b""))))
    made, streams = _joined(data, parts, is_searched)
    table = Streams(len(made), tuple(streams))
    kept = [later(found, stream.start) for stream, group in zip(streams, images, strict=True) for found in group]
    return Expanded(bytes(made), kept, table)


def _lies_inside(found: Found, size: int) -> bool:
    """Whether the streams of an image lie in a file of ``size`` bytes, by their numbers, and fit into it together."""
    assert found.blocks is not None
    starts, lengths = found.hole.offsets, found.blocks.lengths.values[: len(found.hole.offsets)]
    if len(lengths) < len(starts):
        return False
    is_there = starts != ABSENT
    ends = starts[is_there] + lengths[is_there]
    return bool((lengths >= 0).all() and ends.max() <= size and int(lengths[is_there].sum()) <= size)


def _most(found: Found) -> list[int]:
    """Maximum number of bytes of the content of each block."""
    blocks, layout = found.blocks, found.hole.layout
    assert blocks is not None
    _, down, across = layout.grid
    rows = [blocks.rows or min(layout.block_height, layout.height - i * layout.block_height) for i in range(down)]
    limits = [count * abs(layout.row_step) for count in rows for _ in range(across)] * layout.planes
    if blocks.recipe.method in OPEN_METHODS:  # What is not samples takes at most two bytes of content for each byte.
        return [limit + 2 * length for limit, length in zip(limits, blocks.lengths.values.tolist(), strict=True)]
    lengths = blocks.lengths.values[: len(limits)].tolist()
    return [min(limit, _MAX_RATIO * max(0, length)) for limit, length in zip(limits, lengths, strict=False)]


def _read(data: bytes, found: Found, taken: np.ndarray, finder: _Finder) -> _Image:
    """The streams of an image.

    Raises:
        ValueError: if they cannot be replaced by their content.
    """
    blocks, hole = found.blocks, found.hole
    assert blocks is not None
    fields = (blocks.positions, blocks.lengths)
    if any(len(one.values) < len(hole.offsets) or one.size not in (0, *FIELD_SIZES) for one in fields):
        raise ValueError("numbers that cannot be mended")
    limits, is_searched, parts = _most(found), True, list[_Part]()
    places = {place.start: place for place, _ in hole.places()}
    for i in np.flatnonzero(hole.offsets != ABSENT).tolist():
        start, length = int(hole.offsets[i]), int(blocks.lengths.values[i])
        if length <= 0 or taken[start : start + length].any():
            raise ValueError("an empty stream, or one inside of another")
        stream = data[start : start + length]
        content = blocks.recipe.content_of(stream, limits[i])
        if not content or len(content) < places[start].rows * abs(hole.layout.row_step):
            raise ValueError("a damaged stream")
        recipe = finder.find(blocks.recipe, stream, content) if is_searched else None
        is_searched = recipe is not None  # Others of the same writer would not be found either.
        parts.append(_Part(start, length, content, blocks.recipe, *(recipe or (None, b""))))
    return _Image(found, parts)


def _built(data: bytes, images: list[_Image], everything: Sequence[Found], is_exact: bool) -> Expanded | None:
    """The expanded file; None if it does not give the source again."""
    parts = sorted((part for image in images for part in image.parts), key=lambda part: part.start)
    starts = np.array([part.start for part in parts], np.int64)
    ends = starts + np.array([part.length for part in parts], np.int64)
    if len(parts) > MAX_STREAMS or (starts[1:] < ends[:-1]).any():
        return None
    made, streams = _joined(data, parts, is_exact)
    shifts = np.cumsum([0, *(stream.length - stream.place for stream in streams)])

    def moved(positions: np.ndarray) -> np.ndarray:
        """Positions in the source, of streams or outside of them -> those in the expanded file."""
        return positions + shifts[np.searchsorted(ends, positions, "right")]

    numbers = dict(zip(starts.tolist(), range(len(parts)), strict=True))
    fields, seen = list[Field](), np.zeros(len(made), np.bool_)
    for stream in streams:
        seen[stream.start : stream.start + stream.length] = True
    for one in (field for image in images for field in _fields(image.found, numbers, moved)):
        if seen[one.start : one.start + one.size].any() or one.start + one.size > len(made):
            return None  # A number inside of a stream, or of another one.
        seen[one.start : one.start + one.size] = True
        made[one.start : one.start + one.size] = bytes(one.size)
        fields.append(one)
    if len(fields) > MAX_FIELDS:
        return None
    table = Streams(len(made), tuple(streams), tuple(fields))
    read = {id(image.found) for image in images}
    kept = [_moved(found, moved) for found in everything if found.blocks is None or id(found) in read]
    try:
        restored = remake(bytes(made), table)
    except (CorruptFileError, UnsupportedImageError):
        return None
    return Expanded(bytes(made), kept, table) if restored == data or not is_exact else None


def _joined(data: bytes, parts: Sequence[_Part], is_exact: bool) -> tuple[bytearray, list[Stream]]:
    """A file with the contents of parts for their streams, and what makes these."""
    made, streams, end = bytearray(), list[Stream](), 0
    for part in parts:
        made += data[end : part.start]
        recipe = part.found if part.found is not None and is_exact else part.plain
        tail = part.tail if is_exact else b""
        streams.append(Stream(len(made), len(part.content), part.length, recipe, tail))
        made += part.content
        end = part.start + part.length
    return made + data[end:], streams


def _fields(found: Found, numbers: dict[int, int], moved: Callable[[np.ndarray], np.ndarray]) -> Iterator[Field]:
    """The numbers of an image that say something of its streams: equal blocks may be one stream."""
    blocks, count = found.blocks, len(found.hole.offsets)
    assert blocks is not None
    streams = [numbers.get(start) for start in blocks.positions.values[:count].tolist()]
    for kind, array in ((LENGTH, blocks.lengths), (POSITION, blocks.positions)):
        if not array.size:
            continue
        places = moved(array.start + array.size * np.arange(count, dtype=np.int64)).tolist()
        for place, stream in zip(places, streams, strict=True):
            if stream is not None:
                yield Field(place, array.size, blocks.is_little, kind, stream)


def _moved(found: Found, moved: Callable[[np.ndarray], np.ndarray]) -> Found:
    skip = found.blocks.skip if found.blocks else 0
    offsets = np.where(found.hole.offsets == ABSENT, ABSENT, moved(found.hole.offsets) + skip)
    return replace(found, hole=joined(Hole(found.hole.layout, offsets)), blocks=None)
