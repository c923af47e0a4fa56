"""The distribution of a subpixel: from the outputs of the network, and what the file says of its samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.mixture import COUPLING_BITS, FineMixture, Mixture, Tables
from mulanzip.density.reweighted_window import Penalties
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics

_HALF_COUPLING = np.int32(1 << COUPLING_BITS - 1)
_COUPLING_LIMIT = np.int32(4 << COUPLING_BITS)


@dataclass(frozen=True)
class Likelihood:
    """Distributions of subpixels.

    Attributes:
        tables: of the model.
        statistics: of the samples.
    """

    tables: Tables
    statistics: SampleStatistics = PLAIN_STATISTICS

    @property
    def sample_scale(self) -> SampleScale:
        """Scale of the samples."""
        return self.statistics.scale

    def mixture(
        self, shapes: np.ndarray, means: np.ndarray, base: np.ndarray, offsets: np.ndarray
    ) -> tuple[Mixture | FineMixture, np.ndarray]:
        """Distributions of ``n`` subpixels of a colour, and their means: int32 ``(n,)``, rounded down to samples.

        Args:
            shapes, means: parameters, see :class:`mulanzip.density.prediction.ColourHead`.
            base: int32 ``(n,)``, base predictions.
            offsets: int32 ``(colour, n)``, values of the colours before minus their base predictions.
        """
        k, colour = len(shapes) // 2, len(offsets)
        couplings = np.clip(means[k:], -_COUPLING_LIMIT, _COUPLING_LIMIT)
        # Rounded to nearest: rounding down would move means by half a step, which costs up to 0.2 %.
        shift = (couplings * offsets).sum(0, dtype=np.int32) + _HALF_COUPLING >> COUPLING_BITS
        parameters = (shapes[:k], shapes[k:], means[:k] + (base + shift))
        if not self.sample_scale.is_plain:
            return FineMixture.build(self.tables, *parameters, self.sample_scale)
        edges = self.statistics.value_edges
        return Mixture.build(self.tables, *parameters, None if edges is None else edges.edges[colour])

    def level_positions(self, values: np.ndarray, colour: int) -> np.ndarray:
        """Positions of samples of a colour in ``2**-MEAN_BITS`` gray levels: int32 ``(n,)``."""
        scale, edges = self.sample_scale, self.statistics.value_edges
        if edges is None:
            return values << MEAN_BITS + scale.log2_levels_per_step >> scale.log2_steps_per_level
        return edges.level_centres[colour].take(values)

    def log2_penalties(self, before: np.ndarray) -> Penalties | None:
        """Penalties of the values of the next colour; None where there are none.

        Args:
            before: samples of the colours before, ``(n, colours)``.
        """
        gamut = self.statistics.gamut
        if gamut is None or before.shape[1] < COLOURS - 1:
            return None
        return partial(gamut.log2_penalties, before.T.astype(np.int32))
