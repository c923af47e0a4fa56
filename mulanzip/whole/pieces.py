"""A file in pieces: JPEG files in it as JPEG XL, all else compressed by a general-purpose library.

A photograph with a thumbnail behind it, or with a video, is a JPEG file and more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mulanzip.errors import CorruptFileError
from mulanzip.format.container import CHUNK_OVERHEAD, DATA, JPEG, MAX_PIECES, Chunk, Coding, Container, Header
from mulanzip.image.kinds import Mode
from mulanzip.limits import Limits
from mulanzip.options import Grade
from mulanzip.registry import ID_BYTES
from mulanzip.whole import general, jpeg

#: Maximum bytes of a piece: what a decoder holds at once beside the file.
_PIECE = 1 << 28
#: JPEG files that are shorter, and do not begin the file, stay as they are.
_LEAST_JPEG = 1 << 11
#: Number of JPEG files in a file that JPEG XL may refuse before the others are left as they are.
_PATIENCE = 8
_MODES = {1: Mode.GRAY, 3: Mode.RGB}


def file_hash(data: bytes) -> bytes:
    """BLAKE2b-128."""
    return hashlib.blake2b(data, digest_size=16).digest()


def pack(data: bytes, limits: Limits) -> Container:
    """The file of any bytes.  Its header has the size of a JPEG file that it begins with.

    Raises:
        LimitError: if there is not enough memory.
    """
    chunks: list[Chunk] = []
    facts = (Mode.GRAY, 0, 0)
    position = 0
    for start, end, frame, payload in _jpegs(data, limits):
        if not start and frame.components in _MODES:
            facts = (_MODES[frame.components], frame.width, frame.height)
        chunks += _plain(data, position, start)
        chunks.append(Chunk(JPEG, payload))
        position = end
    chunks += _plain(data, position, len(data))
    if not facts[1] and chunks:  # What JPEG files save in the middle can be less than a general compressor loses.
        chunks = min(chunks, _plain(data, 0, len(data)), key=_size)
    mode, width, height = facts
    header = Header(mode, Coding.PIECES, width, height, 0, bytes(ID_BYTES), file_hash(data), grade=Grade.FILE)
    return Container(header, tuple(chunks or [Chunk(DATA, general.pack(b""))]))


def _size(chunks: list[Chunk]) -> int:
    return sum(len(chunk.payload) + CHUNK_OVERHEAD for chunk in chunks)


def _jpegs(data: bytes, limits: Limits) -> Iterator[tuple[int, int, jpeg.Frame, bytes]]:
    """JPEG files in a file: start, end, image, payload."""
    refused = found = 0
    position = data.find(jpeg.SIGNATURE)
    while position >= 0 and refused < _PATIENCE and found < MAX_PIECES // 2 - 1:
        at = jpeg.scan(data, position)
        end = at[0] if at else position
        payload = None
        if at is not None and (not position or end - position >= _LEAST_JPEG):
            payload = jpeg.pack(data[position:end], limits)
            refused += payload is None
        if at is not None and payload is not None:
            yield position, end, at[1], payload
            found += 1
        position = data.find(jpeg.SIGNATURE, end if payload else position + 1)


def _plain(data: bytes, start: int, end: int) -> list[Chunk]:
    """The chunks of a part of a file."""
    return [Chunk(DATA, general.pack(data[at : min(at + _PIECE, end)])) for at in range(start, end, _PIECE)]


def unpack(file: Container, limits: Limits) -> bytes:
    """The file that :func:`pack` packed.

    Raises:
        CorruptFileError: if it is damaged.
        LimitError: if it is larger than the limits allow; nothing has been decompressed then.
    """
    kinds = {DATA: general, JPEG: jpeg}
    pieces = [(kinds[chunk.kind], chunk.payload) for chunk in file.chunks if chunk.kind in kinds]
    limits.require(sum(kind.size_of(payload) for kind, payload in pieces))
    data = b"".join(kind.unpack(payload, limits) for kind, payload in pieces)
    if file_hash(data) != file.header.pixel_hash:
        raise CorruptFileError("the file does not have the hash that its header promises")
    return data
