"""Symbols of many values by 4-ary search in their CDFs: thousands of values at once, two bits of each at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.entropy.ans import CDF_BITS, SymbolCoder
from mulanzip.timings import timed

#: Bits of a value that one symbol codes.  Part of the format.
_BITS_PER_SYMBOL = 2
#: Units of probability in 1, as a double.
_UNIT = np.float64(1 << CDF_BITS)


class CdfSearch:
    """``N`` intervals ``low .. low + 2**bits - 1`` and the masses below their ends; each is narrowed to one value."""

    def __init__(self, coder: SymbolCoder, low: np.ndarray, mass_low: np.ndarray, mass_high: np.ndarray):
        self._coder = coder
        self._low = low
        self._mass_low = mass_low
        self._mass_high = mass_high

    def run(
        self,
        bits: int,
        cdf: Callable[[np.ndarray], np.ndarray],
        offsets: np.ndarray | None,
        p_inside: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Code the values.

        Args:
            bits: log2 of the size of the intervals, 1 or more.
            cdf: mass below values ``(parts, N)``, in the same shape.
            offsets: ``values - low`` when encoding.
            p_inside: probability that a value is in its interval, in units of ``2**-CDF_BITS``; None where all values
                are.  The first symbol has an additional category for values outside.

        Returns:
            the values, ``(N,)``, and the indices of values outside, whose results are meaningless.
        """
        outside = np.empty(0, dtype=np.intp)
        while bits:
            at_once = min(_BITS_PER_SYMBOL, bits)
            bits -= at_once
            parts = 1 << at_once
            with timed("tables"):
                edges = self._low + (np.arange(1, parts, dtype=np.int32) << bits)[:, None]
                masses = np.concatenate((self._mass_low[None], cdf(edges), self._mass_high[None]))
                cumulative = ratio(masses[1:-1] - self._mass_low, self._mass_high - self._mass_low)
                symbols = None if offsets is None else offsets >> bits
                if p_inside is not None:
                    cumulative = np.multiply(cumulative, p_inside, dtype=np.int64) >> CDF_BITS
                    cumulative = np.concatenate((cumulative, p_inside[None]))
                    if symbols is not None:
                        symbols = np.where((symbols >= 0) & (symbols < parts), symbols, parts)
                else:
                    # For values outside, symbol 0 is almost certain: it takes next to no bits, and the arrays keep
                    # their shape.
                    cumulative[:, outside] = 1 << CDF_BITS
                    if symbols is not None:
                        symbols &= parts - 1
                        symbols[outside] = 0
            with timed("coder"):
                symbols = self._coder.categorical(cumulative, symbols)
            with timed("tables"):
                if p_inside is not None:
                    outside = np.flatnonzero(symbols == parts)
                    symbols = np.minimum(symbols, parts - 1)
                    p_inside = None
                self._low = self._low + (symbols << bits)
                if bits:
                    index = symbols * np.int32(len(symbols)) + np.arange(len(symbols), dtype=np.int32)
                    self._mass_low, self._mass_high = masses.take(index), masses[1:].take(index)
        return self._low, outside


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` in units of ``2**-CDF_BITS``, rounded down, in the type of the arguments.

    In damaged files ``whole`` can be 0; the result is arbitrary then.

    Args:
        part: 0 to ``whole``; both int32, or int64 below ``2**43``.
    """
    whole = np.maximum(whole, 1)
    if whole.dtype != np.int32:
        return (part << CDF_BITS) // whole
    # Twice as fast as integer division, with the same result.  part * 2**20 has 51 bits, so it is exact.  A quotient up
    # to 2**20 that is not an integer is at least 2**-31 below the next integer, and doubles round it by 2**-33 at most.
    return (part * _UNIT / whole).astype(np.int32)
