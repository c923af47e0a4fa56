"""Training of the erasure process: the denoiser learns mixtures of logistics for masked pixels."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mulanzip.density.config import PASSES, Config
from mulanzip.density.context import Prior
from mulanzip.density.model import IntegerModel, save
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.selftest import golden_digest
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.encoder.adapt import Group
from mulanzip.errors import ModelError
from mulanzip.floatnet.export import export
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import CellBatch, cells_of, early_bits, image_bits, step_bits
from mulanzip.training.data import GRAY_SHARE, Patches
from mulanzip.training.loop import MODEL, PARTS, Run
from mulanzip.training.patterns import draw_known
from mulanzip.training.prior import learn_prior
from mulanzip.training.recipe import Recipe
from mulanzip.training.rounding import round_weights

FLOAT_MODEL = "float.safetensors"
#: Training images whose contexts are fitted to learn the prior, and steps of gradient descent for each.
PRIOR_IMAGES = 24
_PRIOR_STEPS = 80
#: One patch in ``_EARLY_INTERVAL`` trains the heads that predict all phases from the first pass.
_EARLY_INTERVAL = 4
#: Share of batches that are run with the context preset of their kind of degradation.
PRESET_SHARE = 0.5
#: Batches whose activations are typical inputs when weights are rounded.
_ROUNDING_BATCHES = 24


@dataclass(frozen=True)
class ErasureRecipe(Recipe):
    """See :class:`mulanzip.training.recipe.Recipe`.

    Attributes:
        batch_cells: cells of a batch, over all its parts.
        quantise_from: progress from which activations are rounded as in the integer network.
        gray_share: share of gray patches, see :class:`mulanzip.training.data.Patches`.
    """

    batch_cells: int = 8192
    quantise_from: float = 0.9
    gray_share: float = GRAY_SHARE


@dataclass(frozen=True)
class Batch:
    """Patches of one level.

    Attributes:
        patches: samples ``(B, C, h, w)``, uint8 or uint16, and their statistics.
        known: a mask of known pixels for each pass, bool ``(B, 4, h / 2, w / 2)``, B the number of all patches.
        preset: to run with; None for none.
    """

    patches: list[tuple[np.ndarray, SampleStatistics]]
    level: int
    known: list[np.ndarray]
    preset: int | None

    def cells(self, config: Config, device: torch.device) -> list[CellBatch]:
        """The patches for a network."""
        return [
            CellBatch(
                cells_of(_tensor(samples).to(device), statistics.scale),
                config.level_class(self.level),
                config.colours,
                statistics,
            )
            for samples, statistics in self.patches
        ]


def _tensor(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples if samples.dtype == np.uint8 else samples.astype(np.int32))


def _begin_with(model: Denoiser, path: str | os.PathLike[str]) -> None:
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        raise ModelError(
            f"{path} does not hold float weights of a network of this size; "
            "give the float.safetensors of a run with the same --channels, --blocks, --mixtures and --hidden"
        ) from None


class ErasureRun(Run):
    """A run that trains the denoiser of the erasure process."""

    model: Denoiser
    average: Denoiser
    recipe: ErasureRecipe

    def __init__(
        self,
        folder: str | os.PathLike[str],
        images: list[Any],
        validation: list[Any],
        config: Config,
        recipe: ErasureRecipe,
        start: str | os.PathLike[str] | None = None,
        device: str = "cpu",
    ):
        """Resume the run in ``folder``, or begin one.

        Args:
            images, validation: uint8 ``(H, W, 3)`` each, colours in coding order.
            start: file of float weights to begin with; by default, weights are random.
            device: that trains the model, ``cpu`` or ``cuda``.

        Raises:
            ModelError: if ``start`` does not hold the weights of a network of this ``config``.
            MulanzipError: as :class:`mulanzip.training.loop.Run` does.
        """
        self.validation = validation
        torch.manual_seed(recipe.seed)
        model = Denoiser(config)
        if start is not None:
            self._begin(model, start)
        self.patches = self._supply(images, recipe)
        matrices = [
            p
            for name, p in model.passes.named_parameters()
            if ".body." in name and p.ndim == 2 and name.endswith("weight")
        ]
        self._local = threading.local()
        super().__init__(folder, model, matrices, recipe, device=device)

    def _begin(self, model: Denoiser, start: str | os.PathLike[str]) -> None:
        """Give ``model`` the weights in a file."""
        _begin_with(model, start)

    def _supply(self, images: list[Any], recipe: ErasureRecipe) -> Patches:
        """The supply of training patches."""
        return Patches(images, recipe.batch_cells // PARTS, recipe.gray_share)

    def draw(self, rng: np.random.Generator) -> Batch:
        level, degradation, patches = self.patches.draw(rng)
        return self._masked([(patches, PLAIN_STATISTICS)], level, degradation, rng)

    def _masked(
        self, patches: list[tuple[np.ndarray, SampleStatistics]], level: int, preset: int, rng: np.random.Generator
    ) -> Batch:
        """A batch with random masks, and with or without a preset."""
        count, cells = sum(len(samples) for samples, _ in patches), patches[0][0].shape[-1] // 2
        known = [draw_known(index, count, cells, rng) for index in range(len(PASSES))]
        return Batch(patches, level, known, preset if rng.random() < PRESET_SHARE else None)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        model = self._own_model()
        model.quantise(self.progress >= self.recipe.quantise_from)
        bits, early, count = self._bits(model, batch)
        subpixels = sum(samples.size for samples, _ in batch.patches)
        return (bits + early) / (subpixels * 0.75), bits.detach() / count.clamp(min=1)

    def _own_model(self) -> Denoiser:
        """This thread's copy of the model: it shares the parameters and has a preset of its own."""
        if not hasattr(self._local, "model"):
            self._local.model = copy.deepcopy(self.model, {id(p): p for p in self.model.parameters()})
        found: Denoiser = self._local.model
        return found

    def _bits(self, model: Denoiser, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Bits of all passes, bits of some patches by the heads of a single pass, and the number of subpixels."""
        model.use_preset(batch.preset)
        device = model.device
        cells, known = batch.cells(model.config, device), [torch.from_numpy(own).to(device) for own in batch.known]
        first = cells[0]
        some = slice(-(-sum(len(c.samples) for c in cells) // _EARLY_INTERVAL))
        bits, counts, pass0_features = [], [], None
        for index in range(len(PASSES)):
            with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
                step, count, features = step_bits(model, cells, known[index], index, pass0_features)
                if pass0_features is None:
                    pass0_features = features
                    fewer = replace(first, samples=first.samples[some])
                    own = slice(len(fewer.samples))
                    early = early_bits(model, fewer, known[0][own], features[own])
            bits.append(step)
            counts.append(count)
        return torch.stack(bits).sum(), early, torch.stack(counts).sum()

    def validate(self) -> float:
        """Bits per subpixel of the averaged weights, mean over the validation images, each with its best preset."""
        self.average.quantise(self.progress >= self.recipe.quantise_from)
        best = np.full(len(self.validation), np.inf)
        for preset in (None, *range(self.average.config.presets)):
            self.average.use_preset(preset)
            bits = self.pool.map(lambda x: image_bits(self.average, x, self.autocast) / x.size, self.validation)
            best = np.minimum(best, list(bits))
        self.average.use_preset(None)
        return float(best.mean())

    def export(self, report: Callable[[int], object] | None = None) -> IntegerModel:
        """Write the averaged weights to the folder, as float weights and as an integer model.

        Weights are rounded for the activations that training images cause.

        Args:
            report: if given, the prior of contexts is learned from training images, and ``report`` is called with the
                number of images that are done, :data:`PRIOR_IMAGES` at most.  Otherwise the prior is a default.

        Returns:
            the integer model.
        """
        save_file(self.average.state_dict(), self.folder / FLOAT_MODEL)
        rounded = copy.deepcopy(self.average).cpu()
        rounded.quantise()
        rng = np.random.default_rng(self.recipe.seed)
        seen = [self.draw(rng) for _ in range(_ROUNDING_BATCHES)]
        round_weights(rounded, lambda: [self._bits(rounded, batch) for batch in seen])
        # Learning the prior takes long; if it is interrupted, this model is complete.
        model = self._write(rounded)
        if report is not None:
            seed = self.recipe.seed
            model = self._write(rounded, learn_prior(model, self._groups(), _PRIOR_STEPS, PRIOR_IMAGES, seed, report))
        return model

    def _groups(self) -> list[Group]:
        """The training images and their statistics."""
        return [(image, PLAIN_STATISTICS) for image in self.patches.images]

    def _write(self, rounded: Denoiser, prior: Prior | None = None) -> IntegerModel:
        model = export(rounded, {"steps": str(self.step), "seconds": str(round(self.seconds))}, prior)
        model.metadata[GOLDEN_KEY] = golden_digest(IntegerNetwork(model, ReferenceBackend()))
        save(model, self.folder / MODEL)
        return model
