"""The erasure process: which phases each step reveals, as data.

MULAN (Sahoo et al., NeurIPS 2024) gives every pixel its own noise schedule.  With few steps, the best schedules take
each pixel from unknown to known in one step (see ``docs/noise.md``).  So a schedule is an order of revelation: a tuple
of steps, each a tuple of :class:`Reveal`.  Phase ``A`` is the coarser level, which is known from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from mulanzip.lattice.geometry import D, H, V


class CellSubset(IntEnum):
    """Cells of a phase: all, or those where row + column is even or odd."""

    ALL = 0
    EVEN = 1
    ODD = 2


@dataclass(frozen=True)
class Reveal:
    """A phase, and the cells in which it is revealed."""

    phase: int
    subset: CellSubset = CellSubset.ALL


Step = tuple[Reveal, ...]
Schedule = tuple[Step, ...]


def _halves(phase: int) -> Schedule:
    return ((Reveal(phase, CellSubset.EVEN),), (Reveal(phase, CellSubset.ODD),))


#: Schedules by name.  Files store the position in this dictionary: entries are appended, and never moved.
SCHEDULES: dict[str, Schedule] = {
    "default": ((Reveal(H), Reveal(V)), (Reveal(D),)),
    "one": ((Reveal(H), Reveal(V), Reveal(D)),),
    "three": ((Reveal(H),), (Reveal(V),), (Reveal(D),)),
    "four": (*_halves(H), (Reveal(V),), (Reveal(D),)),
    "six": (*_halves(H), *_halves(V), *_halves(D)),
}
SCHEDULE_NAMES = tuple(SCHEDULES)
#: The number in files whose schedules differ from tile to tile.
MIXED = 255


def subset_mask(subset: CellSubset, height: int, width: int) -> np.ndarray:
    """Mask of a subset: bool ``(height, width)``.  Rows and columns count from the corner of the tile."""
    if subset is CellSubset.ALL:
        return np.ones((height, width), dtype=bool)
    parity = np.add.outer(np.arange(height), np.arange(width)) % 2
    return parity == (0 if subset is CellSubset.EVEN else 1)


def validate(schedule: Schedule) -> None:
    """Check that each step reveals something, and that H, V and D of each cell are revealed exactly once.

    Raises:
        ValueError: otherwise.
    """
    seen = np.zeros((2, 2, 4), dtype=int)
    for step in schedule:
        if not step:
            raise ValueError("a step reveals nothing")
        for reveal in step:
            seen[..., reveal.phase] += subset_mask(reveal.subset, 2, 2)
    if seen[..., 0].any() or (seen[..., 1:] != 1).any():
        raise ValueError("a schedule must reveal H, V and D of every cell exactly once, and never A")
