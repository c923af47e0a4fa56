"""The coded form of schedules that differ from tile to tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.lattice.schedules import MIXED, SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules

if TYPE_CHECKING:
    from mulanzip.entropy.ans import SymbolCoder

#: Bits of the stored probability of a schedule, among the tiles that have none of the schedules before it.
_STORED_P_BITS = 8
_SCHEDULES_BUT_LAST = len(SCHEDULES) - 1


def encode_schedules(schedules: TileSchedules) -> bytes:
    """Payload of the chunk that holds mixed schedules: the probability of each but the last, then coded bits."""
    from mulanzip.entropy.ans import SymbolEncoder  # Describing a file need not load the coder.

    numbers = np.array(schedules.numbers)
    stored_p, left = [], len(numbers)
    for number in range(_SCHEDULES_BUT_LAST):
        count = int((numbers == number).sum())
        stored_p.append(min((count << _STORED_P_BITS) // max(1, left), (1 << _STORED_P_BITS) - 1))
        left -= count
    encoder = SymbolEncoder()
    _code(encoder, stored_p, len(numbers), numbers)
    return bytes(stored_p) + encoder.finish()


def decode_schedules(payload: bytes, tiles: int) -> TileSchedules:
    """The inverse of :func:`encode_schedules`.

    Raises:
        CorruptFileError: if the payload does not hold mixed schedules for that number of tiles.
    """
    from mulanzip.entropy.ans import SymbolDecoder

    if len(payload) < _SCHEDULES_BUT_LAST:
        raise CorruptFileError("the schedules are damaged")
    decoder = SymbolDecoder(payload[_SCHEDULES_BUT_LAST:])
    numbers = _code(decoder, list(payload[:_SCHEDULES_BUT_LAST]), tiles, None)
    decoder.finish()
    schedules = TileSchedules(tuple(numbers.tolist()))
    if schedules.header_value != MIXED:
        raise CorruptFileError("the schedules are damaged")
    return schedules


def _code(coder: SymbolCoder, stored_p: Sequence[int], tiles: int, numbers: np.ndarray | None) -> np.ndarray:
    """For one schedule after the other, code which of the remaining tiles have it.  The rest have the last."""
    from mulanzip.native.library import P_BITS

    found = np.full(tiles, len(stored_p))
    left = np.arange(tiles)
    for number, p in enumerate(stored_p):
        p_one = np.full(len(left), (2 * p + 1) << P_BITS - _STORED_P_BITS - 1)
        truth = None if numbers is None else (numbers[left] == number).astype(int)
        is_this = coder.bernoulli(p_one, truth) != 0
        found[left[is_this]] = number
        left = left[~is_this]
    return found
