"""Which of a model's looks suits an image: the encoder's quick choice, by exact code lengths of some crops.

The same on every machine, as it is made of integers.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    crops = list(_crops(planes))
    share = sum(crop.size for crop in crops) / planes.size
    bits = []
    for number in range(len(runtime.model.prior.looks) + 1):
        look = runtime.model.prior.look(number)
        adapted = runtime.adapted(look) if number else runtime
        counter = BitCounter()
        for crop in crops:
            for segment in segments(*crop.shape[:2]):
                walk_segment(segment, crop, adapted, plan, counter, decoding=False)
        bits.append(counter.bits + (share * 8 * (CHUNK_OVERHEAD + 1) if number else 0))
    return int(np.argmin(bits))


def _crops(planes: np.ndarray) -> Iterator[np.ndarray]:
    """Evenly from all of an image, corners on the lattices of its finest levels."""
    tops, lefts = (
        np.linspace(0, side - CROP_SIDE, count).astype(int) // 4 * 4
        for side, count in zip(planes.shape[:2], _GRID, strict=True)
    )
    for top in tops:
        for left in lefts:
            yield np.ascontiguousarray(planes[top : top + CROP_SIDE, left : left + CROP_SIDE])
