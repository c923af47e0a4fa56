"""Mixtures of logistics as integer CDFs: from the denoiser's integers to binary decisions.

The float training loss (:mod:`mulanzip.training.loss`) uses the same parametrisation.  In units of
the float network's outputs ``o``:

* mixture weights are ``softmax(o)``, stored as ``128 + 16 o`` in a uint8;
* scales are ``4 exp(o)`` levels, ``|o| <= 4``, stored as ``128 + 32 o`` in a uint8;
* means are ``base + 16 o`` levels, stored with ``MEAN_BITS`` fractional bits;
* couplings are ``o / 2``, stored in 1/256.

The CDF of a mixture at the edge below value ``x`` is ``sum_k w_k S[(x - 1/2 - mu_k) / s_k] + x f``:
table look-ups ``S`` of a logistic function, a floor ``f`` under every value's probability, and
both tails folded into 0 and 255.  All of it is 64-bit integer arithmetic, monotone by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from mulanzip.architecture import COLOURS, MEAN_BITS
from mulanzip.coder import PROBABILITY_BITS, BitCoder
from mulanzip.grain import EIGHT_BIT, Grain
from mulanzip.prediction import Prediction
from mulanzip.search import Search, ratio
from mulanzip.sieve import Halvings, Sieve
from mulanzip.timings import timed
from mulanzip.tones import PLAIN_EDGES

MEAN_GAIN = 16
COUPLING_GAIN = 0.5
LOG_SCALE_LIMIT = 4
SCALE_AT_ZERO = 4
#: Every value has at least about this probability.
PROBABILITY_FLOOR = 2.0**-20

#: Integer units per unit of the network's outputs, in the order logits, log scales, means, couplings.
LOGIT_UNIT = 16
LOG_SCALE_UNIT = 32
MEAN_UNIT = MEAN_GAIN << MEAN_BITS
COUPLING_BITS = 8
COUPLING_UNIT = int(COUPLING_GAIN * (1 << COUPLING_BITS))
#: Offset of the uint8 outputs (logits and log scales).
SHAPE_ZERO = 128

#: Total of one component's CDF.
_ONE = 1 << 16
#: Steps of the logistic table per unit of (x - mu) / s, and its half width.
_TABLE_STEPS = 1024
TABLE_HALF = 12 * _TABLE_STEPS
#: Fractional bits of the inverse scales.
_INVERSE_BITS = 8
_WEIGHT_ONE = 1 << 12
#: For samples that are finer than levels: steps between two entries of the logistic table, of which every 64th is
#: used.  Between neighbours the table's own rounding would show.
_FINE_BITS = 12
_STRIDE_BITS = 6
#: Added to the CDF per value; with the largest weight at ``_WEIGHT_ONE`` this is 2**-20 or less.
_FLOOR = _ONE * _WEIGHT_ONE >> 20
#: Subpixels whose choices are taken together: few enough for a processor's cache, enough for threads not to wait for
#: the interpreter at every turn.
#: Part of the format: it decides the order of decisions.
CHUNK = 32768
#: Levels around the mean that are tried first; a power of two.  Part of the format.
_WINDOW_PLANES = 4
WINDOW = 1 << _WINDOW_PLANES
#: The window has this many bits at least, where a step is several levels.
_LEAST_WINDOW_PLANES = 2
#: Values are told apart from those of their surroundings where one of so many differs at most.
_LEAST_RARITY = 16
_MAX_RARITY = 127
_HALF_COUPLING = np.int32(1 << COUPLING_BITS - 1)
_COUPLING_LIMIT = 4 << COUPLING_BITS
#: Mixture means are clamped this many levels outside 0..255.
_MEAN_MARGIN = 64


@dataclass(frozen=True)
class Tables:
    """Look-up tables of the likelihood.  They are part of the model file, and of its hash.

    Attributes:
        logistic: int32 ``(2 * TABLE_HALF + 1,)``, ``2**16 / (1 + exp(-t / 1024))``, rising.
        weight: int32 ``(256,)``, ``2**12 exp(-d / LOGIT_UNIT)`` for ``d`` below the largest logit.
        inverse_scale: int32 ``(256,)``, steps of ``logistic`` per ``2**-MEAN_BITS`` level.
    """

    logistic: np.ndarray
    weight: np.ndarray
    inverse_scale: np.ndarray

    @classmethod
    def build(cls) -> Tables:
        """Compute the tables.  Floating point, hence at export only: never while coding."""
        steps = np.arange(-TABLE_HALF, TABLE_HALF + 1) / _TABLE_STEPS
        scale = SCALE_AT_ZERO * np.exp((np.arange(256) - SHAPE_ZERO) / LOG_SCALE_UNIT)
        inverse = _TABLE_STEPS / (scale * (1 << MEAN_BITS)) * (1 << _INVERSE_BITS)
        return cls(
            np.rint(_ONE / (1 + np.exp(-steps))).astype(np.int32),
            np.rint(_WEIGHT_ONE * np.exp(-np.arange(256) / LOGIT_UNIT)).astype(np.int32),
            np.rint(inverse).astype(np.int32),
        )

    def validate(self) -> None:
        """Check what coding relies on: shapes, signs, monotony, no overflow.

        Raises:
            ValueError: naming what is wrong.
        """
        tables = (self.logistic, self.weight, self.inverse_scale)
        shapes = [(2 * TABLE_HALF + 1,), (256,), (256,)]
        if [t.shape for t in tables] != shapes or any(t.dtype != np.int32 for t in tables):
            raise ValueError("likelihood tables have the wrong sizes or types")
        if self.logistic[0] < 0 or self.logistic[-1] > _ONE or (np.diff(self.logistic) < 0).any():
            raise ValueError("the logistic table does not rise from 0 to 1")
        if self.weight[0] != _WEIGHT_ONE or (self.weight < 0).any() or self.weight.max() > _WEIGHT_ONE:
            raise ValueError("the weight table is out of range")
        if self.inverse_scale.min() < 1 or self.inverse_scale.max() > 1 << 17:
            raise ValueError("the inverse scales are out of range")


class Mixture:
    """Mixtures of logistics of ``N`` subpixels of one colour, ready to be asked for their CDFs.

    Attributes:
        total: int32 ``(N,)``, the mass of all values.
    """

    def __init__(
        self, weights: np.ndarray, inverse: np.ndarray, offset: np.ndarray, logistic: np.ndarray, edges: np.ndarray
    ):
        self._weights = weights
        self._inverse = inverse
        self._offset = offset
        self._logistic = logistic
        self._edges = edges
        self.total: np.ndarray = weights.sum(0, dtype=np.int32) * np.int32(_ONE) + 256 * _FLOOR

    @classmethod
    def build(
        cls,
        tables: Tables,
        logits: np.ndarray,
        scales: np.ndarray,
        means: np.ndarray,
        edges: np.ndarray = PLAIN_EDGES,
    ) -> tuple[Mixture, np.ndarray]:
        """Mixtures, and their means rounded down to levels (int32 ``(N,)``, may be outside 0..255).

        Args:
            logits, scales: uint8 ``(K, N)``; means: int32 ``(K, N)`` in ``2**-MEAN_BITS`` levels.
            edges: int32 ``(257,)``, see :class:`mulanzip.tones.Tones`.
        """
        unit = 1 << MEAN_BITS
        # The largest component weighs _WEIGHT_ONE, so the total is bounded from both sides.
        weights = tables.weight.take(logits.max(0) - logits, mode="clip")
        inverse = tables.inverse_scale.take(scales, mode="clip")
        means = np.clip(means, -_MEAN_MARGIN * unit, (255 + _MEAN_MARGIN) * unit)
        centre = (weights * means).sum(0, dtype=np.int32) // weights.sum(0, dtype=np.int32) >> MEAN_BITS
        offset = np.int32(TABLE_HALF << _INVERSE_BITS) - (means + np.int32(unit // 2)) * inverse
        return cls(weights, inverse, offset, tables.logistic, edges), centre

    def select(self, indices: np.ndarray) -> Mixture:
        """Only some subpixels."""
        parts = (self._weights[:, indices], self._inverse[:, indices], self._offset[:, indices])
        return Mixture(*parts, self._logistic, self._edges)

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass below values ``edge`` (int32 ``(..., N)``, 1..255), out of :attr:`total`: int32 ``(..., N)``."""
        inner = (slice(None), *(None,) * (edge.ndim - 1))
        index = self._inverse[inner] * self._edges.take(edge)
        index += self._offset[inner]
        index >>= _INVERSE_BITS
        # Clipped before the look-up, whose own clipping would branch at every element.
        np.clip(index, 0, 2 * TABLE_HALF, out=index)
        mass = self._logistic.take(index, mode="clip")
        mass *= self._weights[inner]
        below: np.ndarray = mass.sum(0, dtype=np.int32)
        below += edge * np.int32(_FLOOR)
        return below


