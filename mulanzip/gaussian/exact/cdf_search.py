"""Symbols of many values by 4-ary search in their CDFs: thousands of values at once, two bits of each at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.entropy.ans import SymbolCoder
from mulanzip.native.library import CDF_BITS

#: Bits of a value that one symbol codes.  Part of the format.
_BITS_PER_SYMBOL = 2


class CdfSearch:
    """``N`` intervals ``low .. low + 2**bits - 1`` and the masses below their ends; each is narrowed to one value."""

    def __init__(self, coder: SymbolCoder, low: np.ndarray, mass_low: np.ndarray, mass_high: np.ndarray):
        self._coder = coder
        self._low = low
        self._mass_low = mass_low
        self._mass_high = mass_high

    def run(self, bits: int, cdf: Callable[[np.ndarray], np.ndarray], offsets: np.ndarray | None) -> np.ndarray:
        """Code the values.

        Args:
            bits: log2 of the size of the intervals, 1 or more.
            cdf: mass below values ``(parts, N)``, in the same shape.
            offsets: ``values - low`` when encoding.

        Returns:
            the values, ``(N,)``.
        """
        while bits:
            at_once = min(_BITS_PER_SYMBOL, bits)
            bits -= at_once
            parts = 1 << at_once
            edges = self._low + (np.arange(1, parts, dtype=np.int32) << bits)[:, None]
            masses = np.concatenate((self._mass_low[None], cdf(edges), self._mass_high[None]))
            cumulative = _ratio(masses[1:-1] - self._mass_low, self._mass_high - self._mass_low)
            symbols = self._coder.categorical(cumulative, None if offsets is None else offsets >> bits & parts - 1)
            self._low = self._low + (symbols << bits)
            if bits:
                index = symbols * np.int32(len(symbols)) + np.arange(len(symbols), dtype=np.int32)
                self._mass_low, self._mass_high = masses.take(index), masses[1:].take(index)
        return self._low


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` in units of ``2**-CDF_BITS``, rounded down.

    In damaged files ``whole`` can be 0; the result is arbitrary then.

    Args:
        part: 0 to ``whole``; both int64, below ``2**43``.
    """
    return (part << CDF_BITS) // np.maximum(whole, 1)
