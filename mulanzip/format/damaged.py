"""The chunks of a damaged ``.mzp`` file: which can be found, and which segments they may be."""

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
    """A stretch of the file: a chunk, or what cannot be read as one.

    Attributes:
        chunk: None where even the length is lost; its payload may be damaged where ``intact`` is False.
    """

    chunk: Chunk | None
    intact: bool


_KINDS = (*container.CRITICAL_KINDS, *KINDS)


def parts_of(data: bytes) -> Iterator[Fragment]:
    """The chunks of a file, whatever their checksums say, up to the end mark or the end of the file."""
    position = container.HEADER_SIZE
    while position < len(data):
        part, end = _part_at(data, position)
        yield part
        if part.chunk is not None and part.chunk.kind == container.END:
            return
        position = end


def _part_at(data: bytes, position: int) -> tuple[Fragment, int]:
    """The part that begins at ``position``, and where it ends."""
    try:
        end = container.chunk_end(data, position)
    except CorruptFileError:
        return Fragment(None, intact=False), _next_intact(data, position + 1)
    intact = container.is_intact(data, position, end)
    if intact or _is_framed(data, position, end):
        return Fragment(container.chunk_between(data, position, end), intact), end
    return Fragment(None, intact=False), _next_intact(data, position + 1)


def _is_framed(data: bytes, position: int, end: int) -> bool:
    """Whether a damaged chunk's length seems right: the next chunk begins where it ends."""
    return data[position : position + 4] in _KINDS and data[end : end + 4] in _KINDS


_ANY_KIND = re.compile(b"|".join(_KINDS))


def _next_intact(data: bytes, start: int) -> int:
    """Where the next chunk with a right checksum begins; the end of the file if there is none."""
    for match in _ANY_KIND.finditer(data, start):
        try:
            end = container.chunk_end(data, match.start())
        except CorruptFileError:
            continue
        if container.is_intact(data, match.start(), end):
            return match.start()
    return len(data)


def candidates_of(parts: list[Fragment], total: int) -> list[list[bytes]]:
    """For each segment the payloads that may be its own: their hashes must tell.

    Before the first stretch that is unreadable, and after the last one if the file has its end, segments
    are counted instead of tried.
    """
    readable: list[bytes | None] = []
    for part in parts:
        if part.chunk is None:
            readable.append(None)
        elif part.chunk.kind == SEGMENT:
            readable.append(part.chunk.payload)
    has_end = bool(parts) and parts[-1].chunk is not None and parts[-1].chunk.kind == container.END
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
