"""Which schedule each tile gets: the one that minimises bits plus a price for each evaluation of the network."""

from __future__ import annotations

from itertools import chain

import numpy as np

from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import for_each_level
from mulanzip.codec.tile import code_tile
from mulanzip.density.runtime import Runtime
from mulanzip.lattice.geometry import Tile, segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES
from mulanzip.lattice.tile_schedules import ScheduleChoices, TileSchedules


def choose_schedules(pixels: np.ndarray, runtime: Runtime, choices: ScheduleChoices) -> TileSchedules:
    """Choose the schedules of all tiles of an image.

    Args:
        pixels: samples of ``runtime.sample_scale``, ``(H, W, C)`` in coding order of colours, C 1 or 3.
        choices: with more than one, each is tried on every tile, by exact code length.
    """
    if len(choices.names) == 1:
        return TileSchedules.uniform(choices.names[0])
    parts = segments(*pixels.shape[:2])
    canvas = Canvas.of(pixels)
    chosen: list[list[int]] = [[] for _ in parts]

    def work(index: int) -> None:
        for tile in parts[index].tiles:
            costs = [_cost(tile, canvas, runtime, name, choices.bits_per_evaluation) for name in choices.names]
            chosen[index].append(SCHEDULE_NAMES.index(choices.names[int(np.argmin(costs))]))

    for_each_level(work, parts, runtime)
    # An image that fits in the coarsest level has no tiles.
    return TileSchedules(tuple(chain.from_iterable(chosen))) if any(chosen) else TileSchedules.uniform(choices.names[0])


def _cost(tile: Tile, canvas: Canvas, runtime: Runtime, name: str, bits_per_evaluation: float) -> float:
    """Bits of a tile with a schedule, and the price of the schedule's evaluations.

    Finer tiles learn from the residuals of the last schedule that was tried, which differ little from the chosen one's.
    """
    meter = TileMeter(runtime.statistics)
    evaluations = code_tile(tile, canvas, runtime.network, SCHEDULES[name], meter)
    return meter.bits + bits_per_evaluation * evaluations * tile.height * tile.width
