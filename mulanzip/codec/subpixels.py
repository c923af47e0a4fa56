"""Subpixels as choices: in which part of the window around its mean a value is, or outside; then on in there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from mulanzip.codec.cdf_search import CdfSearch, ratio
from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.mixture import COUPLING_BITS, FineMixture, Mixture, Tables
from mulanzip.density.prediction import Prediction
from mulanzip.density.reweighted_window import Penalties, ReweightedWindow
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.entropy.ans import P_BITS, SymbolCoder
from mulanzip.timings import timed

#: Subpixels whose choices are taken together: few enough for a processor's cache, enough for threads not to wait for
#: the interpreter at every turn.  Part of the format: it decides the order of choices.
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
_COUPLING_LIMIT = np.int32(4 << COUPLING_BITS)


def code_uniform(coder: SymbolCoder, values: np.ndarray | None, count: int, sample_scale: SampleScale) -> np.ndarray:
    """Code ``count`` samples that are equally likely: ``(count,)``; high bytes first where they have two.

    Args:
        values: when encoding.
    """
    if sample_scale.count <= 256:
        return coder.uniform(values, count)
    high = coder.uniform(None if values is None else values >> 8, count).astype(np.uint16)
    return high << 8 | coder.uniform(None if values is None else values & 255, count).astype(np.uint16)


def window(mean_level: np.ndarray, size: int, sample_scale: SampleScale) -> np.ndarray:
    """Low ends of windows around means."""
    low: np.ndarray = np.clip(mean_level - size // 2, np.int32(0), np.int32((1 << sample_scale.bits) - size))
    return low


@dataclass(frozen=True)
class SubpixelBatch:
    """Subpixels of a colour that are to be coded, and all that is known of them.

    Attributes:
        mixture, mean_level: from :meth:`mulanzip.density.mixture.Mixture.build`.
        log2_penalties: of plain samples, where there are rare values; it counts in the window alone.
    """

    mixture: Mixture | FineMixture
    mean_level: np.ndarray
    colour: int
    log2_penalties: Penalties | None


def _code_values(
    batch: SubpixelBatch, coder: SymbolCoder, values: np.ndarray | None, sample_scale: SampleScale
) -> np.ndarray:
    """Code subpixels: in which part of the window around the mean, or outside?  Then on in there, or in the rest.

    Args:
        values: int32 ``(N,)`` when encoding, None when decoding.

    Returns:
        int32 ``(N,)``, the values.
    """
    mixture, log2_penalties = batch.mixture, batch.log2_penalties
    planes = min(max(_WINDOW_PLANES + sample_scale.log2_steps, _LEAST_WINDOW_PLANES), sample_scale.bits)
    size = 1 << planes
    with timed("tables"):
        low = window(batch.mean_level, size, sample_scale)
        high = low + np.int32(size)
        mass_low, mass_high = mixture.cdf(np.stack((low, high)))
        mass_low *= low > 0
        mass_high += (mixture.total - mass_high) * (high >= sample_scale.count)
        central = mass_high - mass_low
        share = ratio(central, mixture.total)
        if log2_penalties is None:
            search, cdf = CdfSearch(coder, low, mass_low, mass_high), mixture.cdf
        else:
            assert isinstance(mixture, Mixture)
            sieve = ReweightedWindow(mixture, low, size, log2_penalties)
            search, cdf = CdfSearch(coder, low, np.zeros_like(low), sieve.total), sieve.cdf
    found, outside = search.run(planes, cdf, None if values is None else values - low, share)
    if not len(outside):
        return found
    rest = mixture.select(outside)
    low, high, mass_low, central = low[outside], high[outside], mass_low[outside], central[outside]

    def cdf_outside(edge: np.ndarray) -> np.ndarray:
        """Mass below ``edge`` without that of the window."""
        mass = rest.cdf(edge)
        return np.where(edge <= low, mass, np.where(edge >= high, mass - central, mass_low))

    zeros = np.zeros(len(outside), dtype=np.int32)
    search = CdfSearch(coder, zeros, zeros.astype(central.dtype), rest.total - central)
    found[outside], _ = search.run(sample_scale.bits, cdf_outside, None if values is None else values[outside])
    return found


def _code_constant_surround(coder: SymbolCoder, coded: np.ndarray, known: np.ndarray | None) -> np.ndarray:
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
        rarity = int(coder.uniform(code, 1)[0])
        if not rarity:
            return np.arange(len(coded))
        probability = _miss_probability(rarity)
        missed = coder.bernoulli(np.full(len(flat), probability), misses)
    remaining = coded < 0
    remaining[flat] = missed
    return np.flatnonzero(remaining)


def _miss_probability(rarity: int) -> int:
    """What a byte of 1 to 127 stands for, out of ``2**P_BITS``: eight steps for each halving."""
    return (16 - rarity % 8 << P_BITS - 4) >> rarity // 8


def _rarity(misses: int, count: int) -> int:
    """The byte for so many misses: 0 where they are too frequent."""
    if _LEAST_RARITY * misses > count:
        return 0
    # With half a miss more, as there may be none.
    wanted = (2 * misses + 1 << P_BITS) // (2 * count)
    return next(r for r in range(_MAX_RARITY, -1, -1) if _miss_probability(r) >= wanted or not r)


class MixtureCoder:
    """Codes the subpixels of a phase: first colour, second given the first, third given both."""

    def __init__(
        self,
        tables: Tables,
        coder: SymbolCoder,
        colours: int = COLOURS,
        sample_scale: SampleScale = EIGHT_BIT,
    ):
        """``colours`` is 3, or 1 for gray: then only the first colour is coded, and there is no gamut."""
        self._tables = tables
        self._coder = coder
        self._colours = colours
        self._sample_scale = sample_scale

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Code the ``n`` cells of ``prediction``, :data:`CHUNK` at a time.

        Args:
            prediction: the denoiser's integers.
            truth: ``(n, colours)`` when encoding, None when decoding.

        Returns:
            the samples, ``(n, colours)``.
        """
        count = prediction.base.shape[1]
        values = np.empty((count, self._colours), dtype=self._sample_scale.dtype)
        for start in range(0, count, CHUNK):
            part = slice(start, min(count, start + CHUNK))
            self._code_chunk(prediction, part, None if truth is None else truth[part], values[part])
        return values

    def _code(self, batch: SubpixelBatch, values: np.ndarray | None) -> np.ndarray:
        return _code_values(batch, self._coder, values, self._sample_scale)

    def _code_chunk(self, prediction: Prediction, part: slice, truth: np.ndarray | None, values: np.ndarray) -> None:
        features, base = prediction.features[part], prediction.base[:, part]
        offsets = np.empty((self._colours, base.shape[1]), dtype=np.int32)
        for colour in range(self._colours):
            known = None if truth is None else truth[:, colour].astype(np.int32)
            if prediction.constant_surround is None:
                log2_penalties = self._log2_penalties(values, colour)
                coded = self._code_colour(
                    prediction, features, base[colour], offsets[:colour], colour, known, log2_penalties
                )
            else:
                coded = prediction.constant_surround[colour, part].copy()
                rest = self._code_constant_surround(coded, known)
                if len(rest):
                    some = None if known is None else known[rest]
                    before = np.ascontiguousarray(offsets[:colour, rest])
                    parts = (features[rest], base[colour, rest], before, colour, some)
                    coded[rest] = self._code_colour(prediction, *parts)
            values[:, colour] = coded
            offsets[colour] = self._level_positions(coded, colour) - base[colour]

    def _level_positions(self, values: np.ndarray, colour: int) -> np.ndarray:
        """Where samples are, in ``2**-MEAN_BITS`` levels: int32 ``(n,)``."""
        if self._sample_scale.value_edges is None:
            return (
                values << MEAN_BITS + self._sample_scale.log2_levels_per_step >> self._sample_scale.log2_steps_per_level
            )
        return self._sample_scale.value_edges.level_centres[colour].take(values)

    def _log2_penalties(self, values: np.ndarray, colour: int) -> Penalties | None:
        """Of values of a colour, given those before."""
        if self._sample_scale.gamut is None or colour < COLOURS - 1:
            return None
        return partial(self._sample_scale.gamut.log2_penalties, values[:, :colour].T.astype(np.int32))

    def _code_constant_surround(self, coded: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        return _code_constant_surround(self._coder, coded, known)

    def _code_colour(
        self,
        prediction: Prediction,
        features: Tensor,
        base: np.ndarray,
        before: np.ndarray,
        colour: int,
        known: np.ndarray | None,
        log2_penalties: Penalties | None = None,
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
            mixture, mean_level = self._mixture(*parts, colour)
        return self._code(SubpixelBatch(mixture, mean_level, colour, log2_penalties), known)

    def _mixture(
        self, logits: np.ndarray, scales: np.ndarray, means: np.ndarray, colour: int
    ) -> tuple[Mixture | FineMixture, np.ndarray]:
        if self._sample_scale.is_plain:
            edges = None if self._sample_scale.value_edges is None else self._sample_scale.value_edges.edges[colour]
            return Mixture.build(self._tables, logits, scales, means, edges)
        return FineMixture.build(self._tables, logits, scales, means, self._sample_scale)
