"""Subpixels as symbols.

The first symbol of a subpixel says in which quarter of a window around the mean of its distribution the value is, or
that it is outside of the window.  The following symbols narrow the value down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.codec.cdf_search import CdfSearch, ratio
from mulanzip.density.config import COLOURS
from mulanzip.density.likelihood import Likelihood
from mulanzip.density.mixture import FineMixture, Mixture
from mulanzip.density.prediction import Prediction
from mulanzip.density.reweighted_window import Penalties, ReweightedWindow
from mulanzip.density.sample_scale import SampleScale
from mulanzip.entropy.ans import P_BITS, SymbolCoder
from mulanzip.timings import timed

#: Subpixels that are coded together: few enough for the cache of a processor, enough to keep threads from waiting for
#: the interpreter.  Part of the format, because it decides the order of symbols.
CHUNK = 32768
#: Gray levels in the window around the mean.  Part of the format.
_LOG2_WINDOW = 4
WINDOW = 1 << _LOG2_WINDOW
#: Minimum log2 of the samples in the window, where a step spans several gray levels.
_MIN_LOG2_WINDOW = 2
#: Constant surroundings get their own code only if at most 1 in 16 pixels differs from them.
_PIXELS_PER_MISS = 16
#: Codes of miss probabilities are 1 to this; 0 stands for no code of its own.
_MAX_MISS_CODE = 127


def code_uniform(coder: SymbolCoder, values: np.ndarray | None, count: int, sample_scale: SampleScale) -> np.ndarray:
    """Code ``count`` samples that are equally likely: ``(count,)``.  All high bytes come before the low bytes.

    Args:
        values: ``(count,)`` when encoding, None when decoding.
    """
    if sample_scale.count <= 256:
        return coder.uniform(values, count)
    high = coder.uniform(None if values is None else values >> 8, count).astype(np.uint16)
    return high << 8 | coder.uniform(None if values is None else values & 255, count).astype(np.uint16)


def window(mean_level: np.ndarray, size: int, sample_scale: SampleScale) -> np.ndarray:
    """The least values of windows of ``size`` samples around means: int32 ``(n,)``."""
    low: np.ndarray = np.clip(mean_level - size // 2, np.int32(0), np.int32((1 << sample_scale.bits) - size))
    return low


@dataclass(frozen=True)
class SubpixelBatch:
    """Subpixels of a colour to code, and their distributions.

    Attributes:
        mixture, mean_level: see :meth:`mulanzip.density.likelihood.Likelihood.mixture`.
        log2_penalties: penalties of values, which apply in the window alone; None where there are none.
    """

    mixture: Mixture | FineMixture
    mean_level: np.ndarray
    colour: int
    log2_penalties: Penalties | None


def _code_values(
    batch: SubpixelBatch, coder: SymbolCoder, values: np.ndarray | None, sample_scale: SampleScale
) -> np.ndarray:
    """Code ``N`` subpixels: a search in the window around the mean, and one in the rest for values outside.

    Args:
        values: int32 ``(N,)`` when encoding, None when decoding.

    Returns:
        int32 ``(N,)``, the values.
    """
    mixture, log2_penalties = batch.mixture, batch.log2_penalties
    log2_size = min(max(_LOG2_WINDOW + sample_scale.log2_steps, _MIN_LOG2_WINDOW), sample_scale.bits)
    size = 1 << log2_size
    with timed("tables"):
        low = window(batch.mean_level, size, sample_scale)
        high = low + np.int32(size)
        mass_low, mass_high = mixture.cdf(np.stack((low, high)))
        mass_low *= low > 0
        mass_high += (mixture.total - mass_high) * (high >= sample_scale.count)
        mass_inside = mass_high - mass_low
        p_inside = ratio(mass_inside, mixture.total)
        if log2_penalties is None:
            search, cdf = CdfSearch(coder, low, mass_low, mass_high), mixture.cdf
        else:
            assert isinstance(mixture, Mixture)
            reweighted = ReweightedWindow(mixture, low, size, log2_penalties)
            search, cdf = CdfSearch(coder, low, np.zeros_like(low), reweighted.total), reweighted.cdf
    found, outside = search.run(log2_size, cdf, None if values is None else values - low, p_inside)
    if not len(outside):
        return found
    rest = mixture.select(outside)
    low, high, mass_low, mass_inside = low[outside], high[outside], mass_low[outside], mass_inside[outside]

    def cdf_outside(edge: np.ndarray) -> np.ndarray:
        """Mass below ``edge``, without the mass of the window."""
        mass = rest.cdf(edge)
        return np.where(edge <= low, mass, np.where(edge >= high, mass - mass_inside, mass_low))

    zeros = np.zeros(len(outside), dtype=np.int32)
    search = CdfSearch(coder, zeros, zeros.astype(mass_inside.dtype), rest.total - mass_inside)
    found[outside], _ = search.run(sample_scale.bits, cdf_outside, None if values is None else values[outside])
    return found


def _code_constant_surround(coder: SymbolCoder, surround: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """Code which subpixels with constant surroundings differ from them.

    A byte holds the probability of such a miss.  This saves bits where misses are rare, as in the background of medical
    images: the network never predicts a value with that certainty.

    Args:
        surround: int32 ``(n,)``, the value of all pixels around, -1 where they differ.
        truth: int32 ``(n,)``, the values, when encoding; None when decoding.

    Returns:
        indices of the subpixels that do not have the value of their surroundings.
    """
    with timed("tables"):
        constant = np.flatnonzero(surround >= 0)
        if not len(constant):
            return np.arange(len(surround))
        misses = None if truth is None else (truth[constant] != surround[constant]).astype(np.int64)
        own_code = None if misses is None else np.array([_miss_code(int(misses.sum()), len(constant))])
    with timed("coder"):
        code = int(coder.uniform(own_code, 1)[0])
        if not code:
            return np.arange(len(surround))
        missed = coder.bernoulli(np.full(len(constant), _miss_probability(code)), misses)
    remaining = surround < 0
    remaining[constant] = missed
    return np.flatnonzero(remaining)


def _miss_probability(code: int) -> int:
    """The probability for a code of 1 to 127, in units of ``2**-P_BITS``: eight codes halve it."""
    return (16 - code % 8 << P_BITS - 4) >> code // 8


def _miss_code(misses: int, count: int) -> int:
    """The code for a number of misses; 0 where they are too frequent."""
    if _PIXELS_PER_MISS * misses > count:
        return 0
    # Half a miss is added, because the count may be 0.
    least = (2 * misses + 1 << P_BITS) // (2 * count)
    return next(code for code in range(_MAX_MISS_CODE, -1, -1) if _miss_probability(code) >= least or not code)


class MixtureCoder:
    """Codes the subpixels of a phase: the first colour, the second given the first, the third given both."""

    def __init__(self, likelihood: Likelihood, coder: SymbolCoder, colours: int = COLOURS):
        """``colours`` is 3, or 1 for gray images, whose only colour is the first."""
        self._likelihood = likelihood
        self._coder = coder
        self._colours = colours

    @property
    def _sample_scale(self) -> SampleScale:
        return self._likelihood.sample_scale

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Code the ``n`` cells of ``prediction``, :data:`CHUNK` at a time.

        Args:
            prediction: output of the denoiser.
            truth: ``(n, colours)`` when encoding, None when decoding.

        Returns:
            the samples, ``(n, colours)``.
        """
        count = prediction.base.shape[1]
        values = np.empty((count, self._colours), dtype=self._sample_scale.dtype)
        for start in range(0, count, CHUNK):
            part = slice(start, min(count, start + CHUNK))
            self._code_chunk(prediction.at(part), None if truth is None else truth[part], values[part])
        return values

    def _code_chunk(self, prediction: Prediction, truth: np.ndarray | None, values: np.ndarray) -> None:
        """Fill in ``values``, ``(n, colours)``, colour by colour."""
        offsets = np.empty((self._colours, len(values)), dtype=np.int32)
        for colour in range(self._colours):
            own_truth = None if truth is None else truth[:, colour].astype(np.int32)
            before = values[:, :colour]
            if prediction.constant_surround is None:
                coded = self._code_colour(prediction, before, offsets[:colour], own_truth)
            else:
                coded = prediction.constant_surround[colour].copy()
                rest = self._code_constant_surround(coded, own_truth)
                if len(rest):
                    own_truth = None if own_truth is None else own_truth[rest]
                    own_offsets = np.ascontiguousarray(offsets[:colour, rest])
                    coded[rest] = self._code_colour(prediction.at(rest), before[rest], own_offsets, own_truth)
            values[:, colour] = coded
            offsets[colour] = self._likelihood.level_positions(coded, colour) - prediction.base[colour]

    def _code_constant_surround(self, surround: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
        return _code_constant_surround(self._coder, surround, truth)

    def _code_colour(
        self, prediction: Prediction, before: np.ndarray, offsets: np.ndarray, truth: np.ndarray | None
    ) -> np.ndarray:
        """Code ``n`` subpixels of a colour by their mixtures: int32 ``(n,)``.

        Args:
            before: samples of the colours before, ``(n, colour)``.
            offsets: int32 ``(colour, n)``, their positions minus their base predictions.
        """
        colour = len(offsets)
        with timed("network"):
            shapes, means = prediction.head(prediction.features, offsets, colour)
        with timed("tables"):
            mixture, mean_level = self._likelihood.mixture(shapes, means, prediction.base[colour], offsets)
            penalties = self._likelihood.log2_penalties(before)
        return self._code(SubpixelBatch(mixture, mean_level, colour, penalties), truth)

    def _code(self, batch: SubpixelBatch, values: np.ndarray | None) -> np.ndarray:
        return _code_values(batch, self._coder, values, self._sample_scale)
