"""Values by a search through cumulative masses: a choice among four parts at a time, thousands of values at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.coder import SHARE_BITS, BitCoder
from mulanzip.timings import timed

#: Bit planes that a choice settles.  Part of the format.
_PLANES_AT_ONCE = 2


class Search:
    """Intervals ``low .. low + 2**planes - 1`` with the masses below their ends, narrowed down to one value each."""

    def __init__(self, coder: BitCoder, low: np.ndarray, mass_low: np.ndarray, mass_high: np.ndarray):
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
            share: probability that the values are in these intervals at all, in units of ``2**-SHARE_BITS``;
                None where that is known.  The first choice says so, too.

        Returns:
            the values, and whether they were found, both ``(N,)``; what was not found means nothing.
        """
        inside = np.ones(len(self._low), dtype=np.int32)
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
                    shares = np.concatenate((shares * share >> SHARE_BITS, share[None]))
                    if choices is not None:
                        choices = np.where((choices >= 0) & (choices < parts), choices, parts)
                else:
                    # Of what is elsewhere the first part is next to certain: no choice to speak of, and no gap.
                    np.maximum(shares, 1 - inside << SHARE_BITS, out=shares)
                    choices = None if choices is None else (choices & parts - 1) * inside
            with timed("coder"):
                choices = self._coder.choose(shares, choices)
            with timed("tables"):
                if share is not None:
                    inside = (choices < parts).astype(np.int32)
                    choices = np.minimum(choices, parts - 1)
                    share = None
                place = choices * np.int32(len(choices)) + np.arange(len(choices), dtype=np.int32)
                self._low = self._low + (choices << planes)
                self._mass_low, self._mass_high = masses.take(place), masses[1:].take(place)
        return self._low, inside.astype(bool)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` in units of ``2**-SHARE_BITS``, rounded down: int64.

    Damaged files can lead to intervals without mass, where any answer will do.
    """
    found: np.ndarray = (part.astype(np.int64) << SHARE_BITS) // np.maximum(whole, 1)
    return found
