"""Values by a search through cumulative masses: a choice among four parts at a time, thousands of values at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.entropy.ans import CDF_BITS, SymbolCoder
from mulanzip.timings import timed

#: Bit planes that a choice settles.  Part of the format.
_PLANES_AT_ONCE = 2
#: Shares of a whole, as a double.
_UNIT = np.float64(1 << CDF_BITS)


class CdfSearch:
    """Intervals ``low .. low + 2**planes - 1`` with the masses below their ends, narrowed down to one value each."""

    def __init__(self, coder: SymbolCoder, low: np.ndarray, mass_low: np.ndarray, mass_high: np.ndarray):
        self._coder = coder
        self._low = low
        self._mass_low = mass_low
        self._mass_high = mass_high

    def run(
        self,
        planes: int,
        cdf: Callable[[np.ndarray], np.ndarray],
        offsets: np.ndarray | None,
        share: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the values.

        Args:
            planes: 1 and more.
            cdf: mass below given values ``(parts, N)``, in that shape.
            offsets: ``values - low`` when encoding.
            share: probability that the values are in these intervals at all, in units of ``2**-CDF_BITS``;
                None where that is known.  The first choice says so, too.

        Returns:
            the values, ``(N,)``, and the indices of those that were not found, which mean nothing.
        """
        outside = np.empty(0, dtype=np.intp)
        while planes:
            at_once = min(_PLANES_AT_ONCE, planes)
            planes -= at_once
            parts = 1 << at_once
            with timed("tables"):
                edges = self._low + (np.arange(1, parts, dtype=np.int32) << planes)[:, None]
                masses = np.concatenate((self._mass_low[None], cdf(edges), self._mass_high[None]))
                shares = ratio(masses[1:-1] - self._mass_low, self._mass_high - self._mass_low)
                choices = None if offsets is None else offsets >> planes
                if share is not None:
                    shares = np.multiply(shares, share, dtype=np.int64) >> CDF_BITS
                    shares = np.concatenate((shares, share[None]))
                    if choices is not None:
                        choices = np.where((choices >= 0) & (choices < parts), choices, parts)
                else:
                    # Of what is elsewhere the first part is next to certain: no choice to speak of, and no gap.
                    shares[:, outside] = 1 << CDF_BITS
                    if choices is not None:
                        choices &= parts - 1
                        choices[outside] = 0
            with timed("coder"):
                choices = self._coder.categorical(shares, choices)
            with timed("tables"):
                if share is not None:
                    outside = np.flatnonzero(choices == parts)
                    choices = np.minimum(choices, parts - 1)
                    share = None
                self._low = self._low + (choices << planes)
                if planes:
                    place = choices * np.int32(len(choices)) + np.arange(len(choices), dtype=np.int32)
                    self._mass_low, self._mass_high = masses.take(place), masses[1:].take(place)
        return self._low, outside


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` in units of ``2**-CDF_BITS``, rounded down, of the same type.

    Damaged files can lead to intervals without mass, where any answer will do.

    Args:
        part: 0 to ``whole``; both int32, or int64 below ``2**43``.
    """
    whole = np.maximum(whole, 1)
    if whole.dtype != np.int32:
        return (part << CDF_BITS) // whole
    # Twice as fast as integers, and the same: part * 2**20 has 51 bits and is exact.  A quotient up to 2**20 that is no
    # integer is 2**-31 or more below the next one; doubles round it by 2**-33 at most.
    return (part * _UNIT / whole).astype(np.int32)
