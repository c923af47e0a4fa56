"""Describes a PNG file so that pixels, metadata and the description give the same bytes again.

A PNG file consists of chunks; those of the pixels hold a deflated stream of filtered rows.  The description has the
filter types, the other chunks, and the library and settings that deflate the rows to the same stream.  If no settings
do, the file is not described.  A hash tells whether the result is right: other versions of a library may give other
bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from mulanzip import limits
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import Chunk, Container
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import ICC
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png
from mulanzip.imageio.png_original import rows
from mulanzip.imageio.png_original.deflate import Engine, Settings, find
from mulanzip.inflate import Outcome, inflate
from mulanzip.varint import Reader, Writer

#: Kind of the container's chunk that holds the result of :func:`describe`.
KIND = b"orig"
HASH_BYTES = 16
#: Maximum size of the description: a share of the compressed file without it, but at least this number of bytes.
_SHARE, _FLOOR = 0.01, 64
#: Maximum number of bytes of an inflated description without its filter types.
_MAX_EXTRA = 1 << 20
#: Maximum number of chunks of pixels.
_MAX_CHUNKS = 1 << 20
#: Colour types of PNG files.
_COLOURS = {Mode.GRAY: 0, Mode.BILEVEL: 0, Mode.RGB: 2, Mode.PALETTE: 3, Mode.GRAY_ALPHA: 4, Mode.RGBA: 6}
#: Bits per sample that files of a mode may have, if arrays of their samples have 8 bits; by default 8.
_DEPTHS = {Mode.GRAY: (2, 4, 8), Mode.BILEVEL: (1,), Mode.PALETTE: (1, 2, 4, 8)}
_IHDR, _IDAT, _IEND, _ICC = b"IHDR", b"IDAT", b"IEND", b"iCCP"
#: How a chunk is described: by its bytes, by settings that deflate the ICC profile, or (from 2 on) by its position
#: among the chunks that follow from the metadata.
_LITERAL, _DEFLATED, _KNOWN = range(3)


class _Unusual(Exception):
    """A PNG file that cannot be described, or not in few bytes."""


def keep(file: Container, source: bytes, picture: Picture) -> Container:
    """Add the description of the source, if that is a PNG file and its description is small.

    Args:
        file: the compressed file of ``picture``.
        source: the bytes of the file that ``picture`` was read from.
        picture: the picture with its metadata.
    """
    payload = describe(source, picture, file.size)
    return file if payload is None else replace(file, chunks=(*file.chunks, Chunk(KIND, payload)))


def restore(file: Container, picture: Picture) -> tuple[bytes | None, list[str]]:
    """The bytes of the PNG file that ``picture`` was read from, and notes for the user.

    Returns:
        None for the bytes if the file has no description, or if this machine makes other bytes; then with a note.

    Raises:
        CorruptFileError: if the description is damaged.
    """
    for payload in file.of_kind(KIND):
        original = rebuild(payload, picture)
        if original is None:
            return None, ["the PNG file could not be made again here: same pixels and metadata, other bytes"]
        return original, []
    return None, []


def describe(source: bytes, picture: Picture, compressed_size: int) -> bytes | None:
    """A description from which :func:`rebuild` makes a PNG file again.

    Args:
        source: the bytes of the file.
        picture: the picture that was read from it.
        compressed_size: bytes of the compressed file; limits the size of the description.

    Returns:
        None if the source is not a PNG file, cannot be made again, or needs too large a description.
    """
    budget = max(_FLOOR, int(_SHARE * compressed_size))
    if not source.startswith(png.SIGNATURE):
        return None
    if not _is_enough_memory(picture):
        return None
    try:
        payload = _described(source, picture, budget)
    except _Unusual:
        return None
    return payload if len(payload) <= budget and rebuild(payload, picture) == source else None


def rebuild(payload: bytes, picture: Picture) -> bytes | None:
    """The PNG file that :func:`describe` described.

    Args:
        payload: the description.
        picture: the picture that was read from the PNG file.

    Returns:
        None if the deflate libraries here make other bytes, or if memory is short.

    Raises:
        CorruptFileError: if the description is damaged.
    """
    if not _is_enough_memory(picture):
        return None
    height, width = picture.pixels.shape[:2]
    inflated = inflate(payload[HASH_BYTES:], rows.row_count(height, width, True) + _MAX_EXTRA, raw=True)
    try:
        if inflated.outcome is not Outcome.CLEAN:
            raise ValueError
        source = _rebuilt(_Reader(inflated.content), picture)
    except (ValueError, IndexError):
        raise CorruptFileError("the description of the original PNG file is damaged") from None
    return source if _hash(source) == payload[:HASH_BYTES] else None


def _is_enough_memory(picture: Picture) -> bool:
    """Whether rows, filtered rows, the deflated stream, the file and a copy of it fit into memory."""
    return 5 * picture.pixels.nbytes + 4 * _MAX_EXTRA < limits.available_memory()


def _hash(source: bytes) -> bytes:
    return hashlib.blake2b(source, digest_size=HASH_BYTES).digest()


@dataclass(frozen=True)
class _Parts:
    """The parts of a PNG file: header, chunks before the pixels, pixels, chunks after them, data behind the end."""

    header: bytes
    before: list[png.Chunk]
    pixels: list[bytes]
    after: list[png.Chunk]
    rest: bytes


def _parts(source: bytes) -> _Parts:
    chunks: list[png.Chunk] = []
    position = len(png.SIGNATURE)
    while not chunks or chunks[-1][0] != _IEND:
        length = int.from_bytes(source[position : position + 4], "big")
        kind, payload = source[position + 4 : position + 8], source[position + 8 : position + 8 + length]
        end = position + png.OVERHEAD + length
        if end > len(source) or png.join(kind, payload) != source[position:end]:
            raise _Unusual
        chunks.append((kind, payload))
        position = end
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != _IHDR or _IDAT not in kinds:
        raise _Unusual
    first = kinds.index(_IDAT)
    last = len(kinds) - kinds[::-1].index(_IDAT)
    if any(kind != _IDAT for kind in kinds[first:last]) or chunks[-1][1]:
        raise _Unusual
    pixels = [payload for _, payload in chunks[first:last]]
    if len(pixels) > _MAX_CHUNKS:
        raise _Unusual
    return _Parts(chunks[0][1], chunks[1:first], pixels, chunks[last:-1], source[position:])


def _header(picture: Picture, depth: int, interlaced: bool) -> bytes:
    height, width = picture.pixels.shape[:2]
    numbers = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return numbers + bytes([depth, _COLOURS[picture.mode], 0, 0, interlaced])


def _depths(picture: Picture) -> tuple[int, ...]:
    """Bits per sample that a PNG file of the picture may have; empty if PNG files cannot hold it."""
    if picture.mode not in _COLOURS or picture.is_signed:
        return ()
    return (16,) if picture.is_deep else _DEPTHS.get(picture.mode, (8,))


def _samples(picture: Picture, depth: int) -> np.ndarray:
    """Samples as in the file.  Those of a picture are scaled to 8 bits if they are gray."""
    return picture.pixels >> (8 - depth) if depth < 8 and picture.mode is Mode.GRAY else picture.pixels


def _step(picture: Picture, depth: int) -> int:
    """Bytes that a writer passes to its library in one call: a row."""
    return 1 + rows.row_bytes(picture.pixels.shape[1], picture.pixels.shape[2], depth)


class _Known:
    """Chunks that follow from the picture.  Each can be taken once: no damaged description gives a huge file."""

    def __init__(self, picture: Picture):
        self.chunks: list[png.Chunk | None] = []
        self.chunks += [chunk for chunk in metadata.png_chunks(picture.metadata) if chunk[0] != _ICC]
        if picture.palette:
            self.chunks.append((b"PLTE", picture.palette))
        self._profile = picture.metadata.get(ICC, b"")

    def take(self, index: int) -> png.Chunk:
        """Raises ValueError or IndexError if the chunk does not exist, or was taken before."""
        chunk, self.chunks[index] = self.chunks[index], None
        if chunk is None:
            raise ValueError
        return chunk

    def take_profile(self) -> bytes:
        """The ICC profile; empty if the picture has none, or if it was taken before."""
        profile, self._profile = self._profile, b""
        return profile


def _described(source: bytes, picture: Picture, budget: int) -> bytes:
    parts = _parts(source)
    depth, interlaced = parts.header[8], parts.header[12] == 1
    if depth not in _depths(picture) or parts.header != _header(picture, depth, interlaced):
        raise _Unusual
    if len(parts.rest) > budget:
        raise _Unusual
    height, width, channels = picture.pixels.shape
    size = rows.total_bytes((height, width, channels), depth, interlaced)
    stream = b"".join(parts.pixels)
    data = inflate(stream, size).content
    if len(data) != size:
        raise _Unusual
    types = rows.filter_types(data, (height, width, channels), depth, interlaced)
    samples = _samples(picture, depth)
    if types.max() >= rows.FILTERS or rows.filtered(samples, depth, types, interlaced) != data:
        raise _Unusual

    writer = _Writer()
    writer.raw(bytes([depth, interlaced]))
    known = _Known(picture)
    for chunks in (parts.before, parts.after):
        writer.number(len(chunks))
        for chunk in chunks:
            _write_chunk(writer, chunk, known)
    writer.block(parts.rest)
    if len(_deflated(bytes(writer.data))) + HASH_BYTES > budget:  # Before the search for settings, which is slow.
        raise _Unusual
    _write_stream(writer, stream, data, _step(picture, depth))
    sizes = [(length, len(list(group))) for length, group in groupby(map(len, parts.pixels))]
    writer.number(len(sizes))
    for length, count in sizes:
        writer.number(length)
        writer.number(count)
    return _hash(source) + _with_types(writer, types, samples, depth, interlaced)


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _with_types(writer: _Writer, types: np.ndarray, samples: np.ndarray, depth: int, interlaced: bool) -> bytes:
    """The bytes of the writer and the filter types, deflated.

    The types are written as they are, or as differences from :func:`rows.predicted_types`, whichever is smallest.
    """
    forms = [types]
    if types.min() != types.max():
        predicted = rows.predicted_types(samples, depth, interlaced)
        forms += [(types + rows.FILTERS - one) % rows.FILTERS for one in predicted]
    return min((_deflated(bytes(writer.data) + bytes([i]) + form.tobytes()) for i, form in enumerate(forms)), key=len)


def _write_chunk(writer: _Writer, chunk: png.Chunk, known: _Known) -> None:
    kind, payload = chunk
    if chunk in known.chunks:
        index = known.chunks.index(chunk)
        known.take(index)
        writer.number(_KNOWN + index)
        return
    name, _, stream = payload.partition(b"\0")
    profile = known.take_profile() if kind == _ICC and stream[:1] == b"\0" else b""
    if profile and (found := find(stream[1:], profile, len(profile))):
        writer.number(_DEFLATED)
        writer.block(name)
        _write_made(writer, *found, stream[1:])
        return
    writer.number(_LITERAL)
    writer.raw(kind)
    writer.block(payload)


def _write_stream(writer: _Writer, stream: bytes, data: bytes, step: int) -> None:
    found = find(stream, data, step)
    if found is None:
        raise _Unusual
    _write_made(writer, *found, stream)


def _write_made(writer: _Writer, settings: Settings, right: int, stream: bytes) -> None:
    """Write how a stream is made: the settings, the number of bytes that they reproduce, and the bytes behind these."""
    writer.settings(settings)
    writer.number(right)
    writer.block(stream[right:])


def _rebuilt(reader: _Reader, picture: Picture) -> bytes:
    """The file of a description.  Raises ValueError or IndexError if that is damaged."""
    depth, interlaced = reader.byte(), bool(reader.byte())
    if depth not in _depths(picture):
        raise ValueError
    known = _Known(picture)
    before = [_read_chunk(reader, known) for _ in range(reader.count())]
    after = [_read_chunk(reader, known) for _ in range(reader.count())]
    rest = reader.block()
    settings, right, tail = reader.settings(), reader.number(), reader.block()
    runs = [(reader.number(), reader.number()) for _ in range(reader.count())]
    predicted = reader.byte()
    types = np.frombuffer(reader.rest(), np.uint8)
    height, width = picture.pixels.shape[:2]
    if len(types) != rows.row_count(height, width, interlaced) or predicted > 2 or types.max() >= rows.FILTERS:
        raise ValueError
    if sum(length * count for length, count in runs) != right + len(tail):
        raise ValueError
    if sum(count for _, count in runs) > _MAX_CHUNKS:
        raise ValueError

    samples = _samples(picture, depth)
    if predicted:
        types = (types + rows.predicted_types(samples, depth, interlaced)[predicted - 1]) % rows.FILTERS
    data = rows.filtered(samples, depth, types, interlaced)
    stream = b"".join(settings.pieces(data, _step(picture, depth)))[:right] + tail
    if len(stream) != right + len(tail):  # The stream of another version of the library may be shorter.
        return b""
    pixels, position = [], 0
    for length, count in runs:
        for _ in range(count):
            pixels.append((_IDAT, stream[position : position + length]))
            position += length
    chunks = [(_IHDR, _header(picture, depth, interlaced)), *before, *pixels, *after, (_IEND, b"")]
    return b"".join((png.SIGNATURE, *(png.join(*chunk) for chunk in chunks), rest))


def _read_chunk(reader: _Reader, known: _Known) -> png.Chunk:
    way = reader.number()
    if way >= _KNOWN:
        return known.take(way - _KNOWN)
    if way == _LITERAL:
        return reader.raw(4), reader.block()
    name, settings, right, tail = reader.block(), reader.settings(), reader.number(), reader.block()
    profile = known.take_profile()
    if not profile:
        raise ValueError
    return _ICC, name + b"\0\0" + b"".join(settings.pieces(profile, len(profile)))[:right] + tail


class _Writer(Writer):
    def settings(self, found: Settings) -> None:
        self.raw(bytes([found.engine, found.level, found.window, found.memory, found.strategy]) + found.header)


class _Reader(Reader):
    def settings(self) -> Settings:
        engine, level, window, memory_level, strategy = self.raw(5)
        return Settings(Engine(engine), level, window, memory_level, strategy, self.raw(2))
