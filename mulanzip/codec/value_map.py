"""Values of samples <-> the small numbers ``0 .. count - 1`` that are coded.

An image of 16 bits seldom uses all values: its samples begin somewhere, end somewhere, and in between there may be
gaps, as rescaling leaves them.  A file names the values in use, and codes their indices.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mulanzip.density.sample_scale import EIGHT_BIT, LOG2_STEPS, SampleScale
from mulanzip.errors import CorruptFileError
from mulanzip.inflate import Outcome, inflate
from mulanzip.row_blocks import row_blocks

_ALL = 1 << 16
#: Shift, least and largest value, whether all between are in use.
_FIELDS = struct.Struct("<BHHB")
_MOST = _FIELDS.size + _ALL // 8


@dataclass(frozen=True, eq=False)
class ValueMap:
    """How the samples of some planes are coded.

    Attributes:
        values: int32 ``(count,)``, rising: the values that indices stand for.
        log2_steps: see :class:`mulanzip.density.sample_scale.SampleScale`.
    """

    values: np.ndarray
    log2_steps: int = 0

    @cached_property
    def sample_scale(self) -> SampleScale:
        """That of the indices."""
        return SampleScale(len(self.values), self.log2_steps)

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to code."""
        return len(self.values) == 1

    def to_indices(self, pixels: np.ndarray) -> np.ndarray:
        """Values in use -> contiguous indices, of the grain's type."""
        if self.sample_scale == EIGHT_BIT:
            return np.ascontiguousarray(pixels)
        low, high = int(self.values[0]), int(self.values[-1])
        index = np.zeros(high - low + 1, dtype=self.sample_scale.dtype)
        index[self.values - low] = np.arange(len(self.values))
        return _look_up(index, pixels, low)

    def to_values(self, indices: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The inverse of :meth:`to_indices`.

        Raises:
            CorruptFileError: if an index stands for nothing.
        """
        if self.sample_scale == EIGHT_BIT:
            return indices
        if indices.max(initial=0) >= len(self.values):
            raise CorruptFileError("a sample has none of the values that the file names")
        return _look_up(self.values.astype(dtype), indices, 0)


def _look_up(table: np.ndarray, samples: np.ndarray, low: int) -> np.ndarray:
    """``table[samples - low]``."""
    found = np.empty(samples.shape, dtype=table.dtype)
    for rows in row_blocks(samples):
        found[rows] = table[samples[rows].astype(np.int32) - low]
    return found


#: That of ordinary images.
PLAIN = ValueMap(np.arange(256, dtype=np.int32))


def used_values(pixels: np.ndarray) -> np.ndarray:
    """The values in use: int32, rising.  Args: uint16 or int16 of any shape."""
    low = np.iinfo(pixels.dtype).min
    used = np.zeros(_ALL, dtype=bool)
    for rows in row_blocks(pixels):
        used[pixels[rows].astype(np.int32) - low] = True
    return np.flatnonzero(used).astype(np.int32) + np.int32(low)


def spanned(values: np.ndarray) -> np.ndarray:
    """All values from the least to the largest."""
    return np.arange(values[0], values[-1] + 1, dtype=np.int32)


def pack(codes: Sequence[ValueMap], signed: bool) -> bytes:
    """Codes as bytes: of each the log2_steps, the least and the largest value, and which ones between are in use."""
    low = -(_ALL >> 1) if signed else 0
    parts = []
    for code in codes:
        first, last = int(code.values[0]), int(code.values[-1])
        dense = last - first + 1 == len(code.values)
        parts.append(_FIELDS.pack(code.log2_steps - LOG2_STEPS.start, first - low, last - low, dense))
        if not dense:
            used = np.zeros(last - first + 1, dtype=bool)
            used[code.values - first] = True
            parts.append(np.packbits(used).tobytes())
    return zlib.compress(b"".join(parts), 9)


def unpack(data: bytes, count: int, signed: bool) -> list[ValueMap]:
    """The inverse of :func:`pack`, for ``count`` codes.

    Raises:
        CorruptFileError: if these are no such codes.
    """
    inflated = inflate(data, count * _MOST)
    codes, position = [], 0
    try:
        for _ in range(count):
            code, position = _unpack_one(inflated.content, position, signed)
            codes.append(code)
    except (struct.error, ValueError):
        raise CorruptFileError("the list of values in use is damaged") from None
    if inflated.outcome is not Outcome.CLEAN or position != len(inflated.content):
        raise CorruptFileError("the list of values in use is damaged")
    return codes


def _unpack_one(content: bytes, position: int, signed: bool) -> tuple[ValueMap, int]:
    log2_steps, first, last, dense = _FIELDS.unpack_from(content, position)
    position += _FIELDS.size
    if log2_steps >= len(LOG2_STEPS) or first > last or dense > 1:
        raise ValueError
    used = np.ones(last - first + 1, dtype=bool)
    if not dense:
        size = -(-len(used) // 8)
        bits = np.unpackbits(np.frombuffer(content[position : position + size], np.uint8))
        position += size
        # As short as they can be: both ends in use, nothing behind them.
        if len(bits) != 8 * size or bits[len(used) :].any() or not bits[0] or not bits[len(used) - 1]:
            raise ValueError
        used = bits[: len(used)].astype(bool)
        if used.all():
            raise ValueError
    low = -(_ALL >> 1) if signed else 0
    return ValueMap(np.flatnonzero(used).astype(np.int32) + np.int32(first + low), LOG2_STEPS[log2_steps]), position
