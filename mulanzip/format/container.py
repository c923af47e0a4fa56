"""``.mzp`` bytes <-> header and chunks.  The payloads of chunks are not interpreted.

``docs/format.md`` specifies the byte layout.  Before memory is allocated, every length is checked against the size of
the file and the limits.  Reserved fields must be zero.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, Any

import numpy as np

from mulanzip.errors import ArchiveError, CorruptFileError, LimitError, UnsupportedVersionError
from mulanzip.image.kinds import MAX_PIXELS, MAX_SIDE, Kind, Mode, is_kind
from mulanzip.lattice.geometry import TILE_CELLS, level_grids, segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES
from mulanzip.options import Grade

SIGNATURE = b"\x8aMLZ\r\n\x1a\n"
#: Signature of archives (:mod:`mulanzip.format.archive`).
ARCHIVE_SIGNATURE = b"\x8aMLA\r\n\x1a\n"
VERSION = 0
#: Maximum bytes of a payload.
MAX_CHUNK = 1 << 31

_HEADER = struct.Struct("<8sBBBBIIBBBB8s16s")
_CRC = struct.Struct("<I")
_CHUNK = struct.Struct("<4sI")
HEADER_SIZE = _HEADER.size + _CRC.size
#: Bytes of a chunk besides its payload.
CHUNK_OVERHEAD = _CHUNK.size + _CRC.size

#: Bit of the depth field that marks signed samples.
_SIGNED = 128
#: Place of the grade in the field of the coding.
_GRADE_SHIFT = 6


class Coding(IntEnum):
    """How the pixels are stored."""

    MODEL = 0
    STORED = 1
    #: Tiles in one chain of latents (:mod:`mulanzip.gaussian.exact.tiled_image`).  The header names the model of the
    #: first tiles.
    CHAIN = 2
    #: A file of any kind in pieces (:mod:`mulanzip.whole.pieces`): bytes, and JPEG files as JPEG XL.
    PIECES = 3
    #: A file as the images that are coded and everything else (:mod:`mulanzip.whole.skeleton`).
    SKELETON = 4

    @property
    def is_file(self) -> bool:
        """Whether a file is kept, not one image."""
        return self in (Coding.PIECES, Coding.SKELETON)


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Where a file is kept and no image, mode, size, depth and bands are those of its first image.  If nothing is known
    of one, they are those of a gray image without pixels.

    Attributes:
        schedule: index into :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`, or
            :data:`mulanzip.lattice.schedules.MIXED`.
        model_id: first 8 bytes of the SHA-256 of the model; zeros where no model is used.
        pixel_hash: BLAKE2b-128 of the pixels (:func:`mulanzip.image.picture.pixel_hash`); where a file is kept, that of
            the source's bytes.
        depth: bits per sample, 1 to 16.
        signed: whether samples are ``-2**(depth - 1) .. 2**(depth - 1) - 1``.
        bands: samples per pixel of modes with any number of them, else 0.
        grade: how much of the source comes back.
    """

    mode: Mode
    coding: Coding
    width: int
    height: int
    schedule: int
    model_id: bytes
    pixel_hash: bytes
    depth: int = 8
    signed: bool = False
    bands: int = 0
    grade: Grade = Grade.SAMPLES

    @property
    def kind(self) -> Kind:
        return Kind(self.mode, self.depth, self.signed, self.bands)

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return self.kind.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of arrays of pixels."""
        return self.kind.dtype

    def pack(self) -> bytes:
        levels = len(level_grids(self.height, self.width)) if self.coding is Coding.MODEL else 0
        tile_log2 = TILE_CELLS.bit_length() - 1 if self.coding is Coding.MODEL else 0
        fields = _HEADER.pack(
            SIGNATURE,
            VERSION,
            self.mode,
            self.depth | _SIGNED * self.signed,
            self.coding | self.grade << _GRADE_SHIFT,
            self.width,
            self.height,
            levels,
            tile_log2,
            self.schedule,
            self.bands,
            self.model_id,
            self.pixel_hash,
        )
        return fields + _CRC.pack(zlib.crc32(fields))

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """Read and check a header.

        Raises:
            CorruptFileError, UnsupportedVersionError, LimitError
            ArchiveError: if the file is an archive.
        """
        if data.startswith(ARCHIVE_SIGNATURE):
            raise ArchiveError("this is an archive of images: mulanzip unpack restores them")
        if not data.startswith(SIGNATURE[: len(data)] or SIGNATURE):
            raise CorruptFileError("not a mulanzip file (its signature is missing)")
        if len(data) < HEADER_SIZE:
            raise CorruptFileError("the file is truncated inside its header")
        if data[8] != VERSION and _crc_is_right(data):
            raise UnsupportedVersionError(f"the file has format version {data[8]}; this mulanzip reads {VERSION}")
        if not _crc_is_right(data):
            raise CorruptFileError("the header is damaged (its checksum is wrong)")
        (_, _, mode, depth, coding, width, height, _, _, schedule, bands, model_id, pixel_hash) = _HEADER.unpack(
            data[: _HEADER.size]
        )
        signed, depth = bool(depth & _SIGNED), depth & ~_SIGNED
        grade, coding = coding >> _GRADE_SHIFT, coding & (1 << _GRADE_SHIFT) - 1
        is_schedule = schedule < len(SCHEDULE_NAMES) or schedule == MIXED
        is_known = mode in list(Mode) and coding in list(Coding) and grade in list(Grade) and is_schedule
        if not is_known or not is_kind(Mode(mode), depth, signed, bands):
            raise UnsupportedVersionError("the file uses features that this version of mulanzip does not know")
        if (not width or not height) and (width or height or not Coding(coding).is_file):
            raise CorruptFileError("the header says that the image has no pixels")
        if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
            raise LimitError(f"an image of {width}x{height} pixels is beyond the limits of the format")
        header = cls(
            Mode(mode),
            Coding(coding),
            width,
            height,
            schedule,
            model_id,
            pixel_hash,
            depth,
            signed,
            bands,
            Grade(grade),
        )
        if (header.coding is Coding.STORED or header.coding.is_file) and (any(model_id) or schedule):
            what = "file" if header.coding.is_file else "image"
            raise CorruptFileError(f"the header of a stored {what} names a model")
        if header.coding is Coding.PIECES and header.grade is not Grade.FILE:
            raise CorruptFileError("the header says that a stored file is not the source")
        if header.coding is Coding.MODEL and header.mode in (Mode.PALETTE, Mode.BILEVEL):
            raise UnsupportedVersionError(f"{header.mode.name} images are not coded by the model in this version")
        if header.coding is Coding.CHAIN and (header.kind != Kind(Mode.RGB, 8) or schedule):
            raise UnsupportedVersionError("chains of latents are for RGB images of 8 bits in this version")
        # Number of levels and tile size follow from the rest.
        if header.pack()[: _HEADER.size] != data[: _HEADER.size]:
            raise UnsupportedVersionError("the header contradicts itself, or uses another geometry")
        return header


def _crc_is_right(data: bytes) -> bool:
    return _CRC.unpack(data[_HEADER.size : HEADER_SIZE])[0] == zlib.crc32(data[: _HEADER.size])


@dataclass(frozen=True)
class Chunk:
    """A payload and its kind.  Kinds that start with a capital letter are critical: unknown ones are refused."""

    kind: bytes
    payload: bytes

    @property
    def is_critical(self) -> bool:
        return self.kind[:1].isupper()

    def pack(self) -> bytes:
        head = _CHUNK.pack(self.kind, len(self.payload))
        return head + self.payload + _CRC.pack(zlib.crc32(head + self.payload))


SEGMENT = b"SEGM"
STORED = b"STOR"
CHAIN = b"CHAN"
CONTEXT = b"CTXT"
SCHEDULES_CHUNK = b"SCHD"
VALUES = b"VALS"
GAMUT = b"GAMT"
VALUE_EDGES = b"TONE"
#: Which bands or slices are coded given others; that bands are slices of a stack.
NEIGHBOURS = b"NEAR"
STACK = b"STAK"
#: Pieces of a file: bytes, and JPEG files as JPEG XL.
DATA = b"DATA"
JPEG = b"JPEG"
#: What a file has besides the samples of its images, and each of these images.
SKELETON = b"SKEL"
#: What makes compressed streams of the file again.
STREAMS = b"STRM"
IMAGE = b"IMAG"
END = b"MEND"
CRITICAL_KINDS = (
    *(SEGMENT, STORED, CHAIN, CONTEXT, SCHEDULES_CHUNK, VALUES, GAMUT, VALUE_EDGES, NEIGHBOURS, STACK),
    *(DATA, JPEG, SKELETON, STREAMS, IMAGE),
    END,
)
#: Maximum number of pieces, and of images of a file that are coded.
MAX_PIECES = MAX_IMAGES = 1 << 16


@dataclass(frozen=True)
class Container:
    """A file: header, and chunks without the end mark."""

    header: Header
    chunks: tuple[Chunk, ...]

    def pack(self) -> bytes:
        return b"".join((self.header.pack(), *(c.pack() for c in self.chunks), Chunk(END, b"").pack()))

    @property
    def payload_size(self) -> int:
        """Bytes of all chunks but the end, with their overhead."""
        return sum(len(chunk.payload) + CHUNK_OVERHEAD for chunk in self.chunks)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return HEADER_SIZE + self.payload_size + CHUNK_OVERHEAD

    def of_kind(self, kind: bytes) -> list[bytes]:
        """The payloads of all chunks of a kind."""
        return [chunk.payload for chunk in self.chunks if chunk.kind == kind]


def unpack(data: bytes) -> Container:
    """Read a file, and check everything that can be checked without decoding.

    Raises:
        CorruptFileError, UnsupportedVersionError, LimitError
    """
    header = Header.unpack(data)
    chunks: list[Chunk] = []
    position = HEADER_SIZE
    while True:
        end = chunk_end(data, position)
        kind = data[position : position + 4]
        if not is_intact(data, position, end):
            raise CorruptFileError(f"the part at byte {position} is damaged (its checksum is wrong)")
        chunk = chunk_between(data, position, end)
        if not kind.isalpha() or (chunk.is_critical and kind not in CRITICAL_KINDS):
            raise UnsupportedVersionError(f"the file has a part {kind!r} that this version of mulanzip does not know")
        position = end
        if kind == END:
            break
        chunks.append(chunk)
    if position != len(data):
        raise CorruptFileError(f"{len(data) - position} bytes follow the end of the file")
    if chunk.payload:
        raise CorruptFileError("the end mark is not empty")
    _check_counts(header, chunks)
    return Container(header, tuple(chunks))


def read_front(file: IO[bytes]) -> tuple[Header, list[Chunk]]:
    """Read the header and the chunks before the first critical one.  No pixel data are read.

    Args:
        file: seekable, at its beginning.

    Raises:
        CorruptFileError, UnsupportedVersionError, LimitError
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = Header.unpack(file.read(HEADER_SIZE))
    chunks: list[Chunk] = []
    while len(head := file.read(_CHUNK.size)) == _CHUNK.size:
        kind, length = _CHUNK.unpack(head)
        if kind[:1].isupper():
            return header, chunks
        if file.tell() + length > size:
            break
        data = head + file.read(length + _CRC.size)
        if len(data) < length + CHUNK_OVERHEAD or not is_intact(data, 0, len(data)):
            raise CorruptFileError(f"the part {kind!r} is damaged (its checksum is wrong)")
        chunks.append(chunk_between(data, 0, len(data)))
    raise CorruptFileError("the file is truncated, or damaged before its pixels")


