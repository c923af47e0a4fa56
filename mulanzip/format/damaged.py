"""The chunks of a damaged ``.mzp`` file: those that can be found, and the segments that each may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mulanzip.errors import CorruptFileError
from mulanzip.format import container
from mulanzip.format.container import SEGMENT, Chunk
from mulanzip.image.metadata import KINDS


@dataclass(frozen=True)
class Fragment:
    """A range of bytes: a chunk, or bytes that cannot be read as one.

    Attributes:
        chunk: None where the length is damaged.
        intact: whether the checksum is right; else the payload of the chunk may be damaged.
    """

    chunk: Chunk | None
    intact: bool


_KINDS = (*container.CRITICAL_KINDS, *KINDS)


def parts_of(data: bytes) -> Iterator[Fragment]:
    """The fragments of a file, up to the end mark or the end of the file."""
    position = container.HEADER_SIZE
    while position < len(data):
        fragment, end = _fragment_at(data, position)
        yield fragment
        if fragment.chunk is not None and fragment.chunk.kind == container.END:
            return
        position = end


def _fragment_at(data: bytes, position: int) -> tuple[Fragment, int]:
    """The fragment that begins at ``position``, and its end."""
    try:
        end = container.chunk_end(data, position)
    except CorruptFileError:
        return Fragment(None, intact=False), _next_intact(data, position + 1)
    intact = container.is_intact(data, position, end)
    if intact or _is_framed(data, position, end):
        return Fragment(container.chunk_between(data, position, end), intact), end
    return Fragment(None, intact=False), _next_intact(data, position + 1)


def _is_framed(data: bytes, position: int, end: int) -> bool:
    """Whether the length of a damaged chunk seems right: another chunk follows it."""
    return data[position : position + 4] in _KINDS and data[end : end + 4] in _KINDS


_ANY_KIND = re.compile(b"|".join(_KINDS))


def _next_intact(data: bytes, start: int) -> int:
    """Position of the next chunk with a right checksum; the end of the file if there is none."""
    for match in _ANY_KIND.finditer(data, start):
        try:
            end = container.chunk_end(data, match.start())
        except CorruptFileError:
            continue
        if container.is_intact(data, match.start(), end):
            return match.start()
    return len(data)


def candidates_of(fragments: list[Fragment], total: int) -> list[list[bytes]]:
    """For each of ``total`` segments, the payloads that may be its own: hashes must decide.

    Payloads before the first unreadable fragment are counted from the first segment on.  If the file has its end mark,
    those after the last unreadable fragment are counted from the last segment back.
    """
    readable: list[bytes | None] = []
    for fragment in fragments:
        if fragment.chunk is None:
            readable.append(None)
        elif fragment.chunk.kind == SEGMENT:
            readable.append(fragment.chunk.payload)
    last_chunk = fragments[-1].chunk if fragments else None
    has_end = last_chunk is not None and last_chunk.kind == container.END
    all_gaps = readable.count(None)
    missing = max(0, total - len(readable) + all_gaps)
    found: list[list[bytes]] = [[] for _ in range(total)]
    count, gaps = 0, 0
    for payload in readable:
        if payload is None:
            gaps += 1
            continue
        first, last = count, count + missing
        if gaps == 0 and (all_gaps or not has_end):
            last = first
        elif gaps == all_gaps and all_gaps and has_end:
            first = last
        for candidates in found[first : last + 1]:
            candidates.append(payload)
        count += 1
    return found
