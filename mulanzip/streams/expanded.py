"""A file whose compressed streams were replaced by their content, its *expanded file*, and the way back.

The way back makes each stream again.  Where libraries make other bytes than those of the source, streams are written
anew: in the old place if they fit into it, otherwise at the end of the file, so that nothing else moves; and the
numbers that say where streams are, and how long, are mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.streams.recipe import UNPLACED_METHODS, Method, Recipe, memory_factor

#: What a field says of its stream: its length, or its position in the file.
LENGTH, POSITION = 0, 1
#: Bytes of a field.
FIELD_SIZES = (2, 4, 8)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the source.

    Attributes:
        start, length: position and number of bytes of its content in the expanded file; 1 byte or more.
        place: bytes of the stream.
        recipe: what makes it.
        tail: its last bytes, which the recipe does not make.
    """

    start: int
    length: int
    place: int
    recipe: Recipe
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Field:
    """A number in the source that says something of a stream.  Its bytes are 0 in the expanded file.

    Attributes:
        start: position in the expanded file, outside of streams.
        size: bytes.
        is_little: whether its low byte comes first.
        kind: ``LENGTH`` or ``POSITION``.
        stream: number of the stream.
    """

    start: int
    size: int
    is_little: bool
    kind: int
    stream: int


@dataclass(frozen=True)
class Streams:
    """What makes the source of the expanded file.

    Attributes:
        size: bytes of the expanded file.
        streams: in the order of their positions, apart from each other.
        fields: in any order.
    """

    size: int
    streams: tuple[Stream, ...]
    fields: tuple[Field, ...] = ()

    @property
    def source_size(self) -> int:
        """Bytes of the source."""
        return self.size + sum(stream.place - stream.length for stream in self.streams)

    @property
    def memory(self) -> int:
        """Bytes that making the source takes beside the expanded file, about."""
        return self.source_size + sum(memory_factor(stream.recipe) * stream.length for stream in self.streams)

    @property
    def takes_any_samples(self) -> bool:
        """Whether streams can be made of any samples: some kinds of JPEG lack codes for some."""
        return all(stream.recipe.method not in (Method.LOSSLESS_JPEG, Method.JPEG_LS) for stream in self.streams)

    @property
    def is_exact(self) -> bool:
        """Whether the source is made, byte for byte; otherwise streams are written anew."""
        return all(stream.recipe.settings is not None for stream in self.streams)

    def anew(self) -> Streams:
        """The same with any streams of the contents."""
        streams = (replace(one, recipe=replace(one.recipe, settings=None), tail=b"") for one in self.streams)
        return replace(self, streams=tuple(streams))


def remake(expanded: bytes, table: Streams) -> bytes:
    """The source; with streams that are written anew, a file of the same content and other streams.

    Raises:
        CorruptFileError: if the table does not fit the file.
        UnsupportedImageError: if a stream became too long for a number that says so.
    """
    if len(expanded) != table.size:
        raise CorruptFileError("the expanded file does not have the size that it says")
    made, behind, end = bytearray(), list[tuple[int, bytes]](), 0
    facts = np.zeros((len(table.streams), 2), np.int64)
    for number, stream in enumerate(table.streams):
        made += expanded[end : stream.start]
        end = stream.start + stream.length
        data = _made(stream, expanded[stream.start : end])
        facts[number] = len(data), len(made)
        if stream.recipe.method in UNPLACED_METHODS:  # No number speaks of it, and zeros may not follow text.
            made += data
            continue
        if len(data) > stream.place:
            behind.append((number, data))
            data = b""
        made += data + bytes(stream.place - len(data))
    made += expanded[end:]
    for number, data in behind:
        made += bytes(len(made) % 2)  # TIFF asks for even positions.
        facts[number, POSITION] = len(made)
        made += data
    _write(made, table, facts)
    return bytes(made)


def _made(stream: Stream, content: bytes) -> bytes:
    try:
        data = stream.recipe.make(content)
    except ValueError as error:
        raise CorruptFileError(f"the table of the streams is damaged: {error}") from None
    if stream.recipe.settings is None:
        return data
    right = stream.place - len(stream.tail)
    return data[:right] + stream.tail


def _write(made: bytearray, table: Streams, facts: np.ndarray) -> None:
    """Write all fields.

    Args:
        made: the file without them.
        facts: int64, ``LENGTH`` and ``POSITION`` of each stream.
    """
    if not table.fields:
        return
    moved = positions_in_source(table.streams, np.array([one.start for one in table.fields], np.int64))
    for one, start in zip(table.fields, moved.tolist(), strict=True):
        value = int(facts[one.stream, one.kind])
        if value >> 8 * one.size:
            raise UnsupportedImageError("a stream that was written anew is too long for its file")
        made[start : start + one.size] = value.to_bytes(one.size, "little" if one.is_little else "big")


def positions_in_source(streams: Sequence[Stream], positions: np.ndarray) -> np.ndarray:
    """Positions in the expanded file, outside of streams -> those in the source, int64."""
    ends = np.array([stream.start + stream.length for stream in streams], np.int64)
    shifts = np.cumsum([0, *(stream.place - stream.length for stream in streams)])
    return positions + shifts[np.searchsorted(ends, positions, "right")]
