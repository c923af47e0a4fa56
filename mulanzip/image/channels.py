"""Which planes of an image are coded together, and in which order."""

from __future__ import annotations

import numpy as np

from mulanzip.image.kinds import Mode

_TO_CODING = [1, 0, 2]  # Its own inverse: green is coded first, then red, then blue.


def to_coding_order(rgb: np.ndarray) -> np.ndarray:
    """RGB ``(H, W, 3)`` -> contiguous green, red, blue."""
    return np.ascontiguousarray(rgb[..., _TO_CODING])


def from_coding_order(planes: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_coding_order`."""
    return np.ascontiguousarray(planes[..., _TO_CODING])


def channel_groups(mode: Mode, channels: int) -> list[slice]:
    """The channels that are coded together, group by group: three colours, and everything else alone."""
    colours = 3 if mode in (Mode.RGB, Mode.RGBA) else 0
    first = [slice(0, colours)] if colours else []
    return first + [slice(i, i + 1) for i in range(colours, channels)]


def group_in_coding_order(pixels: np.ndarray, channels: slice) -> np.ndarray:
    """Pixels ``(H, W, channels)`` -> those of a group in coding order of colours, ``(H, W, C)``."""
    part = pixels[..., channels]
    return to_coding_order(part) if part.shape[2] == 3 else part
