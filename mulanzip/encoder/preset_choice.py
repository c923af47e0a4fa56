"""Which of a model's looks suits an image: the encoder's quick choice, by exact code lengths of some crops.

The same on every machine, as it is made of integers.
"""

from __future__ import annotations

import numpy as np

from mulanzip.codec.segment import code_segment
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.crops import sample_crops
from mulanzip.entropy.ans import BitCounter
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Of the crops, in pixels.  Their finest level tells as much as all levels of crops of 64.
_SIDE = 48


def choose_preset(planes: np.ndarray, runtime: Runtime, plan: TileSchedules) -> int:
    """Number of the look that suits an image best, from 1 on; 0 if none is worth its bytes.

    Args:
        planes: samples ``(H, W, C)`` of the runtime's grain in coding order of colours, C 1 or 3; sides of
            :data:`_SIDE` or more.
        plan: uniform.
    """
    crops = sample_crops(planes, _SIDE)
    segment = Segment(tuple(tiles(Grid(0, *crops.shape[:2]))))
    share = crops.size / planes.size

    def cost(number: int) -> float:
        adapted = runtime.adapted(runtime.model.prior.preset(number)) if number else runtime
        counter = BitCounter()
        code_segment(segment, crops, adapted, plan, counter, decoding=False)
        return counter.bits + (share * 8 * (CHUNK_OVERHEAD + 1) if number else 0)

    return int(np.argmin([cost(number) for number in range(len(runtime.model.prior.presets) + 1)]))
