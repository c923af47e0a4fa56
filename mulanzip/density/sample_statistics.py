"""What a file says of the samples of some channels, beyond the samples themselves; the likelihood depends on it."""

from __future__ import annotations

from dataclasses import dataclass

from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.density.value_edges import ValueEdges


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


#: Statistics of ordinary images.
PLAIN_STATISTICS = SampleStatistics()
