"""The model that suits an image, by exact code lengths: the same choice on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.density.runtime import Runtime
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Models are compared on about this number of pixels at most, spread over the image.
_PIXELS = 1 << 20
#: Another model must save 1 in this number of bits: the first one is the fastest.
_SAVED = 200


def choose_model(indices: np.ndarray, runtimes: Sequence[Runtime]) -> int:
    """Index of the model for an image.

    Args:
        indices: ``(H, W, C)`` of the runtimes' sample scale, in coding order of colours, C 1 or 3.
        runtimes: the preferred one first.
    """
    schedules = TileSchedules.uniform("default")
    every = 1 + indices[..., 0].size // _PIXELS
    parts = [Segment((tile,)) for tile in list(tiles(Grid(0, *indices.shape[:2])))[::every]]
    costs = [sum(measure_segments(Canvas.of(indices), runtime, schedules, parts)) for runtime in runtimes]
    least = costs.index(min(costs))
    return least if costs[least] * _SAVED < costs[0] * (_SAVED - 1) else 0
