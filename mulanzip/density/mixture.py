"""Mixtures of logistics as integer CDFs, from the integer outputs of the denoiser.

The float training loss (:mod:`mulanzip.floatnet.loss`) uses the same parametrisation.  For outputs ``o`` of the float
network:

* mixture weights are ``softmax(o)``, stored as ``128 + 16 o`` in a uint8;
* scales are ``4 exp(o)`` gray levels, ``|o| <= 4``, stored as ``128 + 32 o`` in a uint8;
* means are ``base + 16 o`` gray levels, stored with ``MEAN_BITS`` fractional bits;
* couplings are ``o / 2``, stored in 1/256.

The CDF of a mixture at the edge below value ``x`` is ``sum_k w_k S[(x - 1/2 - mu_k) / s_k] + x f``.  ``S`` is a table
of the logistic function, and ``f`` a floor under the probability of each value.  The tails are folded into the least
and the largest value.  The arithmetic is on integers, and the CDF is monotone by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.density.config import MEAN_BITS
from mulanzip.density.sample_scale import SampleScale

MEAN_GAIN = 16
COUPLING_GAIN = 0.5
LOG_SCALE_LIMIT = 4
SCALE_AT_ZERO = 4
#: Lower bound of the probability of each 8-bit value, approximately.
PROBABILITY_FLOOR = 2.0**-20

#: Integer units per unit of the outputs of the float network: logits, log scales, means, couplings.
LOGIT_UNIT = 16
LOG_SCALE_UNIT = 32
MEAN_UNIT = MEAN_GAIN << MEAN_BITS
COUPLING_BITS = 8
COUPLING_UNIT = int(COUPLING_GAIN * (1 << COUPLING_BITS))
#: Offset of the uint8 outputs (logits and log scales).
SHAPE_ZERO = 128

#: Total of one component's CDF.
_ONE = 1 << 16
#: Entries of the logistic table per unit of (x - mu) / s, and half of its entries.
_TABLE_STEPS = 1024
TABLE_HALF = 12 * _TABLE_STEPS
#: Fractional bits of the inverse scales.
_INVERSE_BITS = 8
_WEIGHT_ONE = 1 << 12
#: For deep samples the logistic table is interpolated, with this number of fractional bits, between every 64th entry:
#: between neighbours, the rounding of the table would show.
_FINE_BITS = 12
_STRIDE_BITS = 6
#: Added to the CDF per value: at most 2**-20 of the total, since the largest weight is ``_WEIGHT_ONE``.
_FLOOR = _ONE * _WEIGHT_ONE >> 20
#: Mixture means are clamped to this number of gray levels beyond the range of samples.
_MEAN_MARGIN = 64
#: Limits for 8-bit samples, in a type that NumPy does not convert at every call.
_MEAN_LIMITS = np.int32(-_MEAN_MARGIN << MEAN_BITS), np.int32(255 + _MEAN_MARGIN << MEAN_BITS)
_TABLE_LIMITS = np.int32(0), np.int32(2 * TABLE_HALF)


@dataclass(frozen=True)
class Tables:
    """Look-up tables of the likelihood.  Part of the model file, and of its hash.

    Attributes:
        logistic: int32 ``(2 * TABLE_HALF + 1,)``, ``2**16 / (1 + exp(-t / 1024))``, rising.
        weight: int32 ``(256,)``, ``2**12 exp(-d / LOGIT_UNIT)`` for ``d`` below the largest logit.
        inverse_scale: int32 ``(256,)``, entries of ``logistic`` per ``2**-MEAN_BITS`` gray levels, times ``2**8``.
    """

    logistic: np.ndarray
    weight: np.ndarray
    inverse_scale: np.ndarray

    @classmethod
    def build(cls) -> Tables:
        """Compute the tables, in floating point: when a model is exported, never when it codes."""
        steps = np.arange(-TABLE_HALF, TABLE_HALF + 1) / _TABLE_STEPS
        scale = SCALE_AT_ZERO * np.exp((np.arange(256) - SHAPE_ZERO) / LOG_SCALE_UNIT)
        inverse = _TABLE_STEPS / (scale * (1 << MEAN_BITS)) * (1 << _INVERSE_BITS)
        return cls(
            np.rint(_ONE / (1 + np.exp(-steps))).astype(np.int32),
            np.rint(_WEIGHT_ONE * np.exp(-np.arange(256) / LOGIT_UNIT)).astype(np.int32),
            np.rint(inverse).astype(np.int32),
        )

    def validate(self) -> None:
        """Check the shapes, signs, monotony and ranges that coding relies on.

        Raises:
            ValueError: naming the problem.
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
    """Mixtures of logistics for ``N`` 8-bit subpixels of one colour, and their CDFs.

    Attributes:
        total: int32 ``(N,)``, the mass of all values.
    """

    def __init__(
        self, weights: np.ndarray, slope: np.ndarray, offset: np.ndarray, logistic: np.ndarray, edges: np.ndarray | None
    ):
        self._weights = weights
        self._slope = slope
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
        edges: np.ndarray | None = None,
    ) -> tuple[Mixture, np.ndarray]:
        """Mixtures, and their means rounded down to gray levels (int32 ``(N,)``, may be outside 0..255).

        Args:
            logits, scales: uint8 ``(K, N)``.
            means: int32 ``(K, N)``, in ``2**-MEAN_BITS`` gray levels.
            edges: int32 ``(257,)``, see :class:`mulanzip.density.value_edges.ValueEdges`; None for even ones.
        """
        unit = 1 << MEAN_BITS
        # The largest weight is _WEIGHT_ONE: the total has a lower and an upper bound.
        weights = tables.weight.take(logits.max(0) - logits, mode="clip")
        inverse = tables.inverse_scale.take(scales, mode="clip")
        means = np.clip(means, *_MEAN_LIMITS)
        mean_level = (weights * means).sum(0, dtype=np.int32) // weights.sum(0, dtype=np.int32) >> MEAN_BITS
        offset = np.int32(TABLE_HALF << _INVERSE_BITS) - (means + np.int32(unit // 2)) * inverse
        slope = inverse * np.int32(unit) if edges is None else inverse
        return cls(weights, slope, offset, tables.logistic, edges), mean_level

    def select(self, indices: np.ndarray) -> Mixture:
        """The mixtures of some subpixels."""
        parts = (self._weights[:, indices], self._slope[:, indices], self._offset[:, indices])
        return Mixture(*parts, self._logistic, self._edges)

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass below values ``edge`` (int32 ``(..., N)``, 1..255), of :attr:`total`: int32 ``(..., N)``."""
        inner = (slice(None), *(None,) * (edge.ndim - 1))
        index = self._slope[inner] * (edge if self._edges is None else self._edges.take(edge))
        index += self._offset[inner]
        index >>= _INVERSE_BITS
        # Clipped here, because clipping inside of the look-up would branch at every element.
        np.clip(index, *_TABLE_LIMITS, out=index)
        mass = self._logistic.take(index, mode="clip")
        mass *= self._weights[inner]
        below: np.ndarray = mass.sum(0, dtype=np.int32)
        below += edge * np.int32(_FLOOR)
        return below


class FineMixture:
    """The same for samples of any scale: in 64 bits, with an interpolated logistic table.

    Attributes:
        total: int64 ``(N,)``, the mass of all values.
    """

    def __init__(
        self,
        weights: np.ndarray,
        slope: np.ndarray,
        offset: np.ndarray,
        logistic: np.ndarray,
        sample_scale: SampleScale,
    ):
        self._weights = weights
        self._slope = slope
        self._offset = offset
        self._logistic = logistic
        self._sample_scale = sample_scale
        self._index_bits = _INVERSE_BITS + sample_scale.log2_steps_per_level + _STRIDE_BITS
        # The sum of all floors is the same as for 8-bit samples.
        self._floor = (256 * _FLOOR << _FINE_BITS) // sample_scale.count
        self.total: np.ndarray = (weights.sum(0) * _ONE << _FINE_BITS) + sample_scale.count * self._floor

    @classmethod
    def build(
        cls, tables: Tables, logits: np.ndarray, scales: np.ndarray, means: np.ndarray, sample_scale: SampleScale
    ) -> tuple[FineMixture, np.ndarray]:
        """Mixtures, and their means rounded down to samples (int32 ``(N,)``, may be out of range).

        Args: as for :meth:`Mixture.build`.
        """
        unit = 1 << MEAN_BITS
        weights = tables.weight.take(logits.max(0) - logits, mode="clip").astype(np.int64)
        inverse = tables.inverse_scale.take(scales, mode="clip").astype(np.int64)
        top = (sample_scale.count - 1) * unit << sample_scale.log2_levels_per_step >> sample_scale.log2_steps_per_level
        means = (
            np.clip(means.astype(np.int64), -_MEAN_MARGIN * unit, top + _MEAN_MARGIN * unit)
            << sample_scale.log2_steps_per_level
        )
        mean_level = (weights * means).sum(0) // weights.sum(0) >> MEAN_BITS + sample_scale.log2_levels_per_step
        bits = _INVERSE_BITS + sample_scale.log2_steps_per_level
        offset = (TABLE_HALF << bits) - (means + (unit // 2 << sample_scale.log2_levels_per_step)) * inverse
        logistic = tables.logistic[:: 1 << _STRIDE_BITS].astype(np.int64)
        return cls(
            weights, inverse * unit << sample_scale.log2_levels_per_step, offset, logistic, sample_scale
        ), mean_level.astype(np.int32)

    def select(self, indices: np.ndarray) -> FineMixture:
        """The mixtures of some subpixels."""
        parts = (self._weights[:, indices], self._slope[:, indices], self._offset[:, indices])
        return FineMixture(*parts, self._logistic, self._sample_scale)

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass below values ``edge`` (int32 ``(..., N)``, 0 and more), of :attr:`total`: int64 ``(..., N)``."""
        inner = (slice(None), *(None,) * (edge.ndim - 1))
        index = self._slope[inner] * edge + self._offset[inner]
        np.clip(index, 0, (2 * TABLE_HALF >> _STRIDE_BITS << self._index_bits) - 1, out=index)
        entry = index >> self._index_bits
        fraction = (index >> self._index_bits - _FINE_BITS) & (1 << _FINE_BITS) - 1
        low = self._logistic.take(entry)
        mass = (low << _FINE_BITS) + (self._logistic.take(entry + 1) - low) * fraction
        below: np.ndarray = (mass * self._weights[inner]).sum(0) + edge * np.int64(self._floor)
        return np.where(edge < self._sample_scale.count, below * (edge > 0), self.total)
