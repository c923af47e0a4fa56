"""Code length of each cell of an image, without coding it."""

from __future__ import annotations

import numpy as np

from mulanzip.codec.subpixels import WINDOW, MixtureCoder, SubpixelBatch, window
from mulanzip.density.config import COLOURS
from mulanzip.density.likelihood import Likelihood
from mulanzip.density.mixture import Mixture
from mulanzip.density.prediction import Prediction
from mulanzip.density.reweighted_window import ReweightedWindow
from mulanzip.entropy.ans import BitCounter


class CellBits(MixtureCoder):
    """Codes nothing, and measures the code length of each cell."""

    def __init__(self, likelihood: Likelihood, colours: int = COLOURS):
        self._counter = BitCounter()
        super().__init__(likelihood, self._counter, colours)
        #: Bits of the cells of each phase so far, all colours together: float64 ``(n,)`` each.
        self.phases: list[np.ndarray] = []
        self._colour_bits: list[np.ndarray] = []
        self._rest: np.ndarray | None = None

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """See :meth:`MixtureCoder.code_phase`; adds to :attr:`phases`."""
        values = super().code_phase(prediction, truth)
        chunks = [
            sum(self._colour_bits[i : i + self._colours]) for i in range(0, len(self._colour_bits), self._colours)
        ]
        self.phases.append(np.concatenate([np.zeros(0), *chunks]))
        self._colour_bits = []
        return values

    def _code_constant_surround(self, surround: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
        is_constant, before = surround >= 0, self._counter.bits
        self._rest = super()._code_constant_surround(surround, truth)
        # Distributed evenly, though the rare misses take most of the bits.
        self._colour_bits.append(is_constant * (self._counter.bits - before) / max(1, is_constant.sum()))
        return self._rest

    def _code(self, batch: SubpixelBatch, values: np.ndarray | None) -> np.ndarray:
        assert values is not None
        mixture = batch.mixture

        def mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
            above = np.where(high < self._sample_scale.count, mixture.cdf(high), mixture.total)
            return np.maximum(above - mixture.cdf(low) * (low > 0), 1)

        bits = np.log2(mixture.total / mass(values, values + 1))
        if batch.log2_penalties is not None:
            assert isinstance(mixture, Mixture)
            low = window(batch.mean_level, WINDOW, self._sample_scale)
            inside = np.flatnonzero((values >= low) & (values < low + WINDOW))
            reweighted = ReweightedWindow(mixture, low, WINDOW, batch.log2_penalties)
            clipped = np.clip(values, low, low + WINDOW - 1)
            masses = np.maximum(reweighted.cdf(clipped + 1) - reweighted.cdf(clipped), 1)
            bits_of_window = np.log2(mixture.total / mass(low, low + WINDOW))
            bits_in_window = np.log2(np.maximum(reweighted.total, 1) / masses)
            bits[inside] = (bits_of_window + bits_in_window)[inside]
        if self._rest is None:
            self._colour_bits.append(bits)
        else:
            self._colour_bits[-1][self._rest] += bits
        return values
