"""Bytes of archives <-> header and directory.

``docs/format.md`` specifies the byte layout.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from mulanzip.errors import CorruptFileError, LimitError, MulanzipError, UnsupportedVersionError
from mulanzip.format.archive_columns import pack_names, pack_optional, read_names, read_optional
from mulanzip.format.container import (
    ARCHIVE_SIGNATURE,
    CHUNK_OVERHEAD,
    END,
    MAX_CHUNK,
    SIGNATURE,
    Chunk,
    chunk_between,
    is_intact,
)
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.inflate import Outcome, inflate
from mulanzip.lattice.geometry import TILE_CELLS
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.varint import MAX_COUNT, Reader, Writer

VERSION = 0
#: The process that codes groups.  With Gaussian noise, groups of RGB images are chains of latents
#: (:mod:`mulanzip.gaussian.exact.chain`).
ERASURE, GAUSSIAN = range(2)

_HEADER = struct.Struct("<8sBBBB8s")
_CRC = struct.Struct("<I")
_POSITION = struct.Struct("<Q")
HEADER_SIZE = _HEADER.size + _CRC.size
END_PAYLOAD = _POSITION.size

GROUP = b"GRUP"
FILE = b"FILE"
METADATA = b"META"
DIRECTORY = b"DIRY"

#: Maximum images of an archive, and maximum bytes of its directory and of a part with metadata.
MAX_IMAGES = MAX_COUNT
_MAX_DIRECTORY = _MAX_METADATA = 1 << 28
#: Maximum pixels of a group: those of a tile, so that coding takes the same memory for both.
GROUP_PIXELS = (2 * TILE_CELLS) ** 2
DIGEST_BYTES = 16
#: Times of files are below this, in ns since 1970: the year 2116.
END_OF_TIME = 1 << 62
#: Numbers of the kinds of parts in the directory: metadata, files, groups of the first shape and so on.
_METADATA_TAG, _FILE_TAG, _SHAPE_TAG = range(3)
_DRIVE = re.compile("[A-Za-z]:")


@dataclass(frozen=True)
class Header:
    """The header of an archive.

    Attributes:
        model_id: first 8 bytes of the SHA-256 of the model.
        schedule: of all groups, index into :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`.
        process: :data:`ERASURE` or :data:`GAUSSIAN`.
    """

    model_id: bytes
    schedule: int
    process: int = ERASURE

    def pack(self) -> bytes:
        fields = _HEADER.pack(ARCHIVE_SIGNATURE, VERSION, self.process, self.schedule, 0, self.model_id)
        return fields + _CRC.pack(zlib.crc32(fields))

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """Read and check a header.

        Raises:
            CorruptFileError, UnsupportedVersionError
        """
        if data.startswith(SIGNATURE):
            raise CorruptFileError("this is a single image, not an archive: mulanzip decompress restores it")
        if not data.startswith(ARCHIVE_SIGNATURE[: len(data)] or ARCHIVE_SIGNATURE):
            raise CorruptFileError("not a mulanzip archive (its signature is missing)")
        if len(data) < HEADER_SIZE:
            raise CorruptFileError("the archive is truncated inside its header")
        fields = data[: _HEADER.size]
        if _CRC.unpack(data[_HEADER.size : HEADER_SIZE])[0] != zlib.crc32(fields):
            raise CorruptFileError("the archive's header is damaged (its checksum is wrong)")
        _, version, process, schedule, reserved, model_id = _HEADER.unpack(fields)
        if version != VERSION:
            raise UnsupportedVersionError(f"the archive has format version {version}; this mulanzip reads {VERSION}")
        if process not in (ERASURE, GAUSSIAN) or schedule >= len(SCHEDULE_NAMES) or reserved:
            raise UnsupportedVersionError("the archive uses features that this version of mulanzip does not know")
        return cls(model_id, schedule, process)

    def has_chains(self, mode: Mode) -> bool:
        """Whether groups of this mode are chains of latents."""
        return self.process == GAUSSIAN and mode is Mode.RGB


@dataclass(frozen=True)
class Shape:
    """Mode and size of the images of a group, which have 8 bits per sample."""

    mode: Mode
    height: int
    width: int

    @property
    def channels(self) -> int:
        return 3 if self.mode is Mode.RGB else 1

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.mode.name.lower()}"

    @property
    def is_small(self) -> bool:
        """Whether images of this shape are coded in groups: the model codes them, in a single segment."""
        sides = range(1, 2 * TILE_CELLS + 1)
        return self.mode in (Mode.GRAY, Mode.RGB) and self.height in sides and self.width in sides

    @property
    def most(self) -> int:
        """Maximum images of a group."""
        return GROUP_PIXELS // (self.height * self.width)


@dataclass(frozen=True)
class ArchiveChunk:
    """A part of an archive, as its directory describes it.

    Attributes:
        kind: :data:`GROUP` (a group of images), :data:`FILE` (a ``.mzp`` file) or :data:`METADATA` (payloads).
        length: bytes of its payload.
        count: number of images or payloads in it.
        digest: of the samples of a group (:func:`mulanzip.codec.stack.stack_hash`); BLAKE2b-128 of other payloads.
        shape: of the images of a group; None for other kinds.
    """

    kind: bytes
    length: int
    count: int
    digest: bytes
    shape: Shape | None = None


@dataclass(frozen=True)
class Member:
    """An image of an archive.

    Attributes:
        name: a relative path with ``/``.
        shape: of images in groups; None for images in files.
        metadata: of images in groups: kinds, and numbers of payloads, counted from the start of the archive.
        modified: time of the last change, in ns since 1970; None where unknown.
        permissions: mode bits; None where unknown.
    """

    name: str
    shape: Shape | None
    metadata: dict[bytes, int] = field(default_factory=dict)
    modified: int | None = None
    permissions: int | None = None


def check_name(name: str) -> None:
    """Check that a name is a relative path on every system, and stays inside of the folder that it is unpacked to.

    Raises:
        MulanzipError: if it is not.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise MulanzipError("its name is not UTF-8, so an archive cannot hold it; rename it") from None
    pieces = name.split("/")
    if not all(pieces) or "." in pieces or ".." in pieces or _DRIVE.match(name) or set(name) & set("\\\0"):
        raise MulanzipError(f"{name!r} cannot be a name in an archive: names are relative paths without . and ..")


@dataclass(frozen=True)
class Directory:
    """The content of an archive: parts and images, in order."""

    parts: tuple[ArchiveChunk, ...]
    members: tuple[Member, ...]

    def places(self) -> Iterator[tuple[Member, int, int]]:
        """Each image, the number of its part, and its position in the part.

        The images of a shape fill the parts of this shape in order.
        """
        rooms: dict[Shape | None, list[int]] = {}
        for number, part in enumerate(self.parts):
            if part.kind != METADATA:
                rooms.setdefault(part.shape, []).append(number)
        places = {shape: self._places_in(numbers) for shape, numbers in rooms.items()}
        for member in self.members:
            yield (member, *next(places[member.shape]))

    def _places_in(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        for number in numbers:
            yield from ((number, place) for place in range(self.parts[number].count))

    def starts(self) -> list[int]:
        """Positions in the archive of the chunk of each part, and of the directory."""
        found = [HEADER_SIZE]
        for part in self.parts:
            found.append(found[-1] + part.length + CHUNK_OVERHEAD)
        return found

    def pack(self) -> bytes:
        """The payload of the chunk: BLAKE2b-128 of the content, then the content, compressed by zlib."""
        writer = Writer()
        shapes = list(dict.fromkeys(part.shape for part in self.parts if part.shape is not None))
        writer.number(len(shapes))
        for shape in shapes:
            for number in (shape.mode, shape.height, shape.width):
                writer.number(number)
        tags: dict[Shape | None, int] = {shape: _SHAPE_TAG + number for number, shape in enumerate(shapes)}
        tags[None] = _FILE_TAG
        writer.number(len(self.parts))
        for part in self.parts:
            writer.number(_METADATA_TAG if part.kind == METADATA else tags[part.shape])
            writer.number(part.length)
            writer.number(part.count)
            writer.raw(part.digest)
        writer.number(len(self.members))
        pack_names(writer, [member.name.encode() for member in self.members])
        for member in self.members:
            writer.number(tags[member.shape])
        for member in self.members:
            writer.number(len(member.metadata))
            for kind, number in member.metadata.items():
                writer.number(KINDS.index(kind))
                writer.number(number)
        pack_optional(writer, [member.modified for member in self.members])
        pack_optional(writer, [member.permissions for member in self.members])
        content = bytes(writer.data)
        return digest_of(content) + zlib.compress(content, 9)

    @classmethod
    def unpack(cls, payload: bytes, limits: Limits = NO_LIMITS) -> Directory:
        """The inverse of :meth:`pack`.

        Raises:
            CorruptFileError: if the directory is damaged, or has a name that is not allowed.
            LimitError: if it is too large.
        """
        content = _inflate(payload[DIGEST_BYTES:], _MAX_DIRECTORY, limits)
        if digest_of(content) != payload[:DIGEST_BYTES]:
            raise CorruptFileError("the archive's directory is damaged (its hash is wrong)")
        try:
            found = cls._read(Reader(content))
            found._check()
        except (ValueError, IndexError, OverflowError):
            raise CorruptFileError("the archive's directory contradicts itself") from None
        return found

    @classmethod
    def _read(cls, reader: Reader) -> Directory:
        shapes = [Shape(Mode(reader.number()), reader.number(), reader.number()) for _ in range(reader.count())]
        if len(set(shapes)) != len(shapes) or not all(shape.is_small for shape in shapes):
            raise ValueError
        parts = []
        for _ in range(reader.count()):
            tag, length, count = reader.number(), reader.number(), reader.number()
            kind = METADATA if tag == _METADATA_TAG else FILE if tag == _FILE_TAG else GROUP
            shape = shapes[tag - _SHAPE_TAG] if kind == GROUP else None
            if length > MAX_CHUNK or count > MAX_COUNT:
                raise ValueError
            parts.append(ArchiveChunk(kind, length, count, reader.raw(DIGEST_BYTES), shape))
        total = reader.count()
        names = [name.decode() for name in read_names(reader, total, _MAX_DIRECTORY)]
        found: list[Shape | None] = []
        for _ in range(total):
            tag = reader.number()
            if tag == _METADATA_TAG:
                raise ValueError
            found.append(None if tag == _FILE_TAG else shapes[tag - _SHAPE_TAG])
        metadata = [{KINDS[reader.number()]: reader.number() for _ in range(reader.count())} for _ in range(total)]
        modified, permissions = read_optional(reader, total), read_optional(reader, total)
        if reader.rest():
            raise ValueError
        return cls(tuple(parts), tuple(map(Member, names, found, metadata, modified, permissions)))

    def _check(self) -> None:
        """Raise ValueError if parts and images do not match."""
        for part in self.parts:
            most = part.shape.most if part.shape else 1 if part.kind == FILE else MAX_COUNT
            if not 0 < part.count <= most:
                raise ValueError
        payloads = sum(part.count for part in self.parts if part.kind == METADATA)
        seen = set()
        held: dict[Shape | None, int] = {}
        for member in self.members:
            try:
                check_name(member.name)
            except MulanzipError:
                raise ValueError from None
            seen.add(member.name)
            held[member.shape] = held.get(member.shape, 0) + 1
            if any(number >= payloads for number in member.metadata.values()):
                raise ValueError
            if member.permissions is not None and not 0 <= member.permissions < 1 << 12:
                raise ValueError
            if member.modified is not None and not 0 <= member.modified < END_OF_TIME:
                raise ValueError
        room: dict[Shape | None, int] = {}
        for part in self.parts:
            if part.kind != METADATA:
                room[part.shape] = room.get(part.shape, 0) + part.count
        if len(seen) != len(self.members) or room != held:
            raise ValueError


def digest_of(content: bytes) -> bytes:
    """BLAKE2b-128."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _inflate(data: bytes, most: int, limits: Limits) -> bytes:
    """Decompress data of zlib.

    Raises:
        CorruptFileError: if they are damaged.
        LimitError: if the content has more than ``most`` bytes, or more than the limits allow.
    """
    limit = min(most, limits.memory or most)
    inflated = inflate(data, limit)
    if inflated.outcome is Outcome.TOO_LARGE:
        limits.require(limit + 1)
        raise LimitError("the archive's directory or metadata are larger than the format allows")
    if inflated.outcome is not Outcome.CLEAN:
        raise CorruptFileError("a part of the archive is damaged")
    return inflated.content


def pack_metadata(payloads: Sequence[bytes]) -> bytes:
    """The payload of a part with metadata: lengths and payloads, compressed by zlib."""
    writer = Writer()
    for payload in payloads:
        writer.block(payload)
    return zlib.compress(bytes(writer.data), 9)


def unpack_metadata(data: bytes, count: int, limits: Limits) -> list[bytes]:
    """The inverse of :func:`pack_metadata`, for ``count`` payloads.

    Raises:
        CorruptFileError, LimitError
    """
    reader = Reader(_inflate(data, _MAX_METADATA, limits))
    try:
        payloads = [reader.block() for _ in range(count)]
    except (ValueError, IndexError):
        raise CorruptFileError("metadata of the archive are damaged") from None
    if reader.rest():
        raise CorruptFileError("metadata of the archive are damaged")
    return payloads


def pack_end(directory_start: int) -> bytes:
    """The last bytes of an archive."""
    return Chunk(END, _POSITION.pack(directory_start)).pack()


def read_chunk(file: BinaryIO, start: int, kind: bytes, length: int) -> bytes:
    """The payload of a chunk at a known position.

    Raises:
        CorruptFileError: if this chunk is not there, or damaged.
    """
    file.seek(start)
    data = file.read(length + CHUNK_OVERHEAD)
    if len(data) != length + CHUNK_OVERHEAD:
        raise CorruptFileError("the archive is truncated")
    chunk = chunk_between(data, 0, len(data))
    if not is_intact(data, 0, len(data)) or chunk.kind != kind or data[4:8] != length.to_bytes(4, "little"):
        raise CorruptFileError(f"the part at byte {start} is damaged (its checksum is wrong)")
    return chunk.payload


def read_front(file: BinaryIO, limits: Limits = NO_LIMITS) -> tuple[Header, Directory]:
    """Header and directory of an archive.

    Raises:
        CorruptFileError, UnsupportedVersionError, LimitError
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = Header.unpack(file.read(HEADER_SIZE))
    end = size - END_PAYLOAD - CHUNK_OVERHEAD
    if end < HEADER_SIZE:
        raise CorruptFileError("the archive is truncated")
    try:
        start = _POSITION.unpack(read_chunk(file, end, END, _POSITION.size))[0]
    except CorruptFileError:
        raise CorruptFileError("the archive is truncated, or its end is damaged") from None
    length = end - start - CHUNK_OVERHEAD
    if start < HEADER_SIZE or not 0 < length <= MAX_CHUNK:
        raise CorruptFileError("the archive's end contradicts its size")
    limits.require(length)
    directory = Directory.unpack(read_chunk(file, start, DIRECTORY, length), limits)
    if directory.starts()[-1] != start:
        raise CorruptFileError("the archive's directory contradicts its size")
    return header, directory
