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

#: Bits of the stored probability that a tile which has none of the schedules before has this one.
_SHARE_BITS = 8
_SCHEDULES_BUT_LAST = len(SCHEDULES) - 1


def encode_schedules(schedules: TileSchedules) -> bytes:
    """Payload of the chunk that holds mixed schedules: a byte of probability for each but the last, then decisions."""
    from mulanzip.entropy.ans import SymbolEncoder  # Describing a file need not load the coder.

    numbers = np.array(schedules.numbers)
    shares, left = [], len(numbers)
    for number in range(_SCHEDULES_BUT_LAST):
        count = int((numbers == number).sum())
        shares.append(min((count << _SHARE_BITS) // max(1, left), (1 << _SHARE_BITS) - 1))
        left -= count
    encoder = SymbolEncoder()
    _code(encoder, shares, len(numbers), numbers)
    return bytes(shares) + encoder.finish()


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


def _code(coder: SymbolCoder, shares: Sequence[int], tiles: int, numbers: np.ndarray | None) -> np.ndarray:
    """For one schedule after the other, decide which of the remaining tiles have it.  The rest have the last."""
    from mulanzip.entropy.ans import P_BITS

    found = np.full(tiles, len(shares))
    left = np.arange(tiles)
    for number, share in enumerate(shares):
        probability = np.full(len(left), (2 * share + 1) << P_BITS - _SHARE_BITS - 1)
        truth = None if numbers is None else (numbers[left] == number).astype(int)
        is_this = coder.bernoulli(probability, truth) != 0
        found[left[is_this]] = number
        left = left[~is_this]
    return found
