"""Samples <-> indices ``0 .. count - 1`` of the values in use.

Few 16-bit images use all values: most have a smaller range, and some have gaps after rescaling.  A file lists the
values in use, and codes indices into this list.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mulanzip.density.sample_scale import LOG2_STEPS, SampleScale
from mulanzip.errors import CorruptFileError
from mulanzip.inflate import Outcome, inflate
from mulanzip.row_blocks import row_blocks

_ALL = 1 << 16
#: log2 of the steps per gray level, least value, largest value, whether all values between them are in use.
_FIELDS = struct.Struct("<BHHB")
_MAX_BYTES = _FIELDS.size + _ALL // 8


@dataclass(frozen=True, eq=False)
class ValueMap:
    """The values of some channels, and the scale of their indices.

    Attributes:
        values: int32 ``(count,)``, rising: the value of each index.
        log2_steps: see :class:`mulanzip.density.sample_scale.SampleScale`.
    """

    values: np.ndarray
    log2_steps: int = 0

    @cached_property
    def sample_scale(self) -> SampleScale:
        """Scale of the indices."""
        return SampleScale(len(self.values), self.log2_steps)

    @property
    def is_constant(self) -> bool:
        """Whether all samples are the same: then nothing is coded."""
        return len(self.values) == 1

    def to_indices(self, pixels: np.ndarray) -> np.ndarray:
        """Samples -> indices, contiguous, of the type of the sample scale."""
        if pixels.dtype == np.uint8:  # Not by the scale: deep images may have 256 values, too.
            return np.ascontiguousarray(pixels)
        low, high = int(self.values[0]), int(self.values[-1])
        index = np.zeros(high - low + 1, dtype=self.sample_scale.dtype)
        index[self.values - low] = np.arange(len(self.values))
        return _look_up(index, pixels, low)

    def to_values(self, indices: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The inverse of :meth:`to_indices`.

        Raises:
            CorruptFileError: if an index has no value.
        """
        if dtype == np.uint8:
            return indices
        if indices.max(initial=0) >= len(self.values):
            raise CorruptFileError("a sample has none of the values that the file lists")
        return _look_up(self.values.astype(dtype), indices, 0)


def _look_up(table: np.ndarray, samples: np.ndarray, low: int) -> np.ndarray:
    """``table[samples - low]``."""
    found = np.empty(samples.shape, dtype=table.dtype)
    for rows in row_blocks(samples):
        found[rows] = table[samples[rows].astype(np.int32) - low]
    return found


#: Values of ordinary images.
PLAIN = ValueMap(np.arange(256, dtype=np.int32))


def used_values(pixels: np.ndarray) -> np.ndarray:
    """The values in use, rising: int32.

    Args:
        pixels: uint16 or int16 of any shape.
    """
    low = np.iinfo(pixels.dtype).min
    used = np.zeros(_ALL, dtype=bool)
    for rows in row_blocks(pixels):
        used[pixels[rows].astype(np.int32) - low] = True
    return np.flatnonzero(used).astype(np.int32) + np.int32(low)


def spanned(values: np.ndarray) -> np.ndarray:
    """All values from the least to the largest."""
    return np.arange(values[0], values[-1] + 1, dtype=np.int32)


def pack(value_maps: Sequence[ValueMap], signed: bool) -> bytes:
    """Value maps as bytes: for each its scale, the least and the largest value, and a bit map of the values between."""
    low = -(_ALL >> 1) if signed else 0
    parts = []
    for value_map in value_maps:
        first, last = int(value_map.values[0]), int(value_map.values[-1])
        dense = last - first + 1 == len(value_map.values)
        parts.append(_FIELDS.pack(value_map.log2_steps - LOG2_STEPS.start, first - low, last - low, dense))
        if not dense:
            used = np.zeros(last - first + 1, dtype=bool)
            used[value_map.values - first] = True
            parts.append(np.packbits(used).tobytes())
    return zlib.compress(b"".join(parts), 9)


def unpack(data: bytes, count: int, signed: bool) -> list[ValueMap]:
    """The inverse of :func:`pack`, for ``count`` value maps.

    Raises:
        CorruptFileError: if the bytes are damaged.
    """
    inflated = inflate(data, count * _MAX_BYTES)
    found, position = [], 0
    try:
        for _ in range(count):
            value_map, position = _unpack_one(inflated.content, position, signed)
            found.append(value_map)
    except (struct.error, ValueError):
        raise CorruptFileError("the list of values in use is damaged") from None
    if inflated.outcome is not Outcome.CLEAN or position != len(inflated.content):
        raise CorruptFileError("the list of values in use is damaged")
    return found


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
        # The form is unique: both ends are in use, and no bits follow them.
        if len(bits) != 8 * size or bits[len(used) :].any() or not bits[0] or not bits[len(used) - 1]:
            raise ValueError
        used = bits[: len(used)].astype(bool)
        if used.all():
            raise ValueError
    low = -(_ALL >> 1) if signed else 0
    return ValueMap(np.flatnonzero(used).astype(np.int32) + np.int32(first + low), LOG2_STEPS[log2_steps]), position
