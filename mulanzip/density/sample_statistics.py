"""What a file says of the samples of some channels, beyond the samples themselves; the likelihood depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.density.config import MEAN_BITS
from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.density.value_edges import ValueEdges
from mulanzip.native import library


@dataclass(frozen=True)
class SampleStatistics:
    """Statistics of samples.

    Attributes:
        scale: numeric scale of the samples.
        value_edges: edges between the values of 8-bit samples; None where the values are evenly wide.
        gamut: colours of 8-bit samples; None where no colours are rare.
    """

    scale: SampleScale = EIGHT_BIT
    value_edges: ValueEdges | None = None
    gamut: JpegGamut | None = None

    def native_scale(self, colour: int) -> library.Scale:
        """What the native library wants to know of samples of a colour."""
        edges, gamut = self.value_edges, self.gamut
        return library.Scale(
            self.scale.count,
            self.scale.log2_steps,
            None if edges is None else edges.edges[colour],
            None if gamut is None else library.other_colours(),
            0 if gamut is None else gamut.log2_penalty,
        )

    def level_positions(self, values: np.ndarray, colour: int) -> np.ndarray:
        """Positions of samples of a colour in ``2**-MEAN_BITS`` gray levels: int32 ``(n,)``."""
        if self.value_edges is not None:
            return self.value_edges.level_centres[colour].take(values)
        return values << MEAN_BITS + self.scale.log2_levels_per_step >> self.scale.log2_steps_per_level


#: Statistics of ordinary images.
PLAIN_STATISTICS = SampleStatistics()
