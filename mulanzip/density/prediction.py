"""The output of a denoiser for some cells, in integers: the interface between network and likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mulanzip.density.backends import Array


class ColourHead(Protocol):
    """Features -> parameters of one colour, given the colours before."""

    def __call__(self, features: Array, offsets: np.ndarray, colour: int) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of ``n`` cells.

        Args:
            features: ``(n, channels)``.
            offsets: int32 ``(colour, n)``, values of the colours before minus their base predictions, in
                ``2**-MEAN_BITS`` gray levels.

        Returns:
            uint8 ``(shape_outputs, n)``: mixture logits, then log scales; and int32 ``(mean_outputs, n)``: mixture
            means relative to the base prediction in ``2**-MEAN_BITS`` gray levels, then one coupling to each colour
            before.
        """
        ...


@dataclass(frozen=True)
class Prediction:
    """Output of the denoiser for ``n`` cells of one phase, in raster order, one image after the other.

    Attributes:
        features: ``(n, channels)``, an array of the backend, for ``head`` alone.
        base: int32 ``(colours, n)``, of the model's colours: base predictions in ``2**-MEAN_BITS`` gray levels.
        head: computes the parameters, colour by colour.
    """

    features: Array
    base: np.ndarray
    head: ColourHead

    def select(self, mask: np.ndarray) -> Prediction:
        """The cells where ``mask`` is true: bool, ``n`` entries in any shape."""
        return self if mask.all() else self.at(np.flatnonzero(mask))

    def at(self, cells: slice | np.ndarray) -> Prediction:
        """The cells in a slice, or with the given indices."""
        return Prediction(self.features[cells], self.base[:, cells], self.head)
