"""Which channels of an image are coded together, and in which order."""

from __future__ import annotations

import numpy as np

from mulanzip.image.kinds import Mode

_TO_CODING = [1, 0, 2]  # Green, red, blue.  The permutation is its own inverse.


def to_coding_order(rgb: np.ndarray) -> np.ndarray:
    """RGB ``(H, W, 3)`` -> contiguous green, red, blue."""
    return np.ascontiguousarray(rgb[..., _TO_CODING])


def from_coding_order(planes: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_coding_order`."""
    return np.ascontiguousarray(planes[..., _TO_CODING])


def colours_of(mode: Mode) -> int:
    """Number of channels that are coded together at most: 3 or 1."""
    return 3 if mode in (Mode.RGB, Mode.RGBA) else 1


def channel_groups(mode: Mode, channels: int) -> list[slice]:
    """The groups of channels that are coded together: the three colours form one, every other channel its own."""
    colours = colours_of(mode)
    return [slice(0, colours)] + [slice(i, i + 1) for i in range(colours, channels)]


def group_in_coding_order(pixels: np.ndarray, channels: slice) -> np.ndarray:
    """The channels of a group of ``pixels``, ``(H, W, channels)``, with colours in coding order: ``(H, W, C)``."""
    part = pixels[..., channels]
    return to_coding_order(part) if part.shape[2] == 3 else part
