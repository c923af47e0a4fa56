"""Chunks of larger arrays, of any number of axes, as pictures, and integers of more bits as several parts.

The axes are read as ``(frames, height, width, samples)``: those before the last two or three are all frames, and the
last one has the samples of a pixel where it is not longer than four and not one of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import MAX_BANDS, MAX_PIXELS, MAX_SIDE
from mulanzip.image.picture import Picture

#: Types whose samples pictures have as they are.
_SAMPLES = tuple(np.dtype(name) for name in ("u1", "<u2", "<i2", "?"))
_MAX_SAMPLES = 4
#: Gray frames of this number of pixels and more are slices of a stack; smaller ones lie below each other.
_SLICE_PIXELS = 1 << 14
#: Bits of an integer that a picture has at most.
_PICTURE_BITS = 16
#: Numbers are listed where the list is this many times smaller than the bits that pictures would not have.
_LISTED = 2
#: Floats that are whole numbers, from this one on and up to the same without sign, are coded as integers.
_LEAST_WHOLE = -(1 << 31)


def frames_of(shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Frames, height, width and samples; None for arrays of fewer than two axes, and for empty ones."""
    if len(shape) < 2 or 0 in shape:
        return None
    samples = shape[-1] if len(shape) > 2 and shape[-1] <= _MAX_SAMPLES else 1
    *others, height, width = shape[:-1] if len(shape) > 2 and shape[-1] <= _MAX_SAMPLES else shape
    return math.prod(others), height, width, samples


def is_of_samples(chunk: np.ndarray) -> bool:
    """Whether pictures can have the samples of a chunk as they are."""
    return chunk.dtype.newbyteorder("<") in _SAMPLES and (chunk.dtype.itemsize == 1 or chunk.dtype in _SAMPLES)


def pictures_of(chunk: np.ndarray) -> list[Picture]:
    """The pictures whose samples, one after the other, are those of a chunk; none where there can be no pictures."""
    found = frames_of(chunk.shape)
    if found is None:
        return []
    frames, height, width, samples = found
    if samples == 1 and frames > 1 and height * width >= _SLICE_PIXELS and chunk.dtype != np.bool_:
        slices = chunk.reshape(frames, height, width)
        return [Picture.from_stack(slices[i : i + MAX_BANDS]) for i in range(0, frames, MAX_BANDS)]
    if chunk.dtype == np.bool_:
        width, samples = width * samples, 1
    if max(frames * height, width) > MAX_SIDE or frames * height * width > MAX_PIXELS:
        return []
    tall = (frames * height, width, samples) if samples > 1 else (frames * height, width)
    return [Picture.from_array(chunk.reshape(tall))]


@dataclass(frozen=True)
class Split:
    """Numbers as the high bits of integers, which make pictures, and the rest.

    ``number = base + (high << low_bits | low) << shift``, in the order of the numbers.

    Attributes:
        is_whole: whether floats are whole numbers, and stand for themselves; else numbers are their bits, such that
            larger ones have larger bits.
        base: the smallest number, 0 to 2**64 - 1.
        shift: number of low bits that are zero in all differences from it.
        low_bits: of the rest.
        high: uint8 or uint16, of the shape of the chunk.
        low: bytes of the rest, the lowest of all numbers first.
    """

    is_whole: bool
    base: int
    shift: int
    low_bits: int
    high: np.ndarray
    low: bytes


@dataclass(frozen=True)
class Ranked:
    """Numbers of which few are different, as floats are that were computed from integers.

    Attributes:
        ranks: uint8 or uint16, of the shape of the chunk: places in the list of numbers.
        steps: bytes of the differences between the bits of the numbers, in their order, the lowest bytes first.
    """

    ranks: np.ndarray
    steps: bytes


def split(chunk: np.ndarray) -> Split | Ranked:
    """Split a chunk of integers or floats of any size, which is not empty."""
    is_whole = _is_whole(chunk)
    numbers = _whole(chunk) if is_whole else _ordered(chunk)
    unsigned = numbers.dtype.type
    base = int(numbers.min())
    used = int(np.bitwise_or.reduce(numbers - unsigned(base), axis=None))
    shift = (used & -used).bit_length() - 1 if used else 0
    low_bits = max(0, (used >> shift).bit_length() - _PICTURE_BITS)
    if low_bits:
        listed, ranks = np.unique(numbers, return_inverse=True)
        if len(listed) <= 1 << _PICTURE_BITS and _LISTED * 8 * listed.nbytes <= low_bits * numbers.size:
            steps = np.diff(listed, prepend=unsigned(0))
            return Ranked(_narrow(ranks.reshape(chunk.shape)), _low_bytes(steps, 8 * chunk.dtype.itemsize))
    numbers = (numbers - unsigned(base)) >> unsigned(shift)
    low = numbers & unsigned((1 << low_bits) - 1)
    return Split(is_whole, base, shift, low_bits, _narrow(numbers >> unsigned(low_bits)), _low_bytes(low, low_bits))


