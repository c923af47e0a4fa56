"""Training of a model of gray images of any depth."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch

from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder.adapt import Group
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import level_bits
from mulanzip.training.erasure import Batch, ErasureRecipe, ErasureRun
from mulanzip.training.gray_data import GrayImage, GrayPatches
from mulanzip.training.gray_start import load_start
from mulanzip.training.loop import PARTS

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

    def draw(self, rng: np.random.Generator) -> Batch:
        level, kind, patches = self.patches.draw(rng)
        return self._masked([(samples, SampleStatistics(scale)) for samples, scale in patches], level, kind, rng)

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
    total, count, device = 0.0, 0, model.device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        for level in range(_LEVELS):
            samples = indices[None, None, : height : 1 << level, : width : 1 << level, 0]
            pixels = torch.from_numpy(samples.astype(np.int32)).to(device)
            bits, own = level_bits(model, pixels, level, 1, statistics)
            total, count = total + float(bits), count + int(own)
    return total / count
