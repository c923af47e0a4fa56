"""Random masks for training: which pixels are known, and which must be predicted.

The denoiser must serve all schedules, mixtures of them within an image, and tile borders beyond which less (or more) is
known.  So most samples follow the default schedule everywhere; the others combine two random patterns, one inside a
random rectangle and one outside.
"""

from __future__ import annotations

import numpy as np

from mulanzip.lattice.geometry import A, D, H, V
from mulanzip.lattice.schedules import CellSubset, subset_mask

#: Share of samples that combine two patterns.
MIXED_SHARE = 0.25

_Known = tuple[tuple[int, CellSubset], ...]
_ALL = CellSubset.ALL
#: For each pass of the network, the pattern of the default schedule, then the others.
_PATTERNS: tuple[tuple[_Known, ...], ...] = (
    (
        ((A, _ALL),),
        ((A, _ALL), (H, CellSubset.EVEN)),
        ((A, _ALL), (H, _ALL)),
        ((A, _ALL), (H, _ALL), (V, CellSubset.EVEN)),
        ((A, _ALL), (H, _ALL), (V, _ALL), (D, _ALL)),
    ),
    (
        ((A, _ALL), (H, _ALL), (V, _ALL)),
        ((A, _ALL),),
        ((A, _ALL), (H, _ALL)),
        ((A, _ALL), (H, _ALL), (V, _ALL), (D, CellSubset.EVEN)),
        ((A, _ALL), (H, _ALL), (V, _ALL), (D, _ALL)),
    ),
)


def _fill(known: np.ndarray, pattern: _Known, where: np.ndarray) -> None:
    height, width = known.shape[1:]
    known[:, where] = False
    for phase, part in pattern:
        known[phase] |= subset_mask(part, height, width) & where


def draw_known(index: int, count: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Random masks of known pixels for pass ``index`` of the network: bool ``(count, 4, cells, cells)``."""
    patterns = _PATTERNS[index]
    known = np.zeros((count, 4, cells, cells), dtype=bool)
    everywhere = np.ones((cells, cells), dtype=bool)
    for sample in known:
        _fill(sample, patterns[0], everywhere)
        if rng.random() >= MIXED_SHARE:
            continue
        inside, outside = rng.integers(len(patterns), size=2)
        if rng.random() < 0.3:
            outside = 0
        rectangle = np.zeros_like(everywhere)
        (top, bottom), (left, right) = np.sort(rng.integers(-cells // 2, cells + cells // 2, (2, 2)), axis=1)
        rectangle[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        _fill(sample, patterns[inside], rectangle)
        _fill(sample, patterns[outside], ~rectangle)
    return known
