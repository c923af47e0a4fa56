"""Pixels -> the bytes that a PNG file deflates: filtered rows, each after its filter type."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Number of filter types.
FILTERS = 5
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(FILTERS)
#: Passes of Adam7 interlacing: first column and row, steps across and down.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
#: Maximum number of samples of a block of several rows that is filtered at once.
_BLOCK = 1 << 20


def passes(pixels: np.ndarray, interlaced: bool) -> list[np.ndarray]:
    """The images that a PNG file consists of, as views of ``pixels``, ``(H, W, C)``: one, or those of Adam7."""
    if not interlaced:
        return [pixels]
    parts = [pixels[y::down, x::across] for x, y, across, down in _ADAM7]
    return [part for part in parts if part.size]


def row_count(height: int, width: int, interlaced: bool) -> int:
    """Number of rows of all passes, which is the number of filter types."""
    return sum(len(part) for part in passes(np.broadcast_to(np.uint8(0), (height, width, 1)), interlaced))


def row_bytes(width: int, channels: int, depth: int) -> int:
    """Bytes of a row without its filter type."""
    return (width * channels * depth + 7) // 8


def total_bytes(shape: tuple[int, int, int], depth: int, interlaced: bool) -> int:
    """Bytes of all rows of an image of ``shape``, ``(H, W, C)``, with their filter types."""
    height, width, channels = shape
    parts = passes(np.broadcast_to(np.uint8(0), (height, width, 1)), interlaced)
    return sum(len(part) * (1 + row_bytes(part.shape[1], channels, depth)) for part in parts)


def filter_types(data: bytes, shape: tuple[int, int, int], depth: int, interlaced: bool) -> np.ndarray:
    """The filter types in ``data``, which :func:`filtered` could have made."""
    height, width, channels = shape
    found, position = [], 0
    for part in passes(np.broadcast_to(np.uint8(0), (height, width, 1)), interlaced):
        stride = 1 + row_bytes(part.shape[1], channels, depth)
        end = position + len(part) * stride
        found.append(np.frombuffer(data, np.uint8)[position:end:stride])
        position = end
    return np.concatenate(found)


def filtered(pixels: np.ndarray, depth: int, types: np.ndarray, interlaced: bool) -> bytes:
    """The bytes that a PNG file with these filter types deflates.

    Args:
        pixels: uint8 or uint16 ``(H, W, C)``.
        depth: bits per sample, 1, 2, 4, 8 or 16.
        types: uint8 ``(rows,)``, each below :data:`FILTERS`; see :func:`row_count`.
        interlaced: whether the file has Adam7's passes.
    """
    done = []
    position = 0
    for rows, before, unit in _blocks(pixels, depth, interlaced):
        chosen = types[position : position + len(rows)]
        position += len(rows)
        result = np.empty((len(rows), rows.shape[1] + 1), dtype=np.uint8)
        result[:, 0] = chosen
        for kind in range(FILTERS):
            if len(at := np.flatnonzero(chosen == kind)):
                result[at, 1:] = _filter(rows[at], before[at], unit, kind)
        done.append(result.tobytes())
    return b"".join(done)


def predicted_types(pixels: np.ndarray, depth: int, interlaced: bool) -> tuple[np.ndarray, np.ndarray]:
    """The filter types that many writers choose: those of the least sum of absolute differences, the first of equals.

    Returns:
        the choice of libpng and many others, and that of Pillow, which never uses averages; each uint8 ``(rows,)``.
    """
    chosen, no_average = [], []
    for rows, before, unit in _blocks(pixels, depth, interlaced):
        costs = np.empty((FILTERS, len(rows)), dtype=np.int64)
        for kind in range(FILTERS):
            differences = _filter(rows, before, unit, kind)
            costs[kind] = np.minimum(differences, 0 - differences).sum(1, dtype=np.int64)
        chosen.append(costs.argmin(0).astype(np.uint8))
        costs[_AVERAGE] = np.iinfo(np.int64).max
        no_average.append(costs.argmin(0).astype(np.uint8))
    return np.concatenate(chosen), np.concatenate(no_average)


def _blocks(pixels: np.ndarray, depth: int, interlaced: bool) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Blocks of rows ``(n, bytes)``, the rows above them, and the distance in bytes to the sample on the left."""
    unit = max(1, pixels.shape[2] * depth // 8)
    for part in passes(pixels, interlaced):
        height = max(1, _BLOCK // (part.shape[1] * part.shape[2]))
        above = np.zeros((1, row_bytes(part.shape[1], part.shape[2], depth)), dtype=np.uint8)
        for top in range(0, len(part), height):
            rows = _packed(part[top : top + height], depth)
            yield rows, np.concatenate((above, rows[:-1])), unit
            above = rows[-1:]


def _packed(part: np.ndarray, depth: int) -> np.ndarray:
    """Rows of ``depth`` bits per sample, high byte first, padded with zeros to whole bytes."""
    rows = part.reshape(len(part), -1)
    if depth == 16:
        return rows.astype(">u2").view(np.uint8)
    if depth == 8:
        return rows
    per_byte = 8 // depth
    full = np.pad(rows, ((0, 0), (0, -rows.shape[1] % per_byte)))
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    return np.bitwise_or.reduce(full.reshape(len(part), -1, per_byte) << shifts, 2)


def _filter(rows: np.ndarray, above: np.ndarray, unit: int, kind: int) -> np.ndarray:
    if kind == _NONE:
        return rows
    if kind == _UP:
        return rows - above
    left = _moved(rows, unit)
    if kind == _SUB:
        return rows - left
    if kind == _AVERAGE:  # Rounded down, computed without a ninth bit.
        return rows - ((left & above) + ((left ^ above) >> 1))
    corner = _moved(above, unit)
    a, b, c = left.astype(np.int16), above.astype(np.int16), corner.astype(np.int16)
    to_left, to_above, to_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    return rows - np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)


def _moved(rows: np.ndarray, unit: int) -> np.ndarray:
    """The byte ``unit`` positions to the left of each byte; 0 outside the row."""
    return np.pad(rows, ((0, 0), (unit, 0)))[:, : rows.shape[1]]
