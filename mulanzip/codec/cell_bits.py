"""What each cell of an image would take, without coding it."""

from __future__ import annotations

import numpy as np

from mulanzip.codec.subpixels import WINDOW, MixtureCoder, SubpixelBatch, window
from mulanzip.density.config import COLOURS
from mulanzip.density.mixture import Mixture, Tables
from mulanzip.density.prediction import Prediction
from mulanzip.density.reweighted_window import ReweightedWindow
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.entropy.ans import BitCounter


class CellBits(MixtureCoder):
    """Codes nothing, and says what each cell would take."""

    def __init__(self, tables: Tables, colours: int = COLOURS, sample_scale: SampleScale = EIGHT_BIT):
        self._counter = BitCounter()
        super().__init__(tables, self._counter, colours, sample_scale)
        #: Bits of the cells of each phase coded so far, all colours together: float64 ``(n,)`` each.
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

    def _code_constant_surround(self, coded: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        flat, before = coded >= 0, self._counter.bits
        self._rest = super()._code_constant_surround(coded, known)
        # Shared evenly, though the rare misses take most of it.
        self._colour_bits.append(flat * (self._counter.bits - before) / max(1, flat.sum()))
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
            sieve = ReweightedWindow(mixture, low, WINDOW, batch.log2_penalties)
            at = np.clip(values, low, low + WINDOW - 1)
            left = np.maximum(sieve.cdf(at + 1) - sieve.cdf(at), 1)
            known = np.log2(mixture.total / mass(low, low + WINDOW)) + np.log2(np.maximum(sieve.total, 1) / left)
            bits[inside] = known[inside]
        if self._rest is None:
            self._colour_bits.append(bits)
        else:
            self._colour_bits[-1][self._rest] += bits
        return values
