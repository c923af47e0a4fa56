"""Gaussian random fields, ``x ~ N(0, covariance)``: the cost of every noise process has a closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mulanzip.gaussian.denoiser import Moments
from mulanzip.gaussian.forward import alpha


@dataclass(frozen=True)
class GaussianField:
    """Attributes: covariance: float64 ``(n, n)``."""

    covariance: Tensor

    @classmethod
    def exponential(cls, side: int, variance: float, length: float, white: float) -> GaussianField:
        """A square of ``side`` pixels with covariance ``variance * exp(-distance / length)`` plus white noise."""
        axis = torch.arange(side, dtype=torch.float64)
        positions = torch.cartesian_prod(axis, axis)
        covariance = variance * torch.exp(-torch.cdist(positions, positions) / length)
        return cls(covariance + white * torch.eye(side * side, dtype=torch.float64))

    def posterior(self, precision: Tensor) -> Tensor:
        """Covariances ``(..., n, n)`` after an observation of each pixel with the given precision, ``(..., n)``."""
        # (C^-1 + L)^-1 = (I + C L)^-1 C: precisions may be zero.
        system = self._system(precision)
        # Expanded, because solve would read n matrices as a batch of vectors.
        found: Tensor = torch.linalg.solve(system, self.covariance.expand_as(system))
        return found

    def _system(self, precision: Tensor) -> Tensor:
        """``I + C L``."""
        return torch.eye(len(self.covariance), dtype=torch.float64) + self.covariance * precision[..., None, :]

    def ideal_bits(self, precision: Tensor) -> Tensor:
        """The lowest cost of all pixels to this precision, ``(n,)``: ``1/2 log2 det(I + L C)``."""
        return 0.5 * torch.logdet(self._system(precision)) / math.log(2)

    def bits(self, gains: Tensor, start: Tensor | float = 0.0) -> Tensor:
        """The cost of finitely many steps with the best denoiser that predicts pixels independently.

        ``sum_k sum_i 1/2 log2(1 + D_ki Var(x_i | L before step k))``.

        Args:
            gains: precision that each pixel gains in each step, ``(steps, n)``.
            start: precision before the first step, ``(n,)``.
        """
        before = start + gains.cumsum(0) - gains
        variance = self.posterior(before).diagonal(dim1=-2, dim2=-1)
        return 0.5 * torch.log2(1 + gains * variance).sum()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` fields: ``(count, n)``."""
        white = torch.randn(count, len(self.covariance), dtype=torch.float64, generator=generator)
        return white @ torch.linalg.cholesky(self.covariance).T

    def denoise(self, z: Tensor, gamma: Tensor) -> Moments:
        """The best prediction of the field given ``z``, with ``n`` elements per sample."""
        precision = torch.exp(-gamma.expand_as(z)).flatten(1)
        posterior = self.posterior(precision)
        observed = precision * (z / alpha(gamma)).flatten(1)
        mean = (posterior @ observed[..., None])[..., 0]
        return Moments(mean.view_as(z), posterior.diagonal(dim1=-2, dim2=-1).view_as(z))
