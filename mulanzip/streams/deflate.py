"""Finds the library and settings that a stream was deflated with, so that the same bytes can be made again.

They are found by trying.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import product

import deflate as libdeflate
from zlib_ng import zlib_ng

from mulanzip.streams import pigz

#: Maximum number of bytes at the end of a stream that the settings need not make.
MAX_TAIL = 64
#: Bytes of zlib's header and checksum.
_HEADER, _CHECKSUM = 2, 4
#: libdeflate takes all data in one call.  This number of bytes is tried first, more than its largest block (300,000
#: bytes); this number of bytes of the result must be right.
_PREFIX, _RIGHT = 400_000, 256
#: Budget of all trials, in bytes of input: a constant, and a multiple of the size of the data.  Data that compress well
#: need many bytes of input before the first output, but little time.
_WORK, _TIMES = 1 << 22, 16
#: Cost of a trial of libdeflate, relative to zlib; levels from 10 on are slow.
_SLOW = 4
#: Stands for the header of streams that have none, and bytes of data after which their trials are compared.
_NO_HEADER = b"\x78\x9c"
_RAW_STEP = 1 << 16


class Engine(IntEnum):
    """Deflate libraries."""

    ZLIB = 0
    ZLIB_NG = 1
    LIBDEFLATE = 2
    #: zlib as pigz calls it: for each block of 128 KiB anew, with the end of the block before as a dictionary.
    PIGZ = 3


@dataclass(frozen=True)
class Settings:
    """Settings of a deflate library.

    Attributes:
        engine: the library.
        level: 0 to 9; up to 12 with libdeflate.
        window: bits, 8 to 15; 0 with libdeflate.
        memory: 1 to 9; 0 with libdeflate.
        strategy: 0 to 4; 0 with libdeflate.
        header: the first two bytes of the stream, which some writers change afterwards.
    """

    engine: Engine
    level: int
    window: int
    memory: int
    strategy: int
    header: bytes

    def __post_init__(self) -> None:
        """Raises ValueError for settings that the library does not have."""
        if self.engine is Engine.LIBDEFLATE:
            right = self.level <= 12 and not (self.window or self.memory or self.strategy)
        else:
            right = self.level <= 9 and 8 <= self.window <= 15 and 1 <= self.memory <= 9 and self.strategy <= 4
            right &= self.engine is not Engine.PIGZ or self.window == zlib.MAX_WBITS
        if not right or len(self.header) != _HEADER:
            raise ValueError("the deflate library does not have these settings")

    def pieces(self, data: bytes, step: int) -> Iterator[bytes]:
        """The deflated stream in pieces, some empty: the output after each ``step`` bytes of data, and at the end."""
        made = self._pieces(data, step)
        first = b""
        while len(first) < _HEADER:
            first += next(made)
        yield self.header + first[_HEADER:]
        yield from made

    def _pieces(self, data: bytes, step: int) -> Iterator[bytes]:
        if self.engine is Engine.LIBDEFLATE:
            yield bytes(libdeflate.zlib_compress(data, self.level))
            return
        if self.engine is Engine.PIGZ:
            yield self.header
            yield from pigz.pieces(data, self.level, self.memory, self.strategy)
            yield zlib.adler32(data).to_bytes(4, "big")
            return
        library = zlib if self.engine is Engine.ZLIB else zlib_ng
        deflater = library.compressobj(self.level, zlib.DEFLATED, self.window, self.memory, self.strategy)
        view = memoryview(data)
        for start in range(0, len(data), step):
            yield deflater.compress(view[start : start + step])
        yield deflater.flush()


def find(stream: bytes, data: bytes, step: int) -> tuple[Settings, int] | None:
    """The settings that deflate ``data`` to ``stream``, and the number of bytes that they reproduce.

    Args:
        stream: a zlib stream.
        data: its content.
        step: bytes that the writer passed to its library in one call.

    Returns:
        None if no settings are found within the budget.  The bytes that the settings do not reproduce are the last
        ones, at most :data:`MAX_TAIL`.
    """
    if len(stream) <= _HEADER:
        return None
    return _first(_candidates(stream[:_HEADER], len(data)), stream, data, step)


def find_raw(stream: bytes, data: bytes) -> Settings | None:
    """The settings that deflate ``data`` to ``stream``, which has neither zlib's header nor its checksum.

    Their header stands for none: what they make has it, and the checksum, nevertheless.

    Returns:
        None as :func:`find`.
    """
    whole = _NO_HEADER + stream + zlib.adler32(data).to_bytes(_CHECKSUM, "big")
    found = _first(_raw_candidates(), whole, data, _RAW_STEP)
    return None if found is None else found[0]


def without_frame(stream: bytes) -> bytes:
    """A zlib stream without header and checksum."""
    return stream[_HEADER:-_CHECKSUM]


def _first(candidates: Iterable[Settings], stream: bytes, data: bytes, step: int) -> tuple[Settings, int] | None:
    """The first settings that make a stream, and the number of bytes that they reproduce."""
    work = _WORK + _TIMES * len(data)
    for settings in candidates:
        if settings.engine is Engine.LIBDEFLATE and len(data) > _PREFIX:
            work -= _PREFIX * _SLOW
            made = next(settings.pieces(data[:_PREFIX], step))
            if made[:_RIGHT] != stream[:_RIGHT]:
                continue
        right, taken = _right(settings, stream, data, step)
        if len(stream) - right <= MAX_TAIL:
            return settings, right
        work -= taken
        if work < 0:
            return None
    return None


def _right(settings: Settings, stream: bytes, data: bytes, step: int) -> tuple[int, int]:
    """Number of bytes of the stream that the settings reproduce, and bytes of input that the trial took."""
    position = taken = 0
    for piece in settings.pieces(data, step):
        taken = min(taken + step, len(data))
        end = position + len(piece)
        if stream[position:end] != piece:
            return position + common_length(stream[position:end], piece), taken
        position = end
    return position, len(data)


def common_length(a: bytes, b: bytes) -> int:
    """Length of the common prefix."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _candidates(header: bytes, size: int) -> Iterator[Settings]:
    """Settings that give this header, in order of how common they are.

    Args:
        header: the first two bytes of the stream.
        size: bytes of the data; windows larger than that make no difference.
    """
    declared, hint = (header[0] >> 4) + 8, header[1] >> 6
    if header[0] & 15 != zlib.DEFLATED or declared > 15:
        return
    windows = [declared, 15] if declared < 15 and size > (1 << declared) - 512 else [declared]
    levels = ([1], [5, 2, 3, 4], [6], [9, 7, 8])[hint]
    strategies = ([0, 1, 3, 2], [1, 0], [1, 0], [1, 0])[hint]
    zlibs = (Engine.ZLIB, Engine.ZLIB_NG)

    def several(memories: list[int], strategies: list[int], levels: list[int]) -> Iterator[Settings]:
        for window, level, memory, strategy, engine in product(windows, levels, memories, strategies, zlibs):
            yield Settings(engine, level, window, memory, strategy, header)

    yield from several([8, 9], strategies, levels)
    for level in ([1], [5, 4, 3, 2], [6, 7], [11, 12, 10, 9, 8])[hint]:
        yield Settings(Engine.LIBDEFLATE, level, 0, 0, 0, header)
    if hint == 0:
        yield from several([8, 9], [4], [9, 6, 4, 1])
    yield from several([7, 6, 5, 4, 3, 2, 1], strategies[:2], levels)
    yield Settings(Engine.ZLIB, 0, 15, 8, 0, header)


def _raw_candidates() -> Iterator[Settings]:
    """Settings for streams without a header, in order of how common they are."""
    levels = (6, 9, 1, 5, 4, 3, 2, 7, 8)
    for engine, level in product((Engine.ZLIB, Engine.PIGZ, Engine.ZLIB_NG), levels):
        yield Settings(engine, level, zlib.MAX_WBITS, 8, 0, _NO_HEADER)
    for level in (6, 12, 9, 1, 7, 8, 5, 4, 3, 2, 10, 11):
        yield Settings(Engine.LIBDEFLATE, level, 0, 0, 0, _NO_HEADER)
    for level in levels:
        yield Settings(Engine.ZLIB, level, zlib.MAX_WBITS, 9, 0, _NO_HEADER)
