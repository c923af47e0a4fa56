"""Training of a model of gray images of any depth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import PASSES, Config
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import CellBatch, cells_of, level_bits
from mulanzip.training.erasure import PRESET_SHARE, Batch, ErasureRecipe, ErasureRun
from mulanzip.training.gray_data import GrayImage, GrayPatches
from mulanzip.training.loop import PARTS
from mulanzip.training.patterns import draw_known

#: Levels that validation measures; the coarser ones hold a sixteenth of the samples.
_LEVELS = 2


@dataclass(frozen=True)
class GrayCrop:
    """A crop to validate with: samples ``(h, w)``, h and w multiples of four, and their statistics."""

    samples: np.ndarray
    statistics: SampleStatistics


class GrayRun(ErasureRun):
    """A run that trains a denoiser of one colour."""

    patches: GrayPatches  # type: ignore[assignment]
    validation: Sequence[GrayCrop]  # type: ignore[assignment]

    def _supply(self, images: list[GrayImage], recipe: ErasureRecipe) -> GrayPatches:  # type: ignore[override]
        return GrayPatches(images, recipe.batch_cells // PARTS)

    def _draw(self, rng: np.random.Generator) -> Batch:
        level, kind, patches = self.patches.draw(rng)
        level_class = self.model.config.level_class(level)
        cells = [
            CellBatch(cells_of(_tensor(samples), scale), level_class, 1, SampleStatistics(scale))
            for samples, scale in patches
        ]
        count, side = sum(len(c.samples) for c in cells), cells[0].samples.shape[-1]
        known = [torch.from_numpy(draw_known(i, count, side, rng)) for i in range(len(PASSES))]
        return Batch(cells, known, kind if rng.random() < PRESET_SHARE else None)

    def validate(self) -> float:
        """Bits per sample of the averaged weights, mean over the validation crops, each with its best preset."""
        return float(self.validate_each().mean())

    def validate_each(self) -> np.ndarray:
        """Bits per sample of each validation crop with its best preset: float64 ``(crops,)``."""
        self.average.quantise(self.progress >= self.recipe.quantise_from)
        best = np.full(len(self.validation), np.inf)
        for preset in (None, *range(self.average.config.presets)):
            self.average.use_preset(preset)
            best = np.minimum(best, list(self.pool.map(lambda crop: crop_bits(self.average, crop, self.autocast), self.validation)))
        self.average.use_preset(None)
        return best


def crop_bits(model: Denoiser, crop: GrayCrop, autocast: bool) -> float:
    """Bits per sample of the two finest levels of a crop, under the default schedule and without tiles."""
    total, count = 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for level in range(_LEVELS):
            pixels = _tensor(crop.samples[None, None, :: 1 << level, :: 1 << level])
            bits, own = level_bits(model, pixels, level, 1, crop.statistics)
            total, count = total + float(bits), count + own
    return total / count


def _tensor(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.astype(np.int32))
