"""A Gaussian field as images of 48 subpixels, with its process and best model."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.fields.gaussian_field import GaussianField
from benchmarks.fields.integer_process import LatentBins, export_linear, export_process
from benchmarks.fields.linear_model import LinearModel
from mulanzip.gaussian.exact.process import Process
from mulanzip.gaussian.forward import VALUES_PER_UNIT, to_values
from mulanzip.gaussian.noise_schedule import NoisePath

SHAPE = (3, 4, 4)
N = 48


def field() -> GaussianField:
    """Three strongly correlated planes with a contrast of about 25 values, plus the variance of rounding to values."""
    plane = GaussianField.exponential(4, 0.04, 3.0, 0.0005).covariance
    colours = torch.full((3, 3), 0.9, dtype=torch.float64) + 0.1 * torch.eye(3, dtype=torch.float64)
    return GaussianField(torch.kron(colours, plane) + torch.eye(N, dtype=torch.float64) / 12 / VALUES_PER_UNIT**2)


def images(count: int, seed: int = 0) -> np.ndarray:
    """Draw images, uint8 ``(count, 48)``."""
    return to_values(field().sample(count, torch.Generator().manual_seed(seed))).numpy()


def gammas(path: NoisePath, steps: int) -> torch.Tensor:
    """``gamma`` at every step, float64 ``(steps + 1, 48)``."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    return path(t)[0].expand(-1, *SHAPE).reshape(steps + 1, N)


def export(path: NoisePath, steps: int, per_sigma: float) -> tuple[Process, LinearModel]:
    """The process and the best model in integers."""
    bins = LatentBins.from_gamma(gammas(path, steps), per_sigma)
    return export_process(bins), export_linear(bins, field())
