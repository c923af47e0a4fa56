"""Small models of Gaussian noise with random weights, in floating point and in integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mulanzip.gaussian.exact.export_trained import save_trained
from mulanzip.gaussian.model import PROCESSES, GaussianModel
from support.models import put_on_grid
from support.pictures import photo

SIDE = 8


def toy(process: str = "mulan", steps: int | None = 4, seed: int = 0, strength: float = 0.05) -> GaussianModel:
    """A model of which schedule, contexts and network all affect the output."""
    torch.manual_seed(seed)
    model = GaussianModel(replace(PROCESSES[process], channels=8, side=SIDE, steps=steps))
    for parameter in model.parameters():
        parameter.data += strength * torch.randn(parameter.shape)
    put_on_grid(model)  # So that its integer form has the same weights.
    return model.requires_grad_(False)


def saved(folder: Path, model: GaussianModel | None = None) -> Path:
    """Write a model to a file in ``folder``."""
    path = folder / "toy.safetensors"
    save_trained(model or toy(), path, {})
    return path


def images(count: int) -> np.ndarray:
    """RGB uint8 ``(count, SIDE, SIDE, 3)`` cut from a photograph."""
    return photo(SIDE * count, SIDE).reshape(count, SIDE, SIDE, 3)
