"""Values by bisection: one binary decision per bit plane, thousands of values at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.coder import PROBABILITY_BITS, BitCoder
from mulanzip.timings import timed


class Bisection:
    """Bisection of intervals of values, all subpixels at once: one decision each per bit plane."""

    def __init__(self, coder: BitCoder, low: np.ndarray, mass_low: np.ndarray, mass_high: np.ndarray):
        self._coder = coder
        self.low = low
        self._mass_low = mass_low
        self._mass_high = mass_high

    def run(
        self,
        planes: int,
        cdf: Callable[[np.ndarray], np.ndarray],
        offsets: np.ndarray | None,
        active: np.ndarray | None,
    ) -> np.ndarray:
        """Find values in ``low .. low + 2**planes - 1``: int32 ``(N,)``.

        Args:
            cdf: mass below given values.
            offsets: ``values - low`` when encoding.
            active: 0 where the value is known to be elsewhere; there the outcome means nothing.
        """
        for plane in range(planes - 1, -1, -1):
            with timed("tables"):
                middle = self.low + np.int32(1 << plane)
                mass_middle = cdf(middle)
                upper = self._mass_high - mass_middle
                probability = ratio(upper, self._mass_high - self._mass_low)
                bits = None if offsets is None else offsets >> plane & 1
                if active is not None:
                    # A zero that is next to certain: no decision to speak of, and no gap in the array.
                    probability *= active
                    bits = None if bits is None else bits & active
            with timed("coder"):
                bits = self._coder.code(probability, bits)
            with timed("tables"):
                # Selections by arithmetic: np.where would branch at every element.
                ones = bits.astype(np.int32)
                self.low = self.low + (ones << plane)
                self._mass_low = self._mass_low + (mass_middle - self._mass_low) * ones
                self._mass_high = mass_middle + upper * ones
        return self.low


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` in units of ``2**-PROBABILITY_BITS``, rounded down: int64.

    Damaged files can lead to intervals without mass, where any answer will do.
    """
    found: np.ndarray = (part.astype(np.int64) << PROBABILITY_BITS) // np.maximum(whole, 1)
    return found
