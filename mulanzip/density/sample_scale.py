"""How fine samples are: how many values there are, how many make up a level, and what else an image says of them.

The denoiser works in *levels*: the steps of 8-bit samples, which it was trained on.  An image of deeper samples
says how many of its own steps a level has, so that its noise looks like that of 8-bit images; everything around
the network keeps the samples' own precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.value_edges import ValueEdges

#: ``log2_steps`` is one of these.
LOG2_STEPS = range(-4, 9)


@dataclass(frozen=True)
class SampleScale:
    """Samples are ``0 .. count - 1``, and ``2**log2_steps`` of their steps are a level.

    Attributes:
        count: 1 to 65536.
        log2_steps: one of :data:`LOG2_STEPS`; negative where a step is several levels.
        value_edges, gamut: of plain samples, where their values are not evenly wide, or some colours are rare.
    """

    count: int
    log2_steps: int = 0
    value_edges: ValueEdges | None = None
    gamut: JpegGamut | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a step is a level, and there are 256: the case that must be fast."""
        return self.count == 256 and self.log2_steps == 0

    @property
    def bits(self) -> int:
        """Bits that tell all samples apart."""
        return (self.count - 1).bit_length()

    @property
    def log2_levels_per_step(self) -> int:
        """log2 of the levels in a step, where a step is several."""
        return max(0, -self.log2_steps)

    @property
    def log2_steps_per_level(self) -> int:
        """log2 of the steps in a level, where a level is several."""
        return max(0, self.log2_steps)

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Of arrays of samples."""
        return np.dtype(np.uint8) if self.count <= 256 else np.dtype(np.uint16)


#: That of ordinary images.
EIGHT_BIT = SampleScale(256)
