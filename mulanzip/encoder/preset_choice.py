"""The context preset that suits an image, by exact code lengths of a few crops.

The choice is the same on every machine, since the code lengths come from integers.
"""

from __future__ import annotations

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.crops import sample_crops
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Side of the crops, in pixels.  Their finest level tells as much as all levels of crops of 64.
_SIDE = 48


def choose_preset(indices: np.ndarray, runtime: Runtime, schedules: TileSchedules) -> int:
    """Number of the preset that makes an image smallest, from 1 on; 0 if none is worth its bytes.

    Args:
        indices: ``(H, W, C)`` of the runtime's sample scale, in coding order of colours, C 1 or 3; sides of at least
            :data:`_SIDE` pixels.
        schedules: uniform.
    """
    crops = sample_crops(indices, _SIDE)
    segment = Segment(tuple(tiles(Grid(0, *crops.shape[:2]))))
    share = crops.size / indices.size

    def cost(number: int) -> float:
        adapted = runtime.adapted(runtime.model.prior.preset(number)) if number else runtime
        (bits,) = measure_segments(Canvas.of(crops), adapted, schedules, [segment])
        return bits + (share * 8 * (CHUNK_OVERHEAD + 1) if number else 0)

    return int(np.argmin([cost(number) for number in range(len(runtime.model.prior.presets) + 1)]))
