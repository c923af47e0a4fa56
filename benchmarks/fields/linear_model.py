"""A reverse model whose means are linear in the latents: the best one of a Gaussian field.  Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.process import to_mean


@dataclass(frozen=True)
class LinearModel:
    """A :data:`mulanzip.gaussian.exact.process.ReverseModel`.

    Attributes:
        matrix: int64 ``(T, n, n)``, bins of ``z_s`` per bin of ``z_t``, with 32 fractional bits.
        scale: int64 ``(T, n)``, indices of scales.
    """

    matrix: np.ndarray
    scale: np.ndarray

    def __call__(self, step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return to_mean(z @ self.matrix[step]), self.scale[step]
