"""Order of colours in the codec: green is coded first, then red, then blue."""

from __future__ import annotations

import numpy as np

_TO_CODING = [1, 0, 2]  # Its own inverse.


def to_coding_order(rgb: np.ndarray) -> np.ndarray:
    """RGB ``(H, W, 3)`` -> contiguous green, red, blue."""
    return np.ascontiguousarray(rgb[..., _TO_CODING])


def from_coding_order(planes: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_coding_order`."""
    return np.ascontiguousarray(planes[..., _TO_CODING])
