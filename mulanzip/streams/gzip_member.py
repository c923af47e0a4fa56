"""Members of gzip files, RFC 1952: a header, a deflated stream, and checksum and size of the content behind it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mulanzip.limits import NO_LIMITS, Limits

#: The first bytes of a member, with deflate as its method.
SIGNATURE = b"\x1f\x8b\x08"
#: Bytes behind the deflated stream.
TRAILER_BYTES = 8
#: Bytes of the header without its optional fields; its flags, and which of them a reader must not know.
_HEADER, _FLAGS = 10, 3
_CHECKSUM, _EXTRA, _NAME, _COMMENT, _UNKNOWN = 2, 4, 8, 16, 0xE0
#: Bytes that are inflated at once.
_STEP = 1 << 20
#: Copies of the content that are in memory while a file is taken apart.
_COPIES = 6


@dataclass(frozen=True)
class Member:
    """A member of a gzip file.

    Attributes:
        start, end: of the deflated stream with the trailer.
        content: its bytes.
    """

    start: int
    end: int
    content: bytes


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be a gzip file."""
    return data.startswith(SIGNATURE)


def trailer(content: bytes) -> bytes:
    """What stands behind the deflated stream: CRC-32 and size of the content."""
    return zlib.crc32(content).to_bytes(4, "little") + (len(content) & 0xFFFFFFFF).to_bytes(4, "little")


def head(data: bytes, size: int) -> bytes:
    """Up to ``size`` bytes, 1 or more, of the first member's content; fewer if it is damaged or shorter."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[_behind_header(data, 0) :][: 2 * size], size)
    except (ValueError, zlib.error):
        return b""


def members(data: bytes, limits: Limits = NO_LIMITS) -> Iterator[Member]:
    """The members of a file, up to where it is damaged or no gzip file any more.

    Raises:
        LimitError: if there is not enough memory for the content, which has not been taken then.
    """
    position = total = 0
    while data.startswith(SIGNATURE, position):
        try:
            found = _member(data, position, total, limits)
        except (ValueError, zlib.error):
            return
        yield found
        position = found.end
        total += len(found.content)


def _member(data: bytes, position: int, total: int, limits: Limits) -> Member:
    """The member at a position.

    Args:
        total: bytes of the contents of members before it.

    Raises:
        ValueError, zlib.error: if it is damaged.
    """
    start = end = _behind_header(data, position)
    inflater, pieces, waiting = zlib.decompressobj(-zlib.MAX_WBITS), list[bytes](), b""
    while not inflater.eof:
        if not waiting:
            waiting = data[end : end + _STEP]
            end += len(waiting)
        limits.require(_COPIES * (total + _STEP))
        pieces.append(inflater.decompress(waiting, _STEP))
        total += len(pieces[-1])
        if not waiting and not pieces[-1]:
            raise ValueError("the stream is cut")
        waiting = inflater.unconsumed_tail
    end += TRAILER_BYTES - len(inflater.unused_data)
    content = b"".join(pieces)
    if data[end - TRAILER_BYTES : end] != trailer(content):
        raise ValueError("the content does not have the checksum that it should have")
    return Member(start, end, content)


def _behind_header(data: bytes, position: int) -> int:
    """The position behind the header of a member.

    Raises:
        ValueError: if it is damaged.
    """
    end = position + _HEADER
    if not data.startswith(SIGNATURE, position) or end > len(data) or data[position + _FLAGS] & _UNKNOWN:
        raise ValueError("a damaged header")
    flags = data[position + _FLAGS]
    if flags & _EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.index(b"\0", end) + 1
    return end + (2 if flags & _CHECKSUM else 0)