class FineMixture:
    """The same for samples of any grain: in 64 bits, and between the entries of the logistic table.

    Attributes:
        total: int64 ``(N,)``, the mass of all values.
    """

    def __init__(self, weights: np.ndarray, slope: np.ndarray, offset: np.ndarray, logistic: np.ndarray, grain: Grain):
        self._weights = weights
        self._slope = slope
        self._offset = offset
        self._logistic = logistic
        self._grain = grain
        self._bits = _INVERSE_BITS + grain.down + _STRIDE_BITS
        # All floors together weigh what they do in plain samples.
        self._floor = (256 * _FLOOR << _FINE_BITS) // grain.count
        self.total: np.ndarray = (weights.sum(0) * _ONE << _FINE_BITS) + grain.count * self._floor

    @classmethod
    def build(
        cls, tables: Tables, logits: np.ndarray, scales: np.ndarray, means: np.ndarray, grain: Grain
    ) -> tuple[FineMixture, np.ndarray]:
        """Mixtures, and their means rounded down to samples (int32 ``(N,)``, may be out of range).

        Args: as for :meth:`Mixture.build`.
        """
        unit = 1 << MEAN_BITS
        weights = tables.weight.take(logits.max(0) - logits, mode="clip").astype(np.int64)
        inverse = tables.inverse_scale.take(scales, mode="clip").astype(np.int64)
        top = (grain.count - 1) * unit << grain.up >> grain.down
        means = np.clip(means.astype(np.int64), -_MEAN_MARGIN * unit, top + _MEAN_MARGIN * unit) << grain.down
        centre = (weights * means).sum(0) // weights.sum(0) >> MEAN_BITS + grain.up
        bits = _INVERSE_BITS + grain.down
        offset = (TABLE_HALF << bits) - (means + (unit // 2 << grain.up)) * inverse
        logistic = tables.logistic[:: 1 << _STRIDE_BITS].astype(np.int64)
        return cls(weights, inverse * unit << grain.up, offset, logistic, grain), centre.astype(np.int32)

    def select(self, indices: np.ndarray) -> FineMixture:
        """Only some subpixels."""
        parts = (self._weights[:, indices], self._slope[:, indices], self._offset[:, indices])
        return FineMixture(*parts, self._logistic, self._grain)

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass below values ``edge`` (int32 ``(..., N)``, 0 and more), out of :attr:`total`: int64 ``(..., N)``."""
        inner = (slice(None), *(None,) * (edge.ndim - 1))
        index = self._slope[inner] * edge + self._offset[inner]
        np.clip(index, 0, (2 * TABLE_HALF >> _STRIDE_BITS << self._bits) - 1, out=index)
        entry = index >> self._bits
        share = (index >> self._bits - _FINE_BITS) & (1 << _FINE_BITS) - 1
        low = self._logistic.take(entry)
        mass = (low << _FINE_BITS) + (self._logistic.take(entry + 1) - low) * share
        below: np.ndarray = (mass * self._weights[inner]).sum(0) + edge * np.int64(self._floor)
        return np.where(edge < self._grain.count, below * (edge > 0), self.total)


def code_flat(coder: BitCoder, values: np.ndarray | None, count: int, grain: Grain) -> np.ndarray:
    """Code ``count`` samples that are equally likely: ``(count,)``; high bytes first where they have two.

    Args:
        values: when encoding.
    """
    if grain.count <= 256:
        return coder.flat(values, count)
    high = coder.flat(None if values is None else values >> 8, count).astype(np.uint16)
    return high << 8 | coder.flat(None if values is None else values & 255, count).astype(np.uint16)


def window(centre: np.ndarray, size: int, grain: Grain) -> np.ndarray:
    """Low ends of windows around means."""
    low: np.ndarray = np.clip(centre - size // 2, 0, (1 << grain.planes) - size)
    return low


def _code_values(
    mixture: Mixture | FineMixture,
    centre: np.ndarray,
    coder: BitCoder,
    values: np.ndarray | None,
    grain: Grain,
    halvings: Halvings | None,
) -> np.ndarray:
    """Code subpixels: in which part of the window around the mean, or outside?  Then on in there, or in the rest.

    Args:
        mixture, centre: from :meth:`Mixture.build`.
        values: int32 ``(N,)`` when encoding, None when decoding.
        halvings: of plain samples, where there are rare values; it counts in the window alone.

    Returns:
        int32 ``(N,)``, the values.
    """
    planes = min(max(_WINDOW_PLANES + grain.shift, _LEAST_WINDOW_PLANES), grain.planes)
    size = 1 << planes
    with timed("tables"):
        low = window(centre, size, grain)
        high = low + np.int32(size)
        mass_low, mass_high = mixture.cdf(np.stack((low, high)))
        mass_low *= low > 0
        mass_high += (mixture.total - mass_high) * (high >= grain.count)
        central = mass_high - mass_low
        share = ratio(central, mixture.total)
        if halvings is None:
            search, cdf = Search(coder, low, mass_low, mass_high), mixture.cdf
        else:
            assert isinstance(mixture, Mixture)
            sieve = Sieve(mixture, low, size, halvings)
            search, cdf = Search(coder, low, np.zeros_like(low), sieve.total), sieve.cdf
    found, inside = search.run(planes, cdf, None if values is None else values - low, share)
    outside = np.flatnonzero(~inside)
    if not len(outside):
        return found
    rest = mixture.select(outside)
    low, high, mass_low, central = low[outside], high[outside], mass_low[outside], central[outside]

    def cdf_outside(edge: np.ndarray) -> np.ndarray:
        """Mass below ``edge`` without that of the window."""
        mass = rest.cdf(edge)
        return np.where(edge <= low, mass, np.where(edge >= high, mass - central, mass_low))

    zeros = np.zeros(len(outside), dtype=np.int32)
    search = Search(coder, zeros, zeros.astype(central.dtype), rest.total - central)
    found[outside], _ = search.run(grain.planes, cdf_outside, None if values is None else values[outside])
    return found


def _code_flat_places(coder: BitCoder, coded: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Code where values are those of their surroundings, which are all the same.

    A byte says how often they are not.  It pays for itself where that is rare, as in the background of medical
    images; a denoiser cannot be that sure.

    Args:
        coded: int32 ``(n,)``, values of the surroundings, -1 where they differ.
        known: the values when encoding.

    Returns:
        indices of the subpixels that are still to be coded.
    """
    with timed("tables"):
        flat = np.flatnonzero(coded >= 0)
        if not len(flat):
            return np.arange(len(coded))
        misses = None if known is None else (known[flat] != coded[flat]).astype(np.int64)
        code = None if misses is None else np.array([_rarity(int(misses.sum()), len(flat))])
    with timed("coder"):
        rarity = int(coder.flat(code, 1)[0])
        if not rarity:
            return np.arange(len(coded))
        probability = _miss_probability(rarity)
        missed = coder.code(np.full(len(flat), probability), misses)
    remaining = coded < 0
    remaining[flat] = missed
    return np.flatnonzero(remaining)


def _miss_probability(rarity: int) -> int:
    """What a byte of 1 to 127 stands for, out of ``2**PROBABILITY_BITS``: eight steps for each halving."""
    return (16 - rarity % 8 << PROBABILITY_BITS - 4) >> rarity // 8


def _rarity(misses: int, count: int) -> int:
    """The byte for so many misses: 0 where they are too frequent."""
    if _LEAST_RARITY * misses > count:
        return 0
    # With half a miss more, as there may be none.
    wanted = (2 * misses + 1 << PROBABILITY_BITS) // (2 * count)
    return next(r for r in range(_MAX_RARITY, -1, -1) if _miss_probability(r) >= wanted or not r)


class MixtureCoder:
    """Codes the subpixels of a phase: first colour, second given the first, third given both."""

    def __init__(
        self,
        tables: Tables,
        coder: BitCoder,
        colours: int = COLOURS,
        grain: Grain = EIGHT_BIT,
    ):
        """``colours`` is 3, or 1 for gray: then only the first colour is coded, and there is no gamut."""
        self._tables = tables
        self._coder = coder
        self._colours = colours
        self._grain = grain

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Code the ``n`` cells of ``prediction``, :data:`CHUNK` at a time.

        Args:
            prediction: the denoiser's integers.
            truth: ``(n, colours)`` when encoding, None when decoding.

        Returns:
            the samples, ``(n, colours)``.
        """
        count = prediction.base.shape[1]
        values = np.empty((count, self._colours), dtype=self._grain.dtype)
        for start in range(0, count, CHUNK):
            part = slice(start, min(count, start + CHUNK))
            self._code_chunk(prediction, part, None if truth is None else truth[part], values[part])
        return values

    def _code(
        self,
        mixture: Mixture | FineMixture,
        centre: np.ndarray,
        values: np.ndarray | None,
        colour: int,
        halvings: Halvings | None,
    ) -> np.ndarray:
        return _code_values(mixture, centre, self._coder, values, self._grain, halvings)

    def _code_chunk(self, prediction: Prediction, part: slice, truth: np.ndarray | None, values: np.ndarray) -> None:
        features, base = prediction.features[part], prediction.base[:, part]
        offsets = np.empty((self._colours, base.shape[1]), dtype=np.int32)
        for colour in range(self._colours):
            known = None if truth is None else truth[:, colour].astype(np.int32)
            if prediction.flat is None:
                halvings = self._halvings(values, colour)
                coded = self._code_colour(prediction, features, base[colour], offsets[:colour], colour, known, halvings)
            else:
                coded = prediction.flat[colour, part].copy()
                rest = self._code_flat(coded, known)
                if len(rest):
                    some = None if known is None else known[rest]
                    before = np.ascontiguousarray(offsets[:colour, rest])
                    parts = (features[rest], base[colour, rest], before, colour, some)
                    coded[rest] = self._code_colour(prediction, *parts)
            values[:, colour] = coded
            offsets[colour] = self._places(coded, colour) - base[colour]

    def _places(self, values: np.ndarray, colour: int) -> np.ndarray:
        """Where samples are, in ``2**-MEAN_BITS`` levels: int32 ``(n,)``."""
        if self._grain.tones is None:
            return values << MEAN_BITS + self._grain.up >> self._grain.down
        return self._grain.tones.centres[colour].take(values)

    def _halvings(self, values: np.ndarray, colour: int) -> Halvings | None:
        """Of values of a colour, given those before."""
        if self._grain.gamut is None or colour < COLOURS - 1:
            return None
        return partial(self._grain.gamut.halvings, values[:, :colour].T.astype(np.int32))

    def _code_flat(self, coded: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        return _code_flat_places(self._coder, coded, known)

    def _code_colour(
        self,
        prediction: Prediction,
        features: Tensor,
        base: np.ndarray,
        before: np.ndarray,
        colour: int,
        known: np.ndarray | None,
        halvings: Halvings | None = None,
    ) -> np.ndarray:
        """Code ``n`` subpixels of a colour by their mixtures: int32 ``(n,)``."""
        with timed("network"):
            shapes, means = prediction.head(features, before, colour)
        with timed("tables"):
            mixtures = len(shapes) // 2
            couplings = np.clip(means[mixtures:], -_COUPLING_LIMIT, _COUPLING_LIMIT)
            # To the nearest step: rounded down, means that are half a step off cost up to 0.2 %.
            shift = (couplings * before).sum(0, dtype=np.int32) + _HALF_COUPLING >> COUPLING_BITS
            parts = (shapes[:mixtures], shapes[mixtures:], means[:mixtures] + (base + shift))
            mixture, centre = self._mixture(*parts, colour)
        return self._code(mixture, centre, known, colour, halvings)

    def _mixture(
        self, logits: np.ndarray, scales: np.ndarray, means: np.ndarray, colour: int
    ) -> tuple[Mixture | FineMixture, np.ndarray]:
        if self._grain.is_plain:
            edges = PLAIN_EDGES if self._grain.tones is None else self._grain.tones.edges[colour]
            return Mixture.build(self._tables, logits, scales, means, edges)
        return FineMixture.build(self._tables, logits, scales, means, self._grain)
