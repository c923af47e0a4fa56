"""The context preset that suits an image, by exact code lengths of a few crops.

The choice is the same on every machine, since the code lengths come from integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.density.inner_threads import side_by_side
from mulanzip.density.runtime import Runtime
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.image.crops import GRID, sample_crops
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Side of the crops, in pixels.  Their finest level tells as much as all levels of crops of 64.
_SIDE = 48
#: Number of crops, down and across, on which all presets are tried; the best few of them are tried on more.
_FIRST_GRID = (1, 2)
_FINALISTS = 1
#: On images of fewer pixels, presets are tried on one crop, which then decides: on 45 pictures of 128x128 this costs
#: 0.007 % of their bytes, and a third of the trials.
_FEW_PIXELS = 1 << 15


def choose_preset(indices: np.ndarray, runtime: Runtime, schedules: TileSchedules) -> int:
    """Number of the preset that makes an image smallest, from 1 on; 0 if none is worth its bytes.

    Args:
        indices: ``(H, W, C)`` of the runtime's sample scale, in coding order of colours, C 1 or 3; sides of at least
            :data:`_SIDE` pixels.
        schedules: uniform.
    """

    def best(numbers: Sequence[int], grid: tuple[int, int]) -> int:
        crops = sample_crops(indices, _SIDE, grid)
        segment = Segment(tuple(tiles(Grid(0, *crops.shape[:2]))))
        own_bits = crops.size / indices.size * 8 * (CHUNK_OVERHEAD + 1)
        costs = {}
        single = replace(runtime, threads=1)

        def measure(number: int) -> None:
            adapted = single.adapted(runtime.model.prior.preset(number)) if number else single
            (bits,) = measure_segments(Canvas.of(crops), adapted, schedules, [segment])
            costs[number] = bits + (own_bits if number else 0)

        side_by_side(measure, numbers, runtime.threads)
        return min(numbers, key=lambda number: costs[number])

    numbers = range(len(runtime.model.prior.presets) + 1)
    if indices.shape[0] * indices.shape[1] < _FEW_PIXELS:
        return best(numbers, (1, 1))
    candidate = best(numbers, _FIRST_GRID)
    return best((0, candidate), GRID) if candidate else 0
