"""What a denoiser says of some cells, in integers: where network and likelihood meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor


class ColourHead(Protocol):
    """Features -> parameters of one colour, given how far the colours before are from their bases."""

    def __call__(self, features: Tensor, offsets: np.ndarray, colour: int) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of ``n`` cells.

        Args:
            features: ``(n, channels)``.
            offsets: int32 ``(colour, n)``, value minus base in ``2**-MEAN_BITS`` levels.

        Returns:
            uint8 ``(shape_outputs, n)``: mixture logits, then log scales; and int32
            ``(mean_outputs, n)``: mixture means in ``2**-MEAN_BITS`` levels without the base, then a
            coupling to each colour before.
        """
        ...


@dataclass(frozen=True)
class Prediction:
    """What the denoiser says of ``n`` cells of one phase, in raster order, one image after the other.

    Attributes:
        features: ``(n, channels)``, for ``head`` alone.
        base: int32 ``(3, n)``: base predictions in ``2**-MEAN_BITS`` levels.
        head: gives the parameters, colour by colour.
        constant_surround: int32 ``(3, n)``: the value of all surroundings, -1 where they differ; None for plain 8-bit
            samples.
    """

    features: Tensor
    base: np.ndarray
    head: ColourHead
    constant_surround: np.ndarray | None = None

    def select(self, mask: np.ndarray) -> Prediction:
        """Only the cells where ``mask`` (bool, of as many entries as there are cells) holds."""
        if mask.all():
            return self
        indices = np.flatnonzero(mask)
        constant_surround = None if self.constant_surround is None else self.constant_surround[:, indices]
        return Prediction(self.features[indices], self.base[:, indices], self.head, constant_surround)
