"""Run-length codes of BMP files, which Pillow reads wrongly: literal runs at odd offsets, and lines left out."""

from __future__ import annotations

import numpy as np

from mulanzip.errors import UnreadableImageError

_END_OF_LINE, _END, _MOVE = 0, 1, 2


def decode(data: bytes, height: int, width: int, bits: int) -> np.ndarray:
    """Indices, uint8 ``(height, width)``; pixels that the code leaves out are 0.

    Args:
        data: the code, from its first byte.
        bits: 4 or 8 per index.

    Raises:
        UnreadableImageError: if the code leaves the image, or ends before its end mark.
    """
    pixels = np.zeros((height, width), np.uint8)
    x, y, position = 0, height - 1, 0
    while True:
        if position + 2 > len(data):
            # Writers leave out the last mark once the image is full.
            if y < 0 or (y == 0 and x >= width):
                return pixels
            raise UnreadableImageError("the image is damaged: its run-length code ends too early")
        count, value = data[position], data[position + 1]
        position += 2
        if count:
            _place(pixels, x, y, _run(value, count, bits))
            x += count
        elif value == _END_OF_LINE:
            x, y = 0, y - 1
        elif value == _END:
            return pixels
        elif value == _MOVE:
            if position + 2 > len(data):
                raise UnreadableImageError("the image is damaged: its run-length code ends too early")
            x, y = x + data[position], y - data[position + 1]
            position += 2
        else:
            size = -(-value * bits // 8)
            literal = np.frombuffer(data[position : position + size], np.uint8)
            if len(literal) < size:
                raise UnreadableImageError("the image is damaged: its run-length code ends too early")
            indices = literal if bits == 8 else np.stack((literal >> 4, literal & 15), 1).ravel()[:value]
            _place(pixels, x, y, indices)
            x += value
            position += size + size % 2


def _run(value: int, count: int, bits: int) -> np.ndarray:
    if bits == 8:
        return np.full(count, value, np.uint8)
    return np.resize(np.array((value >> 4, value & 15), np.uint8), count)


def _place(pixels: np.ndarray, x: int, y: int, indices: np.ndarray) -> None:
    height, width = pixels.shape
    if not 0 <= y < height or x + len(indices) > width:
        raise UnreadableImageError("the image is damaged: its run-length code leaves the image")
    pixels[y, x : x + len(indices)] = indices
