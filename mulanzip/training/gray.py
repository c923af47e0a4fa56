"""Training of a model of gray images of any depth."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import PASSES
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder.adapt import Group
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import CellBatch, cells_of, level_bits
from mulanzip.training.erasure import PRESET_SHARE, Batch, ErasureRecipe, ErasureRun
from mulanzip.training.gray_data import GrayImage, GrayPatches
from mulanzip.training.gray_start import load_start
from mulanzip.training.loop import PARTS
from mulanzip.training.patterns import draw_known

#: Levels that validation measures; the coarser ones hold a sixteenth of the samples.
_LEVELS = 2


class GrayRun(ErasureRun):
    """A run that trains a denoiser of one colour.

    Its images are :class:`mulanzip.training.gray_data.GrayImage`; its validation images are indices ``(h, w, 1)`` with
    their statistics.
    """

    patches: GrayPatches  # type: ignore[assignment]
    validation: Sequence[Group]  # type: ignore[assignment]

    def _begin(self, model: Denoiser, start: str | os.PathLike[str]) -> None:
        load_start(model, start)

    def _supply(self, images: list[GrayImage], recipe: ErasureRecipe) -> GrayPatches:  # type: ignore[override]
        return GrayPatches(images, recipe.batch_cells // PARTS)

    def _groups(self) -> list[Group]:
        return [image.group() for image in self.patches.images]

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
        """Bits per sample of the averaged weights, mean over the validation images, each with its best preset."""
        self.average.quantise(self.progress >= self.recipe.quantise_from)
        best = np.full(len(self.validation), np.inf)
        for preset in (None, *range(self.average.config.presets)):
            self.average.use_preset(preset)
            bits = self.pool.map(lambda group: group_bits(self.average, group, self.autocast), self.validation)
            best = np.minimum(best, list(bits))
        self.average.use_preset(None)
        return float(best.mean())


def group_bits(model: Denoiser, group: Group, autocast: bool) -> float:
    """Bits per sample of the two finest levels of an image, under the default schedule and without tiles.

    Sides are cropped to multiples of four.
    """
    indices, statistics = group
    height, width = (side // 4 * 4 for side in indices.shape[:2])
    total, count = 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for level in range(_LEVELS):
            pixels = _tensor(indices[None, None, : height : 1 << level, : width : 1 << level, 0])
            bits, own = level_bits(model, pixels, level, 1, statistics)
            total, count = total + float(bits), count + own
    return total / count


def _tensor(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.astype(np.int32))
