"""Context presets that suit an image, by exact code lengths of crops.

The choice is the same on every machine, since the code lengths come from integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

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
#: In images with fewer pixels, a single crop decides.  On 45 pictures of 128x128, this costs at most 0.02 %;
#: trials on more crops took longer than all else.
_FEW_PIXELS = 1 << 15
#: Of the presets that a grid of crops was tried with, those that a finer grid is tried with.
_SHORTLIST = 1 / 3


def suited_presets(
    indices: np.ndarray, runtime: Runtime, schedules: TileSchedules, grids: Sequence[tuple[int, int]]
) -> list[int]:
    """Numbers of the presets that may make an image smallest, each once; 0 is none.

    The first one is what the first grid leads to.  It is compared with 0 on more crops, and so worth its bytes.  In a
    small image it is the only one.

    Args:
        indices: ``(H, W, C)`` of the runtime's sample scale, in coding order of colours, C 1 or 3; sides of at least
            :data:`_SIDE` pixels.
        schedules: uniform.
        grids: crops, down and across.  Each leads to one preset, among the best of the grid before, until the crops
            are the whole image.
    """
    every = range(len(runtime.model.prior.presets) + 1)

    def ranked(numbers: Sequence[int], grid: tuple[int, int]) -> list[int]:
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
        return sorted(numbers, key=lambda number: costs[number])

    if indices.shape[0] * indices.shape[1] < _FEW_PIXELS:
        return ranked(every, (1, 1))[:1]
    shortlist = ranked(every, grids[0])
    first = shortlist[0]
    found = [ranked((0, first), GRID)[0] if first else 0]
    for before, grid in pairwise(grids):
        if sample_crops(indices, _SIDE, before) is not indices:
            shortlist = ranked(shortlist[: math.ceil(_SHORTLIST * len(shortlist))], grid)
            found.append(shortlist[0])
    return list(dict.fromkeys(found))
