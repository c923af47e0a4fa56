"""Discretised distributions as integer CDFs: means in fixed point, scales by index, both into look-up tables.

A value is an integer, the index of a *bin*.  Its mass is that of the distribution from half a bin below to half a bin
above.  A window of ``2**window_bits`` bins around the mean covers at least 13 standard deviations.  Bins outside count
for the window's first or last bin, and an Elias gamma code says how far beyond it a value lies.  A floor under every
bin keeps the CDF strictly rising.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.entropy.ans import SymbolCoder
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError
from mulanzip.gaussian.exact.cdf_search import CdfSearch
from mulanzip.gaussian.exact.codecs import MessageCodec, from_program
from mulanzip.native.library import P_BITS

#: Fractional bits of means.
MEAN_BITS = 16
#: Number of scales.  A scale is ``2**-7 exp(index / 64)`` bins.
SCALES = 1024
SCALES_PER_E = 64
MIN_SCALE = 2.0**-7

#: Total of a CDF without floors.  The floors of all bins of a window together are ``2**-14`` of it, or one per bin if
#: that is more.
CDF_TOTAL = 1 << 30
_FLOORS_BITS = 16
#: Entries of a table per unit of scale; the CDF is linear between them.
TABLE_STEPS = 128
INVERSE_BITS = 16
#: Fractional bits of a position between two entries.
_POSITION_BITS = 16
#: Limits of the width of a window, as a power of two.
MIN_WINDOW_BITS = 2
MAX_WINDOW_BITS = 24
#: Values further than ``2**32`` bins beyond the window cannot be coded.
_EXCESS_BITS = 32
_HALF = 1 << P_BITS - 1


@dataclass(frozen=True)
class DistributionTables:
    """Look-up tables of a family of distributions.  They are part of a model.

    Attributes:
        cdf: int64 ``(2 n + 1,)``, 128 entries per unit of scale, rising from 0 to ``2**30``; the middle is the mean.
        inverse_scale: int64 ``(SCALES,)``, entries of ``cdf`` per bin, with 16 fractional bits.
        window_bits: int64 ``(SCALES,)``, log2 of the number of bins in the window.
    """

    cdf: np.ndarray
    inverse_scale: np.ndarray
    window_bits: np.ndarray

    def validate(self) -> None:
        """Check what coding relies on: shapes, signs, monotonicity, no overflow.

        Raises:
            ValueError: naming the problem.
        """
        if any(t.dtype != np.int64 or t.ndim != 1 for t in (self.cdf, self.inverse_scale, self.window_bits)):
            raise ValueError("tables of distributions have the wrong types")
        if not 3 <= len(self.cdf) <= 1 << 16 or len(self.cdf) % 2 == 0:
            raise ValueError("the table of a distribution has the wrong size")
        if self.cdf[0] < 0 or self.cdf[-1] > CDF_TOTAL or (np.diff(self.cdf) < 0).any():
            raise ValueError("the table of a distribution does not rise from 0 to 1")
        if len(self.inverse_scale) != SCALES or len(self.window_bits) != SCALES:
            raise ValueError("tables of scales have the wrong sizes")
        if self.window_bits.min() < 1 or self.window_bits.max() > MAX_WINDOW_BITS:
            raise ValueError("the widths of windows are out of range")
        # Distances from the mean, in fixed point, times this must fit in 63 bits.
        if self.inverse_scale.min() < 1 or (self.inverse_scale >> 62 - MEAN_BITS - self.window_bits).any():
            raise ValueError("the inverse scales are out of range")

    def codec(self, mean: np.ndarray, scale: np.ndarray) -> MessageCodec[np.ndarray]:
        """The codec of independent values, int64 in the shape of ``mean``.

        Args:
            mean: int64, with :data:`MEAN_BITS` fractional bits, within ``+-2**48``.
            scale: indices of 0 to ``SCALES - 1``; broadcasts to the shape of ``mean``.
        """
        return from_program(lambda coder, values: self._program(coder, mean, scale, values))

    def _program(
        self, coder: SymbolCoder, mean: np.ndarray, scale: np.ndarray, values: np.ndarray | None
    ) -> np.ndarray:
        means, scales = mean.reshape(-1), np.broadcast_to(scale, mean.shape).reshape(-1)
        truth = None if values is None else values.reshape(-1)
        found = np.empty(len(means), dtype=np.int64)
        window_bits = self.window_bits[scales]
        for width in range(1, MAX_WINDOW_BITS + 1):
            some = np.flatnonzero(window_bits == width)
            if len(some):
                part = None if truth is None else truth[some]
                found[some] = self._code(coder, means[some], self.inverse_scale[scales[some]], width, part)
        return found.reshape(mean.shape)

    def _code(
        self, coder: SymbolCoder, mean: np.ndarray, inverse: np.ndarray, window_bits: int, values: np.ndarray | None
    ) -> np.ndarray:
        """Code values whose windows have the same width."""
        size, half, floor = 1 << window_bits, len(self.cdf) // 2, max(1, 1 << _FLOORS_BITS >> window_bits)
        low = (mean + (1 << MEAN_BITS - 1) >> MEAN_BITS) - size // 2
        # From the mean to the edge below the window's first bin.
        start = (low << MEAN_BITS) - (1 << MEAN_BITS - 1) - mean

        def cdf(edge: np.ndarray) -> np.ndarray:
            position = (start + (edge << MEAN_BITS)) * inverse >> MEAN_BITS + INVERSE_BITS - _POSITION_BITS
            position = np.clip(position + (half << _POSITION_BITS), 0, (2 * half << _POSITION_BITS) - 1)
            entry = position >> _POSITION_BITS
            mass = self.cdf.take(entry)
            rise = self.cdf.take(entry + 1) - mass
            below: np.ndarray = mass + (rise * (position & (1 << _POSITION_BITS) - 1) >> _POSITION_BITS) + edge * floor
            return below

        zeros = np.zeros(len(mean), dtype=np.int64)
        search = CdfSearch(coder, zeros, zeros, zeros + (CDF_TOTAL + size * floor))
        index = search.run(window_bits, cdf, None if values is None else np.clip(values - low, 0, size - 1))
        found = low + index
        for end, sign in ((low, -1), (low + size - 1, 1)):
            there = np.flatnonzero(found == end)
            if len(there):
                excess = None if values is None else sign * (values - end)[there]
                found[there] += sign * _code_excess(coder, len(there), excess)
        return found


def _code_excess(coder: SymbolCoder, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code integers of 0 to ``2**33 - 2`` with Elias's gamma code of the integer plus one.

    First comes the number of bits after the leading one, in unary, then those bits.

    Raises:
        ValueError: for larger integers.
    """
    if values is not None and (values >= (2 << _EXCESS_BITS) - 1).any():
        raise ValueError("values are too far from their means")
    even = np.full(count, _HALF, dtype=np.int64)
    length = np.zeros(count, dtype=np.int64)
    longer = np.arange(count)
    for bit in range(_EXCESS_BITS):
        more = coder.bernoulli(even[longer], None if values is None else values[longer] + 1 >> bit + 1 > 0)
        longer = longer[more.astype(bool)]
        length[longer] += 1
    found = np.ones(count, dtype=np.int64)
    for bit in range(int(length.max(initial=0)) - 1, -1, -1):
        some = np.flatnonzero(length > bit)
        bits = coder.bernoulli(even[some], None if values is None else (values[some] + 1) >> bit & 1)
        found[some] = found[some] << 1 | bits
    return found - 1


def within(codec: MessageCodec[np.ndarray], low: int, high: int) -> MessageCodec[np.ndarray]:
    """The same codec, checking that all values lie in ``low .. high``.

    Raises:
        ValueError: from ``push``, if a value is out of range.
        CorruptFileError: from ``pop``, likewise.
    """

    def outside(values: np.ndarray) -> bool:
        return bool((values < low).any() or (values > high).any())

    def push(message: Message, values: np.ndarray) -> None:
        if outside(values):
            raise ValueError(f"values are not within {low}..{high}")
        codec.push(message, values)

    def pop(message: Message) -> np.ndarray:
        if outside(values := codec.pop(message)):
            raise CorruptFileError("a decoded value is out of range")
        return values

    return MessageCodec(push, pop)
