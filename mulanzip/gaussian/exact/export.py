"""From schedules and models in floating point to integers.  Nothing here is used while coding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.discretized import (
    INVERSE_BITS,
    LEAST_PLANES,
    MOST_PLANES,
    ONE,
    SCALE_UNIT,
    SCALES,
    SMALLEST_SCALE,
    TABLE_STEPS,
    Tables,
)
from mulanzip.gaussian.exact.linear import LinearModel
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, Process
from mulanzip.gaussian.field import Field
from mulanzip.gaussian.process import PER_UNIT, alpha, sigma
from mulanzip.gaussian.variational import reverse


@dataclass(frozen=True)
class Grid:
    """The process before it becomes integers.

    Attributes:
        gamma: float64 ``(T + 1, n)``, log of noise to signal, rising.
        width: float64 ``(T + 1, n)``, of bins.
    """

    gamma: Tensor
    width: Tensor

    @classmethod
    def of(cls, gamma: Tensor, per_sigma: float) -> Grid:
        """Bins so narrow that the standard deviations of both ``q(z_t | z_s)`` and ``q(z_s | z_t, x)`` have so many."""
        gamma = gamma.double()
        new = torch.sqrt(-torch.expm1(gamma[:-1] - gamma[1:]))
        one = torch.ones_like(gamma[:1])
        share = torch.minimum(torch.cat((one, new)), torch.cat((new, one)))
        return cls(gamma, sigma(gamma) * share / per_sigma)

    @property
    def spread(self) -> Tensor:
        """Standard deviations of ``q(z_0 | x)`` and of all ``q(z_t | z_s)``."""
        new = torch.sqrt(-torch.expm1(self.gamma[:-1] - self.gamma[1:]))
        return sigma(self.gamma) * torch.cat((torch.ones_like(new[:1]), new))


def export_tables(cdf: Callable[[Tensor], Tensor], reach: float) -> Tables:
    """Tables of a family of distributions.

    Args:
        cdf: of the distribution with scale 1 and mean 0, in float64.
        reach: half of the least width of a window, in scales.
    """
    half = int(reach * TABLE_STEPS)
    steps = torch.arange(-half, half + 1, dtype=torch.float64) / TABLE_STEPS
    scale = SMALLEST_SCALE * np.exp(np.arange(SCALES) / SCALE_UNIT)
    planes = np.ceil(np.log2(2 * reach * scale + 2)).clip(LEAST_PLANES, MOST_PLANES)
    return Tables(
        np.rint(ONE * cdf(steps).numpy()).astype(np.int64),
        np.rint((TABLE_STEPS << INVERSE_BITS) / scale).astype(np.int64),
        planes.astype(np.int64),
    )


def normal() -> Tables:
    """Of ``N(0, 1)``, to 6.5 standard deviations."""
    return export_tables(torch.special.ndtr, 6.5)


def logistic() -> Tables:
    """Of ``1 / (1 + exp(-t))``."""
    return export_tables(torch.sigmoid, 16.0)


def scale_index(scale: Tensor) -> np.ndarray:
    """The nearest index for a scale in bins: int64.

    Raises:
        ModelError: if there is none.
    """
    found = torch.round(SCALE_UNIT * torch.log(scale / SMALLEST_SCALE))
    if not bool(((found >= 0) & (found < SCALES)).all()):
        raise ModelError("a scale of this process does not fit in the tables: use fewer bins per sigma")
    return found.numpy().astype(np.int64)


def _fixed(values: Tensor, bits: int) -> np.ndarray:
    return torch.round(values * 2.0**bits).numpy().astype(np.int64)


def export_process(grid: Grid) -> Process:
    """All tables of a process.

    Raises:
        ModelError: if it does not fit in them.
    """
    a, width = alpha(grid.gamma), grid.width
    # That z_0 is rounded to bins is noise as well.
    noise = PER_UNIT**2 * (sigma(grid.gamma[0]) ** 2 + width[0] ** 2 / 12) / a[0] ** 2
    process = Process(
        first=_fixed(a[0] / (2 * PER_UNIT * width[0]), COEFFICIENT_BITS),
        keep=_fixed(a[1:] / a[:-1] * width[:-1] / width[1:], COEFFICIENT_BITS),
        spread=scale_index(grid.spread / width),
        top=scale_index(1 / width[-1]),
        level=_fixed(PER_UNIT * width[0] / a[0], COEFFICIENT_BITS),
        # Of two neighbours that are equally likely at first, normal noise says which one as a logistic function.
        sharpness=scale_index(noise),
        normal=normal(),
        logistic=logistic(),
    )
    try:
        process.validate()
    except ValueError as error:
        raise ModelError(f"{error}: use fewer bins per sigma, or fewer steps") from None
    return process


def export_linear(grid: Grid, field: Field) -> LinearModel:
    """The best model of a field in units of ``u``."""
    unit = torch.eye(grid.gamma.shape[1], dtype=torch.float64)
    matrices, scales = [], []
    for earlier, later, to, of in zip(grid.gamma, grid.gamma[1:], grid.width, grid.width[1:], strict=False):
        found = reverse(field.denoise(unit, later), unit, earlier, later)
        matrices.append(_fixed(found.mean * of[:, None] / to, COEFFICIENT_BITS))
        scales.append(scale_index(found.variance[0].sqrt() / to))
    return LinearModel(np.stack(matrices), np.stack(scales))
