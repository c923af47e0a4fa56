"""Which of a model's looks suits an image: the encoder's quick choice, by exact code lengths of some crops.

The same on every machine, as it is made of integers.
"""

from __future__ import annotations

import numpy as np

from mulanzip.codec import walk_segment
from mulanzip.coder import BitCounter
from mulanzip.container import CHUNK_OVERHEAD
from mulanzip.effort import CROP_SIDE
from mulanzip.exact.runtime import Runtime
from mulanzip.lattice import segments
from mulanzip.plan import Plan

#: Crops down and across.
_GRID = (2, 3)


def best_look(planes: np.ndarray, runtime: Runtime, plan: Plan) -> int:
    """Number of the look that suits an image best, from 1 on; 0 if none is worth its bytes.

    Args:
        planes: samples ``(H, W, C)`` of the runtime's grain in coding order of colours, C 1 or 3; sides of
            :data:`mulanzip.effort.CROP_SIDE` or more.
        plan: uniform.
    """
    crops = _crops(planes)
    (segment,) = segments(*crops.shape[:2])
    share = crops.size / planes.size

    def cost(number: int) -> float:
        adapted = runtime.adapted(runtime.model.prior.look(number)) if number else runtime
        counter = BitCounter()
        walk_segment(segment, crops, adapted, plan, counter, decoding=False)
        return counter.bits + (share * 8 * (CHUNK_OVERHEAD + 1) if number else 0)

    return int(np.argmin([cost(number) for number in range(len(runtime.model.prior.looks) + 1)]))


def _crops(planes: np.ndarray) -> np.ndarray:
    """Squares from all of an image side by side, corners on the lattices of its finest levels.

    As one image, which takes a fraction of their time: what is wrong at seams is wrong in all looks.
    """
    tops, lefts = (
        np.linspace(0, side - CROP_SIDE, count).astype(int) // 4 * 4
        for side, count in zip(planes.shape[:2], _GRID, strict=True)
    )
    rows = [np.hstack([planes[y : y + CROP_SIDE, x : x + CROP_SIDE] for x in lefts]) for y in tops]
    return np.vstack(rows)
