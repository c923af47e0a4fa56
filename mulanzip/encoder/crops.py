"""Squares from all of an image, for choices that need not see the whole."""

from __future__ import annotations

import numpy as np

#: Crops down and across.
_GRID = (2, 3)


def sample_crops(planes: np.ndarray, side: int) -> np.ndarray:
    """Crops side by side, corners on the lattices of the finest levels.

    As one image, which takes a fraction of their time: what is wrong at seams is wrong for every choice.

    Args:
        planes: ``(H, W, C)``; taken as they are where that is no more than the crops would be.
        side: of the crops in pixels.
    """
    if planes[..., 0].size <= side * side * _GRID[0] * _GRID[1]:
        return planes
    tops, lefts = (
        np.linspace(0, length - side, count).astype(int) // 4 * 4
        for length, count in zip(planes.shape[:2], _GRID, strict=True)
    )
    return np.vstack([np.hstack([planes[y : y + side, x : x + side] for x in lefts]) for y in tops])
