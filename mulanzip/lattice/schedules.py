"""The erasure process: which phases each step reveals, as data.

MULAN (Sahoo et al., NeurIPS 2024) gives every pixel a noise schedule of its own.  With few steps
the best such schedules take each pixel from unknown to known in one step (see ``docs/noise.md``),
so a schedule here is just an order of revelation: a tuple of steps, each a tuple of
:class:`Reveal`.  Phase ``A`` is the coarser level and known from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from mulanzip.lattice.geometry import D, H, V


class CellSubset(IntEnum):
    """Which cells of a phase: all, or the half of the checkerboard where row + column is even/odd."""

    ALL = 0
    EVEN = 1
    ODD = 2


@dataclass(frozen=True)
class Reveal:
    """A phase, at all cells or at half of them."""

    phase: int
    part: CellSubset = CellSubset.ALL


Step = tuple[Reveal, ...]
Schedule = tuple[Step, ...]


def _halves(phase: int) -> Schedule:
    return ((Reveal(phase, CellSubset.EVEN),), (Reveal(phase, CellSubset.ODD),))


#: Schedules by name.  The position in this dict is the number stored in files: only append.
SCHEDULES: dict[str, Schedule] = {
    "default": ((Reveal(H), Reveal(V)), (Reveal(D),)),
    "one": ((Reveal(H), Reveal(V), Reveal(D)),),
    "three": ((Reveal(H),), (Reveal(V),), (Reveal(D),)),
    "four": (*_halves(H), (Reveal(V),), (Reveal(D),)),
    "six": (*_halves(H), *_halves(V), *_halves(D)),
}
SCHEDULE_NAMES = tuple(SCHEDULES)
#: Stands in files for schedules that differ from tile to tile.
MIXED = 255


def subset_mask(part: CellSubset, height: int, width: int) -> np.ndarray:
    """Cells of ``part``: bool ``(height, width)``; parity counts from the tile's own corner."""
    if part is CellSubset.ALL:
        return np.ones((height, width), dtype=bool)
    parity = np.add.outer(np.arange(height), np.arange(width)) % 2
    return parity == (0 if part is CellSubset.EVEN else 1)


def validate(schedule: Schedule) -> None:
    """Check that every cell's H, V and D are revealed exactly once, in steps that reveal something.

    Raises:
        ValueError: otherwise.
    """
    seen = np.zeros((2, 2, 4), dtype=int)
    for step in schedule:
        if not step:
            raise ValueError("a step reveals nothing")
        for reveal in step:
            seen[..., reveal.phase] += subset_mask(reveal.part, 2, 2)
    if seen[..., 0].any() or (seen[..., 1:] != 1).any():
        raise ValueError("a schedule must reveal H, V and D of every cell exactly once, and never A")
