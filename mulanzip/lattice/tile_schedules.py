"""The schedule of each tile of an image: MULAN's noise schedule, adapted to the image.

Tiles are numbered in coding order, from coarse to fine (:attr:`mulanzip.lattice.geometry.Segment.first`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES, SCHEDULES, Schedule


@dataclass(frozen=True)
class TileSchedules:
    """The schedules of the tiles of an image.

    Attributes:
        numbers: positions in :data:`mulanzip.lattice.schedules.SCHEDULES`, one per tile; or one for all tiles.
    """

    numbers: tuple[int, ...]

    @classmethod
    def uniform(cls, name: str) -> TileSchedules:
        """The same schedule for all tiles."""
        return cls((SCHEDULE_NAMES.index(name),))

    @classmethod
    def joined(cls, groups: Sequence[TileSchedules], tiles: int) -> TileSchedules:
        """The schedules of several groups of ``tiles`` tiles, one group after the other."""
        numbers = [group.numbers * (tiles if len(group.numbers) == 1 else 1) for group in groups]
        return cls(tuple(chain.from_iterable(numbers)) or groups[0].numbers)

    def part(self, start: int, tiles: int) -> TileSchedules:
        """The schedules of ``tiles`` tiles from ``start`` on."""
        return TileSchedules(self.numbers[start : start + tiles]) if len(self.numbers) > 1 else self

    def __getitem__(self, tile: int) -> Schedule:
        return SCHEDULES[SCHEDULE_NAMES[self.numbers[tile] if len(self.numbers) > 1 else self.numbers[0]]]

    @property
    def header_value(self) -> int:
        """The number in the header: the schedule of all tiles, or :data:`mulanzip.lattice.schedules.MIXED`."""
        return self.numbers[0] if len(set(self.numbers)) == 1 else MIXED


@dataclass(frozen=True)
class ScheduleChoices:
    """The schedules from which an encoder chooses for each tile: it minimises ``bits + mu * cells * evaluations``.

    Attributes:
        names: of schedules; the first of equally good ones is chosen.
        bits_per_evaluation: price of an evaluation of the network, in bits per cell: the mu of the docs.
    """

    names: tuple[str, ...] = ("default",)
    bits_per_evaluation: float = 0.0


def tile_cells(height: int, width: int) -> list[int]:
    """Number of cells of each tile of an image."""
    return [tile.height * tile.width for segment in segments(height, width) for tile in segment.tiles]
