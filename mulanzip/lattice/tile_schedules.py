"""Which schedule each tile of an image has: MULAN's noise schedule adapts to the image here.

Tiles are counted in coding order, from the coarsest on (:attr:`mulanzip.lattice.geometry.Segment.first`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES, SCHEDULES, Schedule


@dataclass(frozen=True)
class TileSchedules:
    """The schedules of an image's tiles.

    Attributes:
        numbers: positions in :data:`mulanzip.lattice.schedules.SCHEDULES`, one per tile; or a single one for all tiles.
    """

    numbers: tuple[int, ...]

    @classmethod
    def uniform(cls, name: str) -> TileSchedules:
        """The same schedule for all tiles, however many there are."""
        return cls((SCHEDULE_NAMES.index(name),))

    @classmethod
    def joined(cls, plans: Sequence[TileSchedules], tiles: int) -> TileSchedules:
        """One for groups of ``tiles`` tiles each."""
        numbers = [plan.numbers * (tiles if len(plan.numbers) == 1 else 1) for plan in plans]
        return cls(tuple(chain.from_iterable(numbers)) or plans[0].numbers)

    def part(self, start: int, tiles: int) -> TileSchedules:
        """That of ``tiles`` tiles from ``start`` on."""
        return TileSchedules(self.numbers[start : start + tiles]) if len(self.numbers) > 1 else self

    def __getitem__(self, tile: int) -> Schedule:
        return SCHEDULES[SCHEDULE_NAMES[self.numbers[tile] if len(self.numbers) > 1 else self.numbers[0]]]

    @property
    def header_value(self) -> int:
        """What a file's header says: the schedule of all tiles, or :data:`mulanzip.lattice.schedules.MIXED`."""
        return self.numbers[0] if len(set(self.numbers)) == 1 else MIXED


@dataclass(frozen=True)
class ScheduleChoices:
    """What the encoder may choose from, tile by tile.

    It takes what minimises ``bits + mu * cells * evaluations``.

    Attributes:
        names: of schedules; of equals, the first wins.
        bits_per_evaluation: price of an evaluation of the network, in bits per cell: the mu of the docs.
    """

    names: tuple[str, ...] = ("default",)
    bits_per_evaluation: float = 0.0


def tile_cells(height: int, width: int) -> list[int]:
    """Cells of every tile of an image."""
    return [tile.height * tile.width for segment in segments(height, width) for tile in segment.tiles]
