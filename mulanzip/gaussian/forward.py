"""The Gaussian forward process: ``q(z_t | x, c) = N(alpha u, sigma^2)`` per subpixel, as a function of ``gamma``.

``gamma`` is the log of the noise-to-signal ratio: ``alpha^2 = sigmoid(-gamma)``, ``sigma^2 = sigmoid(gamma)``.  It may
differ between subpixels (MULAN, Sahoo et al., NeurIPS 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

#: ``gamma`` at t = 0 and t = 1, the same for every subpixel and every schedule.
GAMMA_MIN, GAMMA_MAX = -13.3, 5.0
#: Number of values of a subpixel, and number of values per unit of ``u``.
VALUES, VALUES_PER_UNIT = 256, 128


def to_unit(values: Tensor) -> Tensor:
    """Values 0..255 -> ``u`` in -1..1, float32: the midpoints of 256 equal cells."""
    return (values.float() + 0.5) / VALUES_PER_UNIT - 1


def to_values(u: Tensor) -> Tensor:
    """The nearest values, uint8.  The inverse of :func:`to_unit`."""
    return torch.round((u + 1) * VALUES_PER_UNIT - 0.5).clamp(0, VALUES - 1).to(torch.uint8)


def alpha(gamma: Tensor) -> Tensor:
    """Gain of the signal at ``gamma``."""
    return torch.sigmoid(-gamma).sqrt()


def sigma(gamma: Tensor) -> Tensor:
    """Standard deviation of the noise at ``gamma``."""
    return torch.sigmoid(gamma).sqrt()


def diffused(u: Tensor, gamma: Tensor, noise: Tensor) -> Tensor:
    """``z = alpha u + sigma noise``."""
    return alpha(gamma) * u + sigma(gamma) * noise


def precision_gain(earlier: Tensor, later: Tensor) -> Tensor:
    """``SNR_s - SNR_t >= 0``: the precision that a step back from t (``later``, noisier) to s (``earlier``) gains."""
    return -torch.exp(-earlier) * torch.expm1(earlier - later)
