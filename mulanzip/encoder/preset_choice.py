"""Context presets that suit an image, by exact code lengths of crops.

The choice is the same on every machine, since the code lengths come from integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.tile import code_tile
from mulanzip.density.inner_threads import side_by_side
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.effort import FEW_PIXELS
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.image.crops import GRID, sample_crops
from mulanzip.lattice.geometry import Grid, tiles
from mulanzip.lattice.schedules import Schedule
from mulanzip.lattice.tile_schedules import TileSchedules

#: Side of the crops, in pixels.  Their finest level tells as much as all levels of crops of 64.
_SIDE = 48
#: This number of presets is compared on these crops: those that do best in the first step of the schedule, on crops of
#: this side.  On 48 pictures of 128x128 and 24 photographs, the best one was always among them.
_FINALISTS, _FIRST_SIDE = 4, 24
#: Phases that are coded in a level.
_PHASES = 3


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
        grids: crops, down and across.  Each leads to one preset, until the crops are the whole image.
    """
    every = range(len(runtime.model.prior.presets) + 1)
    schedule, single = schedules[0], replace(runtime, threads=1)

    def ranked(numbers: Sequence[int], grid: tuple[int, int], side: int, steps: Schedule) -> list[int]:
        """Presets, the best one first, by the code lengths of some steps of the finest level of crops."""
        crops = sample_crops(indices, side, grid)
        share = crops.size / indices.size * sum(map(len, steps)) / _PHASES
        costs = {}

        def measure(number: int) -> None:
            adapted = single.adapted(runtime.model.prior.preset(number)) if number else single
            meter, canvas = TileMeter(adapted.statistics), Canvas.of(crops)
            for tile in tiles(Grid(0, *crops.shape[:2])):
                code_tile(tile, canvas, adapted.network, steps, meter)
            costs[number] = meter.bits + (share * 8 * (CHUNK_OVERHEAD + 1) if number else 0)

        side_by_side(measure, numbers, runtime.threads)
        return sorted(numbers, key=lambda number: (costs[number], number))

    def best(grid: tuple[int, int]) -> int:
        finalists = ranked(every, grid, _FIRST_SIDE, schedule[:1])[:_FINALISTS]
        return ranked(finalists, grid, _SIDE, schedule)[0]

    if indices.shape[0] * indices.shape[1] < FEW_PIXELS:
        return [best((1, 1))]
    first = best(grids[0])
    found = [ranked((0, first), GRID, _SIDE, schedule)[0] if first else 0]
    for before, grid in pairwise(grids):
        if sample_crops(indices, _SIDE, before) is not indices:
            found.append(best(grid))
    return list(dict.fromkeys(found))
