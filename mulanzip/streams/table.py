"""The table of streams in bytes.

All numbers are of variable length.  Streams of the same recipe that follow each other share it, and so do fields that
lie side by side and speak of streams that follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from mulanzip.errors import CorruptFileError
from mulanzip.streams.deflate import MAX_TAIL, Engine
from mulanzip.streams.deflate import Settings as DeflateSettings
from mulanzip.streams.expanded import FIELD_SIZES, LENGTH, POSITION, Field, Stream, Streams
from mulanzip.streams.predictor import SIZES, Predictor
from mulanzip.streams.recipe import DEFLATED_METHODS, OPEN_METHODS, Library, Method, Recipe, Settings
from mulanzip.varint import Reader, Writer

#: Maximum number of streams, and of fields.
MAX_STREAMS, MAX_FIELDS = 1 << 17, 1 << 18
#: Maximum of a size or position.
_MAX = 1 << 48
#: Stands for the library of streams that are written anew.
_ANEW = 255


def pack(table: Streams) -> bytes:
    """The table."""
    writer = Writer()
    writer.number(table.size)
    groups = [(recipe, list(group)) for recipe, group in groupby(table.streams, lambda stream: stream.recipe)]
    writer.number(len(groups))
    end = 0
    for recipe, streams in groups:
        _write_recipe(writer, recipe)
        writer.number(len(streams))
        for stream in streams:
            for number in (stream.start - end, stream.length, stream.place):
                writer.number(number)
            if recipe.settings is not None:
                writer.block(stream.tail)
            end = stream.start + stream.length
    _write_fields(writer, table.fields)
    return bytes(writer.data)


def unpack(data: bytes) -> Streams:
    """The inverse of :func:`pack`.

    Raises:
        CorruptFileError: if the table is damaged.
    """
    reader = Reader(data)
    try:
        size = _at_most(reader.number(), _MAX)
        streams = tuple(_read_streams(reader))
        fields = tuple(_read_fields(reader, len(streams)))
        if not streams or reader.rest() or streams[-1].start + streams[-1].length > size:
            raise ValueError
        if len({stream.recipe.settings is None for stream in streams}) > 1:
            raise ValueError
        _check_fields(size, streams, fields)
    except ValueError:
        raise CorruptFileError("the table of the streams is damaged") from None
    return Streams(size, streams, fields)


def _check_fields(size: int, streams: tuple[Stream, ...], fields: tuple[Field, ...]) -> None:
    """Raises ValueError unless all fields lie in the file, outside of streams."""
    starts = iter([*((stream.start, stream.start + stream.length) for stream in streams), (size, size)])
    start, end = next(starts)
    for one in sorted(fields, key=lambda one: one.start):
        while one.start >= end and end < size:
            start, end = next(starts)
        if one.start + one.size > start:
            raise ValueError


def _write_recipe(writer: Writer, recipe: Recipe) -> None:
    writer.number(recipe.method)
    writer.number(recipe.row_bytes)
    if recipe.predictor is None:
        writer.number(0)
    else:
        writer.number(recipe.predictor.size)
        writer.number("<>".index(recipe.predictor.order))
        writer.number(recipe.predictor.channels)
    if recipe.method in OPEN_METHODS:
        writer.number(recipe.unit)
    match recipe.settings:
        case None:
            writer.raw(bytes([_ANEW]))
        case DeflateSettings() as found:
            writer.raw(bytes([found.engine, found.level, found.window, found.memory, found.strategy]) + found.header)
        case library:
            writer.raw(bytes([library]))


def _read_recipe(reader: Reader) -> Recipe:
    method, row_bytes = Method(reader.number()), _at_most(reader.number(), _MAX)
    size = reader.number()
    predictor = None
    if size:
        if size not in SIZES:
            raise ValueError
        predictor = Predictor(size, "<>"[_at_most(reader.number(), 1)], _at_most(reader.number(), _MAX), row_bytes)
    unit = reader.number() if method in OPEN_METHODS else 1
    settings: Settings | None = None
    library = reader.byte()
    if library != _ANEW and method in DEFLATED_METHODS:
        level, window, memory, strategy = reader.raw(4)
        settings = DeflateSettings(Engine(library), level, window, memory, strategy, reader.raw(2))
    elif library != _ANEW:
        settings = Library(library)
    return Recipe(method, row_bytes, predictor, settings, unit)


def _read_streams(reader: Reader) -> Iterator[Stream]:
    end = total = 0
    for _ in range(reader.count()):
        recipe, count = _read_recipe(reader), reader.count()
        total += count
        if not count or total > MAX_STREAMS:
            raise ValueError
        for _ in range(count):
            start, length, place = end + reader.number(), reader.number(), reader.number()
            tail = reader.block() if recipe.settings is not None else b""
            end = start + length
            if not length or max(end, place) > _MAX or len(tail) > min(place, MAX_TAIL):
                raise ValueError
            yield Stream(start, length, place, recipe, tail)


def _write_fields(writer: Writer, fields: tuple[Field, ...]) -> None:
    runs: list[list[Field]] = []
    for one in fields:
        if runs and _follows(runs[-1][-1], one):
            runs[-1].append(one)
        else:
            runs.append([one])
    writer.number(len(runs))
    for run in runs:
        first = run[0]
        flags = FIELD_SIZES.index(first.size) << 2 | first.is_little << 1 | first.kind
        for number in (first.start, flags, first.stream, len(run)):
            writer.number(number)


def _follows(one: Field, other: Field) -> bool:
    is_next = (one.start + one.size, one.stream + 1) == (other.start, other.stream)
    return is_next and (one.size, one.is_little, one.kind) == (other.size, other.is_little, other.kind)


def _read_fields(reader: Reader, streams: int) -> Iterator[Field]:
    total = 0
    for _ in range(reader.count()):
        start, flags, first, count = _at_most(reader.number(), _MAX), reader.number(), reader.number(), reader.number()
        total += count
        if first + count > streams or flags >> 2 >= len(FIELD_SIZES) or total > MAX_FIELDS:
            raise ValueError
        size, is_little, kind = FIELD_SIZES[flags >> 2], bool(flags & 2), POSITION if flags & 1 else LENGTH
        for i in range(count):
            yield Field(start + i * size, size, is_little, kind, first + i)


def _at_most(value: int, limit: int) -> int:
    if value > limit:
        raise ValueError
    return value