def chunk_end(data: bytes, position: int) -> int:
    """Position after the chunk at ``position``.

    Raises:
        CorruptFileError: if its length exceeds the file or the limits.
    """
    if position + CHUNK_OVERHEAD > len(data):
        raise CorruptFileError("the file is truncated (its end mark is missing)")
    length = _CHUNK.unpack_from(data, position)[1]
    end = position + CHUNK_OVERHEAD + length
    if length > MAX_CHUNK or end > len(data):
        raise CorruptFileError(f"the file is truncated or damaged: a part at byte {position} has a wrong length")
    return end


def is_intact(data: bytes, position: int, end: int) -> bool:
    """Whether the checksum of the chunk between two positions is right."""
    return _CRC.unpack_from(data, end - _CRC.size)[0] == zlib.crc32(data[position : end - _CRC.size])


def chunk_between(data: bytes, position: int, end: int) -> Chunk:
    """The chunk between two positions; its checksum is not checked."""
    return Chunk(data[position : position + 4], data[position + _CHUNK.size : end - _CRC.size])


def _check_counts(header: Header, chunks: Iterable[Chunk]) -> None:
    kinds = [c.kind for c in chunks]
    is_coded = header.coding is Coding.MODEL
    has_values, is_mixed = is_coded and header.kind.is_deep, header.schedule == MIXED
    most = header.kind.groups * len(segments(header.height, header.width)) if is_coded else 0
    is_stored, is_chain = (header.coding is coding for coding in (Coding.STORED, Coding.CHAIN))
    is_pieces, is_skeleton = (header.coding is coding for coding in (Coding.PIECES, Coding.SKELETON))
    expected = {
        # Groups of channels whose samples are all the same have no segments: the values in use tell which.
        SEGMENT: range(0 if has_values else most, most + 1),
        STORED: range(is_stored, 1 + is_stored),
        CHAIN: range(is_chain, 1 + is_chain),
        VALUES: range(has_values, 1 + has_values),
        SCHEDULES_CHUNK: range(is_mixed, 1 + is_mixed),
        DATA: range(MAX_PIECES * is_pieces + 1),
        JPEG: range(MAX_PIECES * is_pieces + 1),
        SKELETON: range(is_skeleton, 1 + is_skeleton),
        STREAMS: range(1 + is_skeleton),
        IMAGE: range(is_skeleton, MAX_IMAGES * is_skeleton + 1),
    }
    if is_pieces and not (DATA in kinds or JPEG in kinds):
        raise CorruptFileError("the file has no pieces")
    for kind, counts in expected.items():
        if kinds.count(kind) not in counts:
            raise CorruptFileError(f"the file has {kinds.count(kind)} parts {kind.decode()} instead of {counts[-1]}")
    if not is_coded and CONTEXT in kinds:
        raise CorruptFileError("a context is for images that the model codes, and this is another one")
    if GAMUT in kinds and not (is_coded and header.mode in (Mode.RGB, Mode.RGBA) and header.depth == 8):
        raise CorruptFileError("a gamut is for colour images of 8 bits, and this is another one")
    if VALUE_EDGES in kinds and not (is_coded and header.depth == 8):
        raise CorruptFileError("value edges are for images of 8 bits, and this is another one")
    if NEIGHBOURS in kinds and not (is_coded and header.mode is Mode.BANDS):
        raise CorruptFileError("a list of earlier slices is for bands that the model codes, and this is another image")
    if STACK in kinds and (header.mode is not Mode.BANDS or header.coding.is_file):
        raise CorruptFileError("the mark of a stack is for bands, and this is another image")
    if any(chunk.kind == STACK and chunk.payload for chunk in chunks):
        raise CorruptFileError("the mark of a stack is not empty")
    others = Counter(kind for kind in kinds if kind not in expected)
    for kind, count in others.items():
        if count > 1:
            raise CorruptFileError(f"the file has the part {kind.decode()} twice, which may occur only once")
