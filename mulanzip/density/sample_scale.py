"""The numeric scale of samples: number of distinct values, and how many of them span one gray level.

The denoiser works in *gray levels*: the steps of 8-bit samples, on which it was trained.  A file of deeper samples says
how many sample steps are one gray level, so that their noise looks like that of 8-bit images.  Everything around the
network keeps the precision of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: ``log2_steps`` is one of these.
LOG2_STEPS = range(-4, 9)


@dataclass(frozen=True)
class SampleScale:
    """Samples are ``0 .. count - 1``, and ``2**log2_steps`` of their steps are one gray level.

    Attributes:
        count: 1 to 65536.
        log2_steps: one of :data:`LOG2_STEPS`; negative where a step spans several gray levels.
    """

    count: int
    log2_steps: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether these are ordinary 8-bit samples: the case that must be fast."""
        return self.count == 256 and self.log2_steps == 0

    @property
    def bits(self) -> int:
        """Number of bits of the largest sample."""
        return (self.count - 1).bit_length()

    @property
    def log2_levels_per_step(self) -> int:
        """log2 of the gray levels in a step; 0 where a step is one gray level or less."""
        return max(0, -self.log2_steps)

    @property
    def log2_steps_per_level(self) -> int:
        """log2 of the steps in a gray level; 0 where a gray level is one step or less."""
        return max(0, self.log2_steps)

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Type of arrays of samples."""
        return np.dtype(np.uint8) if self.count <= 256 else np.dtype(np.uint16)


#: Scale of ordinary images.
EIGHT_BIT = SampleScale(256)
