"""Laws of codecs: nothing is lost, the same input gives the same bytes, damage is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

Encode = Callable[[np.ndarray], bytes]
Decode = Callable[[bytes], np.ndarray]


def _noise(dtype: str, *shape: int) -> np.ndarray:
    """Values of the whole range that depend on ``dtype`` and ``shape`` alone."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(hashlib.shake_256(repr(shape).encode()).digest(size), dtype=dtype).reshape(shape)


def sample_arrays(
    dtypes: Sequence[str] = ("uint8",), channels: Sequence[int | None] = (None, 3)
) -> dict[str, np.ndarray]:
    """Small images of integers that break codecs, by name.

    Their shape is ``(height, width)`` for None channels, else ``(height, width, channels)``.  Among them are a single
    pixel, a row, a column, constants, ramps, both extremes side by side, and noise.
    """
    found: dict[str, np.ndarray] = {}
    for dtype, count in product(dtypes, channels):
        last = () if count is None else (count,)
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        ramp = np.linspace(low, high, 17 * 19).reshape(17, 19, *(1 for _ in last))
        contents = {
            "pixel": np.full((1, 1, *last), high),
            "row": _noise(dtype, 1, 23, *last),
            "column": _noise(dtype, 29, 1, *last),
            "lowest": np.full((9, 8, *last), low),
            "highest": np.full((8, 9, *last), high),
            "ramp": np.broadcast_to(ramp, (17, 19, *last)),
            "extremes": np.where(_noise("uint8", 16, 15, *last) < 128, low, high),
            "noise": _noise(dtype, 13, 18, *last),
        }
        found |= {f"{name}, {dtype}, {count or 'no'} channels": array.astype(dtype) for name, array in contents.items()}
    return found


def check_round_trip(encode: Encode, decode: Decode, arrays: Mapping[str, np.ndarray]) -> None:
    """Every array comes back with its dtype, its shape and its values, and ``encode`` leaves its input as it was.

    Raises:
        AssertionError: with the name of the first array that does not.
    """
    for name, array in arrays.items():
        given = array.copy()
        found = decode(encode(given))
        if not np.array_equal(given, array):
            raise AssertionError(f"{name}: encode changed its input")
        if (found.dtype, found.shape) != (array.dtype, array.shape):
            raise AssertionError(f"{name}: {array.dtype} {array.shape} came back as {found.dtype} {found.shape}")
        if not np.array_equal(found, array):
            raise AssertionError(f"{name}: {np.count_nonzero(found != array)} values of {array.size} came back changed")


def check_deterministic(encode: Encode, arrays: Mapping[str, np.ndarray]) -> None:
    """The bytes depend on the values alone: not on earlier calls, the thread, or the order of the array in memory.

    Raises:
        AssertionError: with the name of the first array whose bytes differ, and what made them differ.
    """
    for name, array in arrays.items():
        expected = encode(array)
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(encode, array).result()
        read_only = array.copy()
        read_only.flags.writeable = False
        again = {
            "a second call": encode(array),
            "another thread": elsewhere,
            "a read-only array": encode(read_only),
            "columns in memory order": encode(np.asfortranarray(array)),
            "a view with steps": encode(np.repeat(array, 2, 0)[::2]),
        }
        for difference, data in again.items():
            if data != expected:
                raise AssertionError(f"{name}: {difference} gave other bytes")


def damages(data: bytes, count: int = 300, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Damaged copies of ``data``, each with a description: never ``data`` itself.

    Truncations and flips of one bit come first: all of them where there are at most ``count`` of each, else a sample.
    Then come bytes inserted, removed and set to zero, bytes appended, and the data twice.
    """
    rng = np.random.default_rng(seed)

    def some(total: int) -> list[int]:
        if total <= count:
            return list(range(total))
        return sorted({0, total - 1, *rng.integers(0, total, count).tolist()})

    for length in some(len(data)):
        yield f"truncated to {length} bytes", data[:length]
    for bit in some(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", bytes(flipped)
    for start, end in np.sort(rng.integers(0, len(data) + 1, (count // 5, 2)), axis=1).tolist():
        changed = {
            f"a byte inserted at {start}": data[:start] + b"\0" + data[start:],
            f"bytes {start}:{end} removed": data[:start] + data[end:],
            f"bytes {start}:{end} set to zero": data[:start] + bytes(end - start) + data[end:],
        }
        yield from ((what, damaged) for what, damaged in changed.items() if damaged != data)
    yield "a byte appended", data + b"\0"
    yield "twice", data + data


def check_corruption_is_noticed(
    decode: Callable[[bytes], object],
    data: bytes,
    errors: type[Exception] | tuple[type[Exception], ...],
    count: int = 300,
    seed: int = 0,
) -> None:
    """``decode`` accepts ``data``, and raises one of ``errors`` with a message for every damaged copy of it.

    Args:
        count, seed: as for :func:`damages`.

    Raises:
        AssertionError: with the first damage that is not noticed, or ends in another exception.
    """
    decode(data)
    for damage, damaged in damages(data, count, seed):
        try:
            decode(damaged)
        except errors as error:
            if not str(error):
                raise AssertionError(f"{damage}: {type(error).__name__} without a message") from error
        except Exception as error:
            raise AssertionError(f"{damage}: {type(error).__name__}: {error}") from error
        else:
            raise AssertionError(f"{damage}: not noticed")
