"""Discretised distributions as integer CDFs: means in fixed point, scales by index, both into look-up tables.

A value is an integer: the number of a *bin*.  Its mass is that of the distribution from half a bin below to half a bin
above.  Bins far from the mean are folded into the ends of a window, ``2**planes`` bins of at least 13 standard
deviations; how far beyond its ends a value lies is said in Elias's gamma code.  A floor under every bin keeps the CDF
strictly rising.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.codec.cdf_search import CdfSearch
from mulanzip.entropy.ans import P_BITS, SymbolCoder
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError
from mulanzip.gaussian.exact.codecs import Codec, walked

#: Fractional bits of means.
MEAN_BITS = 16
#: Scales are ``2**-7 exp(index / 64)`` bins.
SCALES = 1024
SCALE_UNIT = 64
SMALLEST_SCALE = 2.0**-7

#: Total of a CDF without floors.  The floors of all bins of a window together are ``2**-14`` of it, if that is not less
#: than one per bin.
ONE = 1 << 30
_FLOORS_BITS = 16
#: Entries of a table per unit of scale; between them the CDF is linear.
TABLE_STEPS = 128
INVERSE_BITS = 16
#: Fractional bits of a place between two entries.
_PLACE_BITS = 16
#: The window has at least so many bins, as bits.
LEAST_PLANES = 2
MOST_PLANES = 24
#: Values further than ``2**32`` bins beyond the window cannot be coded.
_BEYOND_PLANES = 32
_HALF = 1 << P_BITS - 1


@dataclass(frozen=True)
class Tables:
    """Look-up tables of a family of distributions.  They are part of a model.

    Attributes:
        cdf: int64 ``(2 n + 1,)``, 128 entries per unit of scale, from 0 to ``2**30``, rising; the middle is the mean.
        inverse_scale: int64 ``(SCALES,)``, entries of ``cdf`` per bin, with 16 fractional bits.
        planes: int64 ``(SCALES,)``, bits of a number of a bin in the window.
    """

    cdf: np.ndarray
    inverse_scale: np.ndarray
    planes: np.ndarray

    def validate(self) -> None:
        """Check what coding relies on: shapes, signs, monotony, no overflow.

        Raises:
            ValueError: naming what is wrong.
        """
        if any(t.dtype != np.int64 or t.ndim != 1 for t in (self.cdf, self.inverse_scale, self.planes)):
            raise ValueError("tables of distributions have the wrong types")
        if not 3 <= len(self.cdf) <= 1 << 16 or len(self.cdf) % 2 == 0:
            raise ValueError("the table of a distribution has the wrong size")
        if self.cdf[0] < 0 or self.cdf[-1] > ONE or (np.diff(self.cdf) < 0).any():
            raise ValueError("the table of a distribution does not rise from 0 to 1")
        if len(self.inverse_scale) != SCALES or len(self.planes) != SCALES:
            raise ValueError("tables of scales have the wrong sizes")
        if self.planes.min() < 1 or self.planes.max() > MOST_PLANES:
            raise ValueError("the widths of windows are out of range")
        # Distances from the mean, in fixed point, times this must fit in 63 bits.
        if self.inverse_scale.min() < 1 or (self.inverse_scale >> 62 - MEAN_BITS - self.planes).any():
            raise ValueError("the inverse scales are out of range")

    def codec(self, mean: np.ndarray, scale: np.ndarray) -> Codec[np.ndarray]:
        """Of values int64 in the shape of ``mean``, all independent.

        Args:
            mean: int64, with :data:`MEAN_BITS` fractional bits, within ``+-2**48``.
            scale: indices of 0 to ``SCALES - 1``; broadcasts to it.
        """
        return walked(lambda coder, values: self._walk(coder, mean, scale, values))

    def _walk(self, coder: SymbolCoder, mean: np.ndarray, scale: np.ndarray, values: np.ndarray | None) -> np.ndarray:
        flat_mean, flat_scale = mean.reshape(-1), np.broadcast_to(scale, mean.shape).reshape(-1)
        truth = None if values is None else values.reshape(-1)
        found = np.empty(len(flat_mean), dtype=np.int64)
        planes = self.planes[flat_scale]
        for depth in range(1, MOST_PLANES + 1):
            some = np.flatnonzero(planes == depth)
            if len(some):
                part = None if truth is None else truth[some]
                found[some] = self._code(coder, flat_mean[some], self.inverse_scale[flat_scale[some]], depth, part)
        return found.reshape(mean.shape)

    def _code(
        self, coder: SymbolCoder, mean: np.ndarray, inverse: np.ndarray, planes: int, values: np.ndarray | None
    ) -> np.ndarray:
        """Values whose windows have the same width."""
        size, half, floor = 1 << planes, len(self.cdf) // 2, max(1, 1 << _FLOORS_BITS >> planes)
        low = (mean + (1 << MEAN_BITS - 1) >> MEAN_BITS) - size // 2
        # From the mean to the edge below the window's first bin.
        start = (low << MEAN_BITS) - (1 << MEAN_BITS - 1) - mean

        def cdf(edge: np.ndarray) -> np.ndarray:
            place = (start + (edge << MEAN_BITS)) * inverse >> MEAN_BITS + INVERSE_BITS - _PLACE_BITS
            place = np.clip(place + (half << _PLACE_BITS), 0, (2 * half << _PLACE_BITS) - 1)
            entry = place >> _PLACE_BITS
            mass = self.cdf.take(entry)
            rise = self.cdf.take(entry + 1) - mass
            below: np.ndarray = mass + (rise * (place & (1 << _PLACE_BITS) - 1) >> _PLACE_BITS) + edge * floor
            return below

        zeros = np.zeros(len(mean), dtype=np.int64)
        search = CdfSearch(coder, zeros, zeros, zeros + (ONE + size * floor))
        place, _ = search.run(planes, cdf, None if values is None else np.clip(values - low, 0, size - 1))
        found = low + place
        for end, sign in ((low, -1), (low + size - 1, 1)):
            there = np.flatnonzero(found == end)
            if len(there):
                excess = None if values is None else sign * (values - end)[there]
                found[there] += sign * _beyond(coder, len(there), excess)
        return found


def _beyond(coder: SymbolCoder, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code numbers of 0 to ``2**33 - 2``: how many bits follow the leading one of the number plus one, then those.

    Raises:
        ValueError: for larger numbers.
    """
    if values is not None and (values >= (2 << _BEYOND_PLANES) - 1).any():
        raise ValueError("values are too far from their means")
    even = np.full(count, _HALF, dtype=np.int64)
    length = np.zeros(count, dtype=np.int64)
    longer = np.arange(count)
    for plane in range(_BEYOND_PLANES):
        more = coder.bernoulli(even[longer], None if values is None else values[longer] + 1 >> plane + 1 > 0)
        longer = longer[more.astype(bool)]
        length[longer] += 1
    found = np.ones(count, dtype=np.int64)
    for plane in range(int(length.max(initial=0)) - 1, -1, -1):
        some = np.flatnonzero(length > plane)
        bits = coder.bernoulli(even[some], None if values is None else (values[some] + 1) >> plane & 1)
        found[some] = found[some] << 1 | bits
    return found - 1


def within(codec: Codec[np.ndarray], low: int, high: int) -> Codec[np.ndarray]:
    """The same, of values that are known to lie in ``low .. high``.

    Raises:
        ValueError: from ``push``, if they do not.
        CorruptFileError: from ``pop``, if they do not.
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

    return Codec(push, pop)
