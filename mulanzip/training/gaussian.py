"""Training of Gaussian noise: schedule, denoiser and contexts together minimise the variational bound."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.export_trained import save_trained
from mulanzip.gaussian.forward import to_unit
from mulanzip.gaussian.model import GaussianConfig, GaussianModel, load
from mulanzip.training.loop import MODEL, PARTS, Run
from mulanzip.training.recipe import Recipe
from mulanzip.training.rounding import round_weights
from mulanzip.training.tiles import Tiles

#: Validation tiles; every validation uses the same ones with the same noise.
VALIDATION_TILES = 256
#: Tiles from which the initial weights of the encoder are computed.
_SPREAD_TILES = 512
#: Tiles whose activations are typical inputs when weights are rounded.
_ROUNDING_TILES = 256


@dataclass(frozen=True)
class GaussianRecipe(Recipe):
    """See :class:`mulanzip.training.recipe.Recipe`.

    Attributes:
        batch: tiles of a batch, over all its parts.
        encoder_rate: learning rate of the encoder.  At the rate of the denoiser, its logits reach their limits, equal
            for all images, and stay there.
        context_costs_from: progress from which the loss contains all bits of contexts.  Their weight rises linearly
            from zero; with their full cost at the start, contexts vanish before the denoiser has learned to use them.
        quantise_from: progress from which activations are rounded as in the integer network.
    """

    batch: int = 32
    encoder_rate: float = 0.0005
    context_costs_from: float = 0.6
    quantise_from: float = 0.9


class GaussianRun(Run):
    """A run that trains a model of Gaussian noise."""

    model: GaussianModel
    average: GaussianModel
    recipe: GaussianRecipe

    def __init__(
        self,
        folder: str | os.PathLike[str],
        images: list[np.ndarray],
        validation: list[np.ndarray],
        config: GaussianConfig,
        recipe: GaussianRecipe,
        start: str | os.PathLike[str] | None = None,
    ):
        """Resume the run in ``folder``, or begin one.

        Args:
            images, validation: uint8 ``(H, W, 3)`` each, colours in coding order.
            start: model file to begin with; by default, weights are random.

        Raises:
            ModelError: if ``start`` is not a model of this ``config``.
            UnsupportedImageError: if all images are smaller than a tile.
            MulanzipError: as :class:`mulanzip.training.loop.Run` does.
        """
        torch.manual_seed(recipe.seed)
        model = GaussianModel(config)
        if start is not None:
            earlier = load(start)
            if earlier.config != config:
                raise ModelError(
                    f"{start} holds a model of another shape, noise, or number of noise steps; "
                    "give one that was trained with the same --channels, --blocks and --noise-steps"
                )
            model.load_state_dict(earlier.state_dict())
        self.tiles = Tiles(images, config.side)
        if model.encoder is not None and start is None:
            model.encoder.spread(to_unit(self.tiles.draw(_SPREAD_TILES, np.random.default_rng(recipe.seed))))
        self.validation = Tiles(validation, config.side).draw(VALIDATION_TILES, np.random.default_rng(0))
        rates = [(model.encoder, recipe.encoder_rate)] if model.encoder is not None else []
        super().__init__(folder, model, model.denoiser.matrices(), recipe, rates)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Tiles, and the seed of their noise."""
        return self.tiles.draw(self.recipe.batch // PARTS, rng), int(rng.integers(1 << 62))

    def loss(self, batch: tuple[Tensor, int]) -> tuple[Tensor, Tensor]:
        self.model.denoiser.quantise(self.progress >= self.recipe.quantise_from)
        images, seed = batch
        generator = torch.Generator().manual_seed(seed)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            bound = self.model.bound(images, self.model.config.steps, generator)
        free = max(0.0, 1 - self.progress / self.recipe.context_costs_from) * bound.context
        return (bound.total - free).mean() / bound.subpixels, torch.tensor(bound.bits_per_dim)

    def validate(self) -> float:
        self.average.denoiser.quantise(self.progress >= self.recipe.quantise_from)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            return self.average.evaluate(self.validation, self.average.config.steps).bits_per_dim

    def export(self) -> None:
        """Write the averaged weights; they are rounded for the activations that training tiles cause."""
        rounded = copy.deepcopy(self.average)
        rounded.denoiser.quantise()
        tiles = self.tiles.draw(_ROUNDING_TILES, np.random.default_rng(self.recipe.seed))
        round_weights(rounded.denoiser, lambda: rounded.evaluate(tiles, rounded.config.steps))
        save_trained(rounded, self.folder / MODEL, {"steps": str(self.step), "seconds": str(round(self.seconds))})
