"""What a denoiser says of some cells, in integers: where network and likelihood meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """What the denoiser says of the cells of one phase, ``n = h * w`` of them in raster order.

    Attributes:
        shapes: uint8 ``(shape_outputs, n)``: mixture logits, then log scales.
        means: int32 ``(mean_outputs, n)``: mixture means in ``2**-MEAN_BITS`` levels without the
            base, then couplings.
        base: int32 ``(3, n)``: base predictions in ``2**-MEAN_BITS`` levels.
    """

    shapes: np.ndarray
    means: np.ndarray
    base: np.ndarray

    def select(self, mask: np.ndarray) -> Prediction:
        """Only the cells where ``mask`` (bool ``(h, w)``) holds."""
        if mask.all():
            return self
        flat = mask.reshape(-1)
        return Prediction(self.shapes[:, flat], self.means[:, flat], self.base[:, flat])
