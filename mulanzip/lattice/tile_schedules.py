"""Which schedule each tile of an image has: MULAN's noise schedule adapts to the image here.

Tiles are counted in coding order, from the coarsest on (:attr:`mulanzip.lattice.geometry.Segment.first`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.format.container import SCHEDULES_CHUNK, Container
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES, SCHEDULES, Schedule

if TYPE_CHECKING:
    from mulanzip.entropy.ans import SymbolCoder

#: Bits of the stored probability that a tile which has none of the schedules before has this one.
_SHARE_BITS = 8


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
    def joined(cls, groups: Sequence[TileSchedules], tiles: int) -> TileSchedules:
        """One for groups of ``tiles`` tiles each."""
        numbers = [schedules.numbers * (tiles if len(schedules.numbers) == 1 else 1) for schedules in groups]
        return cls(tuple(chain.from_iterable(numbers)) or groups[0].numbers)

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
        bits_per_evaluation: mu, bits per cell that one evaluation of the network is worth.
    """

    names: tuple[str, ...] = ("default",)
    bits_per_evaluation: float = 0.0


def tile_cells(height: int, width: int) -> list[int]:
    """Cells of every tile of an image."""
    return [tile.height * tile.width for segment in segments(height, width) for tile in segment.tiles]


def encode(schedules: TileSchedules) -> bytes:
    """Payload of the chunk that holds a mixed plan: shares of the schedules, then coded decisions."""
    from mulanzip.entropy.ans import SymbolEncoder  # Describing a file need not load the coder.

    numbers = np.array(schedules.numbers)
    shares, left = [], len(numbers)
    for number in range(len(SCHEDULES) - 1):
        count = int((numbers == number).sum())
        shares.append(min((count << _SHARE_BITS) // max(1, left), (1 << _SHARE_BITS) - 1))
        left -= count
    encoder = SymbolEncoder()
    _code(encoder, shares, len(numbers), numbers)
    return bytes(shares) + encoder.finish()


def decode(payload: bytes, tiles: int) -> TileSchedules:
    """The inverse of :func:`encode`.

    Raises:
        CorruptFileError: if it is no mixed plan for so many tiles.
    """
    from mulanzip.entropy.ans import SymbolDecoder

    count = len(SCHEDULES) - 1
    if len(payload) < count:
        raise CorruptFileError("the schedules are damaged")
    decoder = SymbolDecoder(payload[count:])
    schedules = TileSchedules(tuple(_code(decoder, list(payload[:count]), tiles, None).tolist()))
    decoder.finish()
    if schedules.header_value != MIXED:
        raise CorruptFileError("the schedules are damaged")
    return schedules


def plan_in(file: Container, groups: int) -> TileSchedules:
    """The plan that a file carries: of all tiles, group after group.

    Args:
        groups: of planes that have tiles.

    Raises:
        CorruptFileError: if it is damaged.
    """
    header = file.header
    if header.schedule != MIXED:
        return TileSchedules((header.schedule,))
    payloads = file.of_kind(SCHEDULES_CHUNK)
    if not payloads:
        raise CorruptFileError("the schedules are missing")
    return decode(payloads[0], groups * len(tile_cells(header.height, header.width)))


def _code(coder: SymbolCoder, shares: Sequence[int], tiles: int, numbers: np.ndarray | None) -> np.ndarray:
    """Schedule after schedule: which of the tiles that have none yet have this one?  The rest have the last."""
    from mulanzip.entropy.ans import P_BITS

    found = np.full(tiles, len(shares))
    left = np.arange(tiles)
    for number, share in enumerate(shares):
        probability = np.full(len(left), (2 * share + 1) << P_BITS - _SHARE_BITS - 1)
        is_this = coder.bernoulli(probability, None if numbers is None else (numbers[left] == number).astype(int)) != 0
        found[left[is_this]] = number
        left = left[~is_this]
    return found
