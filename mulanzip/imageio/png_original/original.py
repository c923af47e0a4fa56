"""Describes a PNG file so that pixels, metadata and the description give the same bytes again.

A PNG file consists of chunks; those of the pixels hold a deflated stream of filtered rows.  The description has the
filter types, the other chunks, and the library and settings that deflate the rows to the same stream.  A hash tells
whether the result is right: other versions of a library may give other bytes.  If no settings do, only the other chunks
are described, and the stream is written anew.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from itertools import groupby

import numpy as np

from mulanzip import limits
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import Chunk, Container
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png
from mulanzip.imageio.png_original import rows
from mulanzip.imageio.png_original.parts import (
    ICC_CHUNK,
    IDAT,
    IEND,
    IHDR,
    MAX_CHUNKS,
    KnownChunks,
    Parts,
    UnusualError,
    depths_of,
    header_of,
    row_step,
    samples_of,
    split,
)
from mulanzip.inflate import Outcome, inflate
from mulanzip.options import Grade
from mulanzip.streams.deflate import Engine, Settings, find
from mulanzip.varint import Reader, Writer

#: Kind of the container's chunk that holds the result of :func:`describe`.
KIND = b"orig"
HASH_BYTES = 16
#: Maximum size of the description: a share of the compressed file without it, but at least this number of bytes.
_SHARE, _FLOOR = 0.01, 64
#: Maximum number of bytes of an inflated description without its filter types.
_MAX_EXTRA = 1 << 20
#: Chunks with offsets into the deflated stream: they go with it.
_OF_STREAM = (b"iDOT",)
#: Stands for the library of a stream that is written anew.
_ANEW = 255
_ANEW_LEVEL = 9
#: How a chunk is described: by its bytes, by settings that deflate the ICC profile, or (from 2 on) by its position
#: among the chunks that follow from the metadata.
_LITERAL, _DEFLATED, _KNOWN = range(3)
_OTHER_BYTES = "the PNG file could not be made again here: same pixels and metadata, other bytes"


def keep(file: Container, source: bytes, picture: Picture) -> Container:
    """Add the description of the source and its grade, if that is a PNG file; with the grade samples if it has none.

    Args:
        file: the compressed file of ``picture``.
        source: the bytes of the file that ``picture`` was read from.
        picture: the picture with its metadata.
    """
    if not source.startswith(png.SIGNATURE) or not _is_enough_memory(picture):
        return file
    payload = describe(source, picture, file.size)
    if payload is not None:
        return _graded(file, Grade.FILE, payload)
    try:
        payload = _described_content(split(source), picture)
    except UnusualError:
        return file
    return _graded(file, Grade.CONTENT, payload)


def _graded(file: Container, grade: Grade, payload: bytes) -> Container:
    chunks = (*file.chunks, Chunk(KIND, payload)) if payload else file.chunks
    return replace(file, header=replace(file.header, grade=grade), chunks=chunks)


def restore(file: Container, picture: Picture) -> tuple[bytes | None, list[str]]:
    """The PNG file that ``picture`` was read from, or one that differs in its compressed pixels alone; and notes.

    Returns:
        None for the bytes if the file has no description.  A note says where the file's bytes were promised, and this
        machine makes others.

    Raises:
        CorruptFileError: if the description is damaged.
    """
    for payload in file.of_kind(KIND):
        original = rebuild(payload, picture)
        if original is None and _is_enough_memory(picture):
            original = _rebuild(payload, picture, anew=True)
        notes = (
            [_OTHER_BYTES]
            if original is None or (any(payload[:HASH_BYTES]) and not _is_whole(original, payload))
            else []
        )
        return original, notes
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
    if not source.startswith(png.SIGNATURE) or not _is_enough_memory(picture):
        return None
    try:
        payload = _described(source, picture, budget)
    except UnusualError:
        return None
    return payload if rebuild(payload, picture) == source else None


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
    source = _rebuild(payload, picture)
    return source if not any(payload[:HASH_BYTES]) or _is_whole(source, payload) else None


def _is_whole(source: bytes, payload: bytes) -> bool:
    """Whether a file is the one that was described."""
    return _hash(source) == payload[:HASH_BYTES]


def _rebuild(payload: bytes, picture: Picture, anew: bool = False) -> bytes:
    """The file of a description; the deflated stream may be made ``anew``."""
    height, width = picture.pixels.shape[:2]
    inflated = inflate(payload[HASH_BYTES:], rows.row_count(height, width, True) + _MAX_EXTRA, raw=True)
    try:
        if inflated.outcome is not Outcome.CLEAN:
            raise ValueError
        return _rebuilt(_Reader(inflated.content), picture, anew)
    except (ValueError, IndexError):
        raise CorruptFileError("the description of the original PNG file is damaged") from None


def _is_enough_memory(picture: Picture) -> bool:
    """Whether rows, filtered rows, the deflated stream, the file and a copy of it fit into memory."""
    return 5 * picture.pixels.nbytes + 4 * _MAX_EXTRA < limits.available_memory()


def _hash(source: bytes) -> bytes:
    return hashlib.blake2b(source, digest_size=HASH_BYTES).digest()


def _described(source: bytes, picture: Picture, budget: int) -> bytes:
    parts = split(source)
    depth, interlaced = parts.header[8], parts.header[12] == 1
    if depth not in depths_of(picture) or parts.header != header_of(picture, depth, interlaced):
        raise UnusualError
    height, width, channels = picture.pixels.shape
    size = rows.total_bytes((height, width, channels), depth, interlaced)
    stream = b"".join(parts.pixels)
    data = inflate(stream, size).content
    if len(data) != size:
        raise UnusualError
    types = rows.filter_types(data, (height, width, channels), depth, interlaced)
    samples = samples_of(picture, depth)
    if types.max() >= rows.FILTERS or rows.filtered(samples, depth, types, interlaced) != data:
        raise UnusualError

    writer = _Writer()
    has_more = _write_front(writer, parts, picture)
    size = len(_deflated(bytes(writer.data))) + HASH_BYTES
    if has_more:  # It is kept in any case, and does not speak against keeping the stream as well.
        budget += size
    if size > budget or len(writer.data) > _MAX_EXTRA // 2:  # Before the search for settings, which is slow.
        raise UnusualError
    _write_stream(writer, stream, data, row_step(picture, depth))
    sizes = [(length, len(list(group))) for length, group in groupby(map(len, parts.pixels))]
    writer.number(len(sizes))
    for length, count in sizes:
        writer.number(length)
        writer.number(count)
    payload = _hash(source) + _with_types(writer, types, samples, depth, interlaced)
    if len(payload) > budget:
        raise UnusualError
    return payload


def _write_front(writer: _Writer, parts: Parts, picture: Picture) -> bool:
    """Write what is outside of the stream; return whether that is more than what follows from the picture."""
    writer.raw(bytes([parts.header[8], parts.header[12]]))
    known, has_more = KnownChunks(picture), bool(parts.rest)
    for chunks in (parts.before, parts.after):
        writer.number(len(chunks))
        for chunk in chunks:
            has_more |= _write_chunk(writer, chunk, known)
    writer.block(parts.rest)
    return has_more


def _described_content(parts: Parts, picture: Picture) -> bytes:
    """A description of all but the stream; empty if the file that the metadata makes has it.

    Raises:
        UnusualError: if there can be none.
    """
    depth, interlace = parts.header[8], parts.header[12]
    if depth not in depths_of(picture) or parts.header != header_of(picture, depth, interlace == 1):
        raise UnusualError
    parts = replace(parts, before=[c for c in parts.before if c[0] not in _OF_STREAM])
    plain = split(_made_of_metadata(picture))
    if (plain.header[8:], plain.before, plain.after, b"") == (parts.header[8:], parts.before, parts.after, parts.rest):
        return b""
    writer = _Writer()
    _write_front(writer, parts, picture)
    writer.raw(bytes([_ANEW]))
    if len(writer.data) > _MAX_EXTRA:
        raise UnusualError
    return bytes(HASH_BYTES) + _deflated(bytes(writer.data))


def _made_of_metadata(picture: Picture) -> bytes:
    """A PNG file of one pixel that differs from that of the picture in size and pixels alone."""
    last = np.full_like(picture.pixels[:1, :1], picture.pixels.max())
    return png.encode(replace(picture, pixels=last), metadata.png_chunks(picture.metadata))


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


def _write_chunk(writer: _Writer, chunk: png.Chunk, known: KnownChunks) -> bool:
    """Write a chunk; return whether its content is written."""
    kind, payload = chunk
    if chunk in known.chunks:
        index = known.chunks.index(chunk)
        known.take(index)
        writer.number(_KNOWN + index)
        return False
    name, _, stream = payload.partition(b"\0")
    profile = known.take_profile() if kind == ICC_CHUNK and stream[:1] == b"\0" else b""
    if profile and (found := find(stream[1:], profile, len(profile))):
        writer.number(_DEFLATED)
        writer.block(name)
        _write_made(writer, *found, stream[1:])
        return False
    writer.number(_LITERAL)
    writer.raw(kind)
    writer.block(payload)
    return True


def _write_stream(writer: _Writer, stream: bytes, data: bytes, step: int) -> None:
    found = find(stream, data, step)
    if found is None:
        raise UnusualError
    _write_made(writer, *found, stream)


def _write_made(writer: _Writer, settings: Settings, right: int, stream: bytes) -> None:
    """Write how a stream is made: the settings, the number of bytes that they reproduce, and the bytes behind these."""
    writer.settings(settings)
    writer.number(right)
    writer.block(stream[right:])


def _rebuilt(reader: _Reader, picture: Picture, anew: bool) -> bytes:
    """The file of a description.  Raises ValueError or IndexError if that is damaged."""
    depth, interlaced = reader.byte(), bool(reader.byte())
    if depth not in depths_of(picture):
        raise ValueError
    known = KnownChunks(picture)
    before = [_read_chunk(reader, known) for _ in range(reader.count())]
    after = [_read_chunk(reader, known) for _ in range(reader.count())]
    rest = reader.block()

    def joined(pixels: list[png.Chunk]) -> bytes:
        chunks = [(IHDR, header_of(picture, depth, interlaced)), *before, *pixels, *after, (IEND, b"")]
        return b"".join((png.SIGNATURE, *(png.join(*chunk) for chunk in chunks), rest))

    if anew or reader.next_byte() == _ANEW:
        before = [chunk for chunk in before if chunk[0] not in _OF_STREAM]
        return joined([(IDAT, _stream(picture, depth, interlaced))])
    settings, right, tail = reader.settings(), reader.number(), reader.block()
    runs = [(reader.number(), reader.number()) for _ in range(reader.count())]
    predicted = reader.byte()
    types = np.frombuffer(reader.rest(), np.uint8)
    height, width = picture.pixels.shape[:2]
    if len(types) != rows.row_count(height, width, interlaced) or predicted > 2 or types.max() >= rows.FILTERS:
        raise ValueError
    if sum(length * count for length, count in runs) != right + len(tail):
        raise ValueError
    if sum(count for _, count in runs) > MAX_CHUNKS:
        raise ValueError

    samples = samples_of(picture, depth)
    if predicted:
        types = (types + rows.predicted_types(samples, depth, interlaced)[predicted - 1]) % rows.FILTERS
    data = rows.filtered(samples, depth, types, interlaced)
    stream = b"".join(settings.pieces(data, row_step(picture, depth)))[:right] + tail
    if len(stream) != right + len(tail):  # The stream of another version of the library may be shorter.
        return b""
    pixels, position = [], 0
    for length, count in runs:
        for _ in range(count):
            pixels.append((IDAT, stream[position : position + length]))
            position += length
    return joined(pixels)


def _stream(picture: Picture, depth: int, interlaced: bool) -> bytes:
    """The pixels, filtered and deflated."""
    samples = samples_of(picture, depth)
    types = rows.predicted_types(samples, depth, interlaced)[0]
    if depth < 8 or picture.mode is Mode.PALETTE:  # Neighbouring values are no neighbours there.
        types = np.zeros_like(types)
    return zlib.compress(rows.filtered(samples, depth, types, interlaced), _ANEW_LEVEL)


def _read_chunk(reader: _Reader, known: KnownChunks) -> png.Chunk:
    way = reader.number()
    if way >= _KNOWN:
        return known.take(way - _KNOWN)
    if way == _LITERAL:
        return reader.raw(4), reader.block()
    name, settings, right, tail = reader.block(), reader.settings(), reader.number(), reader.block()
    profile = known.take_profile()
    if not profile:
        raise ValueError
    return ICC_CHUNK, name + b"\0\0" + b"".join(settings.pieces(profile, len(profile)))[:right] + tail


class _Writer(Writer):
    def settings(self, found: Settings) -> None:
        self.raw(bytes([found.engine, found.level, found.window, found.memory, found.strategy]) + found.header)


class _Reader(Reader):
    def settings(self) -> Settings:
        engine, level, window, memory_level, strategy = self.raw(5)
        return Settings(Engine(engine), level, window, memory_level, strategy, self.raw(2))