def _narrow(high: np.ndarray) -> np.ndarray:
    return high.astype(np.uint8 if high.max() < 256 else np.uint16)


def join(parts: Split | Ranked, dtype: np.dtype[Any]) -> np.ndarray:
    """The inverse of :func:`split`.

    Raises:
        CorruptFileError: if the parts do not fit together.
    """
    if isinstance(parts, Ranked):
        steps = _from_low_bytes(parts.steps, 8 * dtype.itemsize, np.dtype(f"u{dtype.itemsize}"))
        if parts.ranks.max(initial=0) >= len(steps):
            raise CorruptFileError("the parts of the chunk do not fit together")
        return _unordered(np.cumsum(steps, dtype=steps.dtype)[parts.ranks], dtype)
    size = 8 if parts.is_whole else dtype.itemsize
    unsigned = np.dtype(f"u{size}").type
    if parts.base >> 8 * size or parts.shift + parts.low_bits >= 8 * size:
        raise CorruptFileError("the parts of the chunk do not fit together")
    numbers = parts.high.astype(unsigned) << unsigned(parts.low_bits)
    if parts.low_bits:
        numbers |= _from_low_bytes(parts.low, parts.low_bits, numbers.dtype).reshape(numbers.shape)
    with np.errstate(over="ignore"):
        numbers = (numbers << unsigned(parts.shift)) + unsigned(parts.base)
        if parts.is_whole:
            return (numbers.astype(np.int64) + _LEAST_WHOLE).astype(dtype)
    return _unordered(numbers, dtype)


def by_byte(data: bytes, size: int) -> bytes:
    """The first bytes of all items of ``size`` bytes, then the second ones, ..."""
    return np.frombuffer(data, np.uint8).reshape(-1, size).T.tobytes()


def from_bytes_of_items(data: bytes, size: int) -> bytes:
    """The inverse of :func:`by_byte`."""
    return np.frombuffer(data, np.uint8).reshape(size, -1).T.tobytes()


def _low_bytes(numbers: np.ndarray, bits: int) -> bytes:
    """The low bits of numbers: the lowest bytes of all, then the next ones, ..."""
    planes = (numbers >> numbers.dtype.type(8 * i) for i in range(-(-bits // 8)))
    return b"".join((plane & numbers.dtype.type(255)).astype(np.uint8).tobytes() for plane in planes)


def _from_low_bytes(data: bytes, bits: int, dtype: np.dtype[Any]) -> np.ndarray:
    """The inverse of :func:`_low_bytes`, as ``dtype (numbers,)``."""
    planes = np.frombuffer(data, np.uint8).reshape(-(-bits // 8), -1)
    numbers = np.zeros(planes.shape[1], dtype)
    for i, plane in enumerate(planes):
        numbers |= plane.astype(dtype) << dtype.type(8 * i)
    return numbers


def _is_whole(chunk: np.ndarray) -> bool:
    """Whether a chunk of floats has whole numbers alone: no minus zero, nor anything beyond 32 bits."""
    if chunk.dtype.kind != "f":
        return False
    sample = chunk.reshape(-1)[:1024]
    for part in (sample, chunk):
        if not (np.isfinite(part).all() and float(part.min()) >= _LEAST_WHOLE and float(part.max()) < -_LEAST_WHOLE):
            return False
        if np.ascontiguousarray(part.astype(np.int64).astype(chunk.dtype)).tobytes() != part.tobytes():
            return False
    return True


def _whole(chunk: np.ndarray) -> np.ndarray:
    return (chunk.astype(np.int64) - _LEAST_WHOLE).astype(np.uint64)


def _ordered(chunk: np.ndarray) -> np.ndarray:
    """The bits of numbers as unsigned integers of the same order."""
    size = chunk.dtype.itemsize
    stored = np.dtype(f"u{size}").newbyteorder(chunk.dtype.byteorder)
    unsigned = np.dtype(f"u{size}").type
    bits = np.ascontiguousarray(chunk).view(stored).astype(unsigned, copy=False)
    top = unsigned(1 << 8 * size - 1)
    if chunk.dtype.kind == "f":
        return np.where(bits & top, ~bits, bits | top)
    return bits ^ top if chunk.dtype.kind == "i" else bits


def _unordered(numbers: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The inverse of :func:`_ordered`."""
    unsigned = numbers.dtype.type
    top = unsigned(1 << 8 * dtype.itemsize - 1)
    if dtype.kind == "f":
        numbers = np.where(numbers & top, numbers ^ top, ~numbers)
    elif dtype.kind == "i":
        numbers = numbers ^ top
    return numbers.astype(numbers.dtype.newbyteorder(dtype.byteorder), copy=False).view(dtype)


def shaped(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The samples of a chunk in its shape.

    Raises:
        CorruptFileError: if their number is not that of the chunk.
    """
    if samples.size != math.prod(shape):
        raise CorruptFileError(f"{samples.dtype} of shape {samples.shape} are no chunk of shape {shape}")
    return samples.reshape(shape)
