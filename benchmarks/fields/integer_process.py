"""Convert a process on a Gaussian field, and the field's best model, from floating point to integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.fields.gaussian_field import GaussianField
from benchmarks.fields.linear_model import LinearModel
from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.discretized import MIN_SCALE, SCALES, SCALES_PER_E
from mulanzip.gaussian.exact.export import logistic, normal
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, Process
from mulanzip.gaussian.forward import VALUES_PER_UNIT, alpha, sigma
from mulanzip.gaussian.variational import reverse_step


@dataclass(frozen=True)
class LatentBins:
    """Noise levels and bin widths in floating point.

    Attributes:
        gamma: float64 ``(T + 1, n)``, log of the noise-to-signal ratio, rising.
        width: float64 ``(T + 1, n)``, width of the bins.
    """

    gamma: Tensor
    width: Tensor

    @classmethod
    def from_gamma(cls, gamma: Tensor, per_sigma: float) -> LatentBins:
        """Bins of which the standard deviations of ``q(z_t | z_s)`` and ``q(z_s | z_t, x)`` span ``per_sigma``."""
        gamma = gamma.double()
        new = torch.sqrt(-torch.expm1(gamma[:-1] - gamma[1:]))
        one = torch.ones_like(gamma[:1])
        narrowest = torch.minimum(torch.cat((one, new)), torch.cat((new, one)))
        return cls(gamma, sigma(gamma) * narrowest / per_sigma)

    @property
    def spread(self) -> Tensor:
        """Standard deviations of ``q(z_0 | x)`` and of every ``q(z_t | z_s)``."""
        new = torch.sqrt(-torch.expm1(self.gamma[:-1] - self.gamma[1:]))
        return sigma(self.gamma) * torch.cat((torch.ones_like(new[:1]), new))


def scale_index(scale: Tensor) -> np.ndarray:
    """The nearest index of a scale in bins: int64.

    Raises:
        ModelError: if the scale is out of range.
    """
    found = torch.round(SCALES_PER_E * torch.log(scale / MIN_SCALE))
    if not bool(((found >= 0) & (found < SCALES)).all()):
        raise ModelError("a scale of this process does not fit in the tables: use fewer bins per sigma")
    return found.numpy().astype(np.int64)


def _fixed(values: Tensor, bits: int) -> np.ndarray:
    return torch.round(values * 2.0**bits).numpy().astype(np.int64)


def export_process(bins: LatentBins) -> Process:
    """The process in integers.

    Raises:
        ModelError: if it does not fit in them.
    """
    a, width = alpha(bins.gamma), bins.width
    # Rounding z_0 to bins is noise as well.
    noise = VALUES_PER_UNIT**2 * (sigma(bins.gamma[0]) ** 2 + width[0] ** 2 / 12) / a[0] ** 2
    process = Process(
        half_value=_fixed(a[0] / (2 * VALUES_PER_UNIT * width[0]), COEFFICIENT_BITS),
        keep=_fixed(a[1:] / a[:-1] * width[:-1] / width[1:], COEFFICIENT_BITS),
        forward_scale=scale_index(bins.spread / width),
        prior_scale=scale_index(1 / width[-1]),
        value_per_bin=_fixed(VALUES_PER_UNIT * width[0] / a[0], COEFFICIENT_BITS),
        # With normal noise, the odds of two neighbours that are equally likely a priori are a logistic function.
        value_scale=scale_index(noise),
        normal=normal(),
        logistic=logistic(),
    )
    try:
        process.validate()
    except ValueError as error:
        raise ModelError(f"{error}: use fewer bins per sigma, or fewer steps") from None
    return process


def export_linear(bins: LatentBins, field: GaussianField) -> LinearModel:
    """The best model of a field in units of ``u``."""
    unit = torch.eye(bins.gamma.shape[1], dtype=torch.float64)
    matrices, scales = [], []
    for earlier, later, to, of in zip(bins.gamma, bins.gamma[1:], bins.width, bins.width[1:], strict=False):
        found = reverse_step(field.denoise(unit, later), unit, earlier, later)
        matrices.append(_fixed(found.mean * of[:, None] / to, COEFFICIENT_BITS))
        scales.append(scale_index(found.variance[0].sqrt() / to))
    return LinearModel(np.stack(matrices), np.stack(scales))
