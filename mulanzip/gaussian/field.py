"""Gaussian random fields, for which the cost of every noise process is in closed form: ``x ~ N(0, covariance)``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mulanzip.gaussian.denoiser import Prediction
from mulanzip.gaussian.process import alpha


@dataclass(frozen=True)
class Field:
    """Attributes: covariance: float64 ``(n, n)``."""

    covariance: Tensor

    @classmethod
    def exponential(cls, side: int, variance: float, reach: float, white: float) -> Field:
        """A square of ``side`` pixels: ``variance * exp(-distance / reach)``, and ``white`` of each pixel's own."""
        axis = torch.arange(side, dtype=torch.float64)
        places = torch.cartesian_prod(axis, axis)
        covariance = variance * torch.exp(-torch.cdist(places, places) / reach)
        return cls(covariance + white * torch.eye(side * side, dtype=torch.float64))

    def posterior(self, precision: Tensor) -> Tensor:
        """Covariances ``(..., n, n)`` once each pixel was seen with so much precision, ``(..., n)``."""
        # (C^-1 + L)^-1 = (I + C L)^-1 C: precisions may be zero.
        seen = self._seen(precision)
        # Expanded, for n of them would be taken for a batch of vectors.
        found: Tensor = torch.linalg.solve(seen, self.covariance.expand_as(seen))
        return found

    def _seen(self, precision: Tensor) -> Tensor:
        """``I + C L``."""
        return torch.eye(len(self.covariance), dtype=torch.float64) + self.covariance * precision[..., None, :]

    def ideal_bits(self, precision: Tensor) -> Tensor:
        """What all pixels cost to this precision ``(n,)`` at least: ``1/2 log2 det(I + L C)``."""
        return 0.5 * torch.logdet(self._seen(precision)) / math.log(2)

    def bits(self, gains: Tensor, start: Tensor | float = 0.0) -> Tensor:
        """What finitely many steps cost with the best denoiser that predicts pixels independently.

        ``sum_k sum_i 1/2 log2(1 + D_ki Var(x_i | L before step k))``.

        Args:
            gains: precision that each pixel gains in each step, ``(steps, n)``.
            start: precision before the first step, ``(n,)``.
        """
        before = start + gains.cumsum(0) - gains
        variance = self.posterior(before).diagonal(dim1=-2, dim2=-1)
        return 0.5 * torch.log2(1 + gains * variance).sum()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """``(count, n)``."""
        white = torch.randn(count, len(self.covariance), dtype=torch.float64, generator=generator)
        return white @ torch.linalg.cholesky(self.covariance).T

    def denoise(self, z: Tensor, gamma: Tensor) -> Prediction:
        """The best prediction of the field given ``z``, of ``n`` elements per sample."""
        precision = torch.exp(-gamma.expand_as(z)).flatten(1)
        posterior = self.posterior(precision)
        seen = precision * (z / alpha(gamma)).flatten(1)
        mean = (posterior @ seen[..., None])[..., 0]
        return Prediction(mean.view_as(z), posterior.diagonal(dim1=-2, dim2=-1).view_as(z))
