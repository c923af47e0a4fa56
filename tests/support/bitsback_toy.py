"""A Gaussian field as images of 48 subpixels, with its process and best model."""

from __future__ import annotations

import numpy as np
import torch

from mulanzip.gaussian.exact.export import Grid, export_linear, export_process
from mulanzip.gaussian.exact.linear import LinearModel
from mulanzip.gaussian.exact.process import Process
from mulanzip.gaussian.field import Field
from mulanzip.gaussian.process import PER_UNIT, to_values
from mulanzip.gaussian.schedule import Path

SHAPE = (3, 4, 4)
N = 48


def field() -> Field:
    """Three planes with much in common, about 25 levels of contrast, and the variance of rounding to levels."""
    plane = Field.exponential(4, 0.04, 3.0, 0.0005).covariance
    colours = torch.full((3, 3), 0.9, dtype=torch.float64) + 0.1 * torch.eye(3, dtype=torch.float64)
    return Field(torch.kron(colours, plane) + torch.eye(N, dtype=torch.float64) / 12 / PER_UNIT**2)


def images(count: int, seed: int = 0) -> np.ndarray:
    """uint8 ``(count, 48)``."""
    return to_values(field().sample(count, torch.Generator().manual_seed(seed))).numpy()


def gammas(path: Path, steps: int) -> torch.Tensor:
    """float64 ``(steps + 1, 48)``."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    return path(t)[0].expand(-1, *SHAPE).reshape(steps + 1, N)


def export(path: Path, steps: int, per_sigma: float) -> tuple[Process, LinearModel]:
    grid = Grid.of(gammas(path, steps), per_sigma)
    return export_process(grid), export_linear(grid, field())
