"""Inflate zlib streams without taking more memory than a limit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum, auto


class Outcome(Enum):
    """How the inflation of a stream ended."""

    #: The stream is whole, and so is the data: nothing follows the stream.
    CLEAN = auto()
    #: The stream is whole; more data follows it.
    DATA_BEHIND = auto()
    #: The stream ends too early: its content, or the checksum after the content, is incomplete.
    TRUNCATED = auto()
    #: The stream is damaged.
    DAMAGED = auto()
    #: The content is larger than the limit.
    TOO_LARGE = auto()


@dataclass(frozen=True)
class Inflated:
    """An inflated stream.

    Attributes:
        outcome: how the inflation ended.
        content: the inflated bytes; of a truncated stream those that are there; empty if damaged or too large.
        behind: the data behind the stream.
    """

    outcome: Outcome
    content: bytes = b""
    behind: bytes = b""


def inflate(data: bytes, limit: int, *, raw: bool = False) -> Inflated:
    """Inflate a stream at the start of ``data``.  Takes at most ``limit + 1`` bytes for the content.

    Args:
        data: the stream, and perhaps more.
        limit: maximum number of bytes of the content, 0 or more.
        raw: whether the stream has neither zlib's header nor its checksum.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error:
        return Inflated(Outcome.DAMAGED)
    if len(content) > limit:
        return Inflated(Outcome.TOO_LARGE)
    if not inflater.eof:
        return Inflated(Outcome.TRUNCATED, content)
    behind = inflater.unused_data
    return Inflated(Outcome.DATA_BEHIND if behind else Outcome.CLEAN, content, behind)
