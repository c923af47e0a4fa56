"""Horizontal differencing of TIFF: each sample less the one a pixel to the left, modulo 2 to its bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Samples have one or two bytes.
SIZES = (1, 2)


@dataclass(frozen=True)
class Predictor:
    """How rows become differences.

    Attributes:
        size: bytes per sample, 1 or 2.
        order: byte order, ``<`` or ``>``.
        channels: samples per pixel, 1 or more.
        row_bytes: bytes of a row, a multiple of those of a pixel.
    """

    size: int
    order: str
    channels: int
    row_bytes: int

    def __post_init__(self) -> None:
        """Raises ValueError for what no file has."""
        if self.size not in SIZES or self.order not in ("<", ">") or self.channels < 1:
            raise ValueError("an impossible predictor")
        if self.row_bytes < 1 or self.row_bytes % (self.size * self.channels):
            raise ValueError("an impossible predictor")

    def fits(self, content: bytes) -> bool:
        """Whether these are whole rows."""
        return len(content) % self.row_bytes == 0

    def differences(self, samples: bytes) -> bytes:
        """Rows of samples -> rows of differences."""
        pixels = self._pixels(samples)
        made = pixels.copy()
        made[:, 1:] -= pixels[:, :-1]
        return self._bytes(made)

    def samples(self, differences: bytes) -> bytes:
        """The inverse of :meth:`differences`."""
        pixels = self._pixels(differences)
        return self._bytes(np.add.accumulate(pixels, axis=1, dtype=pixels.dtype))

    def _pixels(self, content: bytes) -> np.ndarray:
        """``(rows, columns, channels)`` in the machine's byte order."""
        words = np.frombuffer(content, f"{self.order}u{self.size}").astype(f"=u{self.size}")
        return words.reshape(len(content) // self.row_bytes, -1, self.channels)

    def _bytes(self, pixels: np.ndarray) -> bytes:
        return pixels.astype(f"{self.order}u{self.size}").tobytes()
