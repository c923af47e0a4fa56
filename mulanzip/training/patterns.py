"""Random masks for training: which pixels are known, and which must be predicted.

The denoiser must serve all schedules, mixtures of them within an image, and tile borders beyond which less (or more) is
known.  So most samples follow the default schedule everywhere; the others combine two random patterns, one inside a
random rectangle and one outside.
"""

from __future__ import annotations

import numpy as np

from mulanzip.lattice.geometry import A, D, H, V

#: Share of samples that combine two patterns.
MIXED_SHARE = 0.25

#: For each pass of the network, the phases that are known in the default schedule, then other combinations.
_PATTERNS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((A,), (A, H), (A, H, V, D)),
    ((A, H, V), (A,), (A, H), (A, H, V, D)),
)


def _fill(known: np.ndarray, pattern: tuple[int, ...], where: np.ndarray) -> None:
    known[:, where] = False
    for phase in pattern:
        known[phase] |= where


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
