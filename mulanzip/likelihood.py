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

import numpy as np

from mulanzip.architecture import COLOURS, MEAN_BITS
from mulanzip.coder import PROBABILITY_BITS, BitCoder
from mulanzip.prediction import Prediction
from mulanzip.timings import timed

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
#: Added to the CDF per value; with the largest weight at ``_WEIGHT_ONE`` this is 2**-20 or less.
_FLOOR = _ONE * _WEIGHT_ONE >> 20
#: Subpixels whose decisions are taken together; their numbers fit in a processor's cache.
#: Part of the format: it decides the order of decisions.
CHUNK = 8192
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
        if [len(t) for t in (self.logistic, self.weight, self.inverse_scale)] != [
            2 * TABLE_HALF + 1,
            256,
            256,
        ]:
            raise ValueError("likelihood tables have the wrong sizes")
        if self.logistic[0] < 0 or self.logistic[-1] > _ONE or (np.diff(self.logistic) < 0).any():
            raise ValueError("the logistic table does not rise from 0 to 1")
        if self.weight[0] != _WEIGHT_ONE or (self.weight < 0).any() or self.weight.max() > _WEIGHT_ONE:
            raise ValueError("the weight table is out of range")
        if self.inverse_scale.min() < 1 or self.inverse_scale.max() > 1 << 17:
            raise ValueError("the inverse scales are out of range")


class Mixture:
    """Mixtures of logistics of ``N`` subpixels of one colour, ready to be asked for their CDFs."""

    def __init__(self, tables: Tables, logits: np.ndarray, scales: np.ndarray, means: np.ndarray):
        """Args: uint8 ``(K, N)`` logits and log scales, int ``(K, N)`` means in ``2**-MEAN_BITS``."""
        unit = 1 << MEAN_BITS
        # The largest component weighs _WEIGHT_ONE, so the total is bounded from both sides.
        self._weights = tables.weight[logits.max(0) - logits]
        inverse = tables.inverse_scale[scales]
        means = np.clip(means, -_MEAN_MARGIN * unit, (255 + _MEAN_MARGIN) * unit)
        self._slope = inverse * np.int32(unit)
        self._offset = (TABLE_HALF << _INVERSE_BITS) - (means.astype(np.int32) + unit // 2) * inverse
        self._logistic = tables.logistic
        self.total: np.ndarray = self._weights.sum(0, dtype=np.int32) * np.int32(_ONE) + 256 * _FLOOR

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass below values ``edge`` (int32 ``(N,)``, 1..255), out of :attr:`total`: int32 ``(N,)``."""
        index = self._offset + self._slope * edge >> _INVERSE_BITS
        mass = self._logistic.take(index, mode="clip")
        mass *= self._weights
        below: np.ndarray = mass.sum(0, dtype=np.int32)
        below += edge * np.int32(_FLOOR)
        return below


def _code_values(mixture: Mixture, coder: BitCoder, values: np.ndarray | None, count: int) -> np.ndarray:
    """Code subpixels by eight decisions each, most significant bit first: int32 ``(count,)``."""
    low = np.zeros(count, dtype=np.int32)
    mass_low = np.zeros(count, dtype=np.int32)
    mass_high = mixture.total
    for plane in range(7, -1, -1):
        with timed("tables"):
            middle = low + np.int32(1 << plane)
            mass_middle = mixture.cdf(middle)
            upper = (mass_high - mass_middle).astype(np.int64) << PROBABILITY_BITS
            probability = upper // (mass_high - mass_low)
        with timed("coder"):
            bits = coder.code(probability, None if values is None else values >> plane & 1)
        with timed("tables"):
            ones = bits.astype(bool)
            low = np.where(ones, middle, low)
            mass_low = np.where(ones, mass_middle, mass_low)
            mass_high = np.where(ones, mass_high, mass_middle)
    return low


class MixtureCoder:
    """Codes the subpixels of a phase: first colour, second given the first, third given both."""

    def __init__(self, tables: Tables, coder: BitCoder, colours: int = COLOURS):
        """``colours`` is 3, or 1 for gray: then only the first colour is coded."""
        self._tables = tables
        self._coder = coder
        self._colours = colours

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Code the ``n`` cells of ``prediction``, :data:`CHUNK` at a time.

        Args:
            prediction: the denoiser's integers.
            truth: uint8 ``(n, colours)`` when encoding, None when decoding.

        Returns:
            uint8 ``(n, colours)``.
        """
        count = prediction.base.shape[1]
        values = np.empty((count, self._colours), dtype=np.uint8)
        for start in range(0, count, CHUNK):
            part = slice(start, min(count, start + CHUNK))
            self._code_chunk(prediction, part, None if truth is None else truth[part], values[part])
        return values

    def _code_chunk(self, prediction: Prediction, part: slice, truth: np.ndarray | None, values: np.ndarray) -> None:
        shapes, means, base = prediction.shapes[:, part], prediction.means[:, part], prediction.base[:, part]
        mixtures = len(shapes) // (2 * COLOURS)
        scales, couplings = shapes[COLOURS * mixtures :], means[COLOURS * mixtures :]
        a, b, c = np.clip(couplings, -_COUPLING_LIMIT, _COUPLING_LIMIT)
        shift: np.ndarray | int = 0
        offsets: list[np.ndarray] = []
        for colour in range(self._colours):
            rows = slice(colour * mixtures, (colour + 1) * mixtures)
            if colour == 1:
                shift = a * offsets[0] >> COUPLING_BITS
            elif colour == 2:
                shift = b * offsets[0] + c * offsets[1] >> COUPLING_BITS
            with timed("tables"):
                mixture = Mixture(self._tables, shapes[rows], scales[rows], means[rows] + (base[colour] + shift))
            known = None if truth is None else truth[:, colour]
            coded = _code_values(mixture, self._coder, known, base.shape[1])
            values[:, colour] = coded
            offsets.append((coded << MEAN_BITS) - base[colour])
