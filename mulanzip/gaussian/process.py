"""The Gaussian forward process: ``q(z_t | x, c) = N(alpha u, sigma^2)`` per subpixel, told by ``gamma`` alone.

``gamma`` is the logarithm of noise to signal: ``alpha^2 = sigmoid(-gamma)``, ``sigma^2 = sigmoid(gamma)``.  It may
differ from subpixel to subpixel (MULAN, Sahoo et al., NeurIPS 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

#: ``gamma`` at t = 0 and t = 1, the same for every subpixel and every schedule.
GAMMA_MIN, GAMMA_MAX = -13.3, 5.0
#: Values of a subpixel, and how many of them lie in a unit of ``u``.
LEVELS, PER_UNIT = 256, 128


def to_unit(values: Tensor) -> Tensor:
    """Values 0..255 -> ``u`` in -1..1, float32: the middles of 256 equal cells."""
    return (values.float() + 0.5) / PER_UNIT - 1


def to_values(u: Tensor) -> Tensor:
    """The nearest values, uint8: the inverse of :func:`to_unit`."""
    return torch.round((u + 1) * PER_UNIT - 0.5).clamp(0, LEVELS - 1).to(torch.uint8)


def alpha(gamma: Tensor) -> Tensor:
    return torch.sigmoid(-gamma).sqrt()


def sigma(gamma: Tensor) -> Tensor:
    return torch.sigmoid(gamma).sqrt()


def diffused(u: Tensor, gamma: Tensor, noise: Tensor) -> Tensor:
    """``z = alpha u + sigma noise``."""
    return alpha(gamma) * u + sigma(gamma) * noise


def gained(earlier: Tensor, later: Tensor) -> Tensor:
    """Precision that the step from ``later``, noisier, back to ``earlier`` gains: ``SNR_s - SNR_t >= 0``."""
    return -torch.exp(-earlier) * torch.expm1(earlier - later)
