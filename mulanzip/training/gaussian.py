"""Training of Gaussian noise: schedule, denoiser and contexts together, by the variational bound.

In the end with rounded activations, as in the integer network.
"""

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
from mulanzip.training.loop import MODEL, PARTS, Recipe, Run
from mulanzip.training.rounding import round_weights
from mulanzip.training.tiles import Tiles

#: Tiles that judge a model in training, always the same ones with the same noise.
VALIDATION_TILES = 256
#: Tiles that tell how an encoder begins.
_SPREAD_TILES = 512
#: Tiles that tell what layers see, when their weights are rounded.
_ROUNDING_TILES = 256


@dataclass(frozen=True)
class GaussianRecipe(Recipe):
    """See :class:`mulanzip.training.loop.Recipe`."""

    batch: int = 32
    #: Of the encoder: at the network's rate logits reach their limits, the same for all images, and stay there.
    encoder_rate: float = 0.0005
    #: Until this share of the run, contexts cost less than they do: nothing at first.  Those that cost are given up
    #: before the others have learned to read them.
    context_costs_from: float = 0.6
    #: From this share of the run on, activations are rounded as in the integer network.
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
            start: model to begin with; else random weights.

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
                raise ModelError(f"{start} holds a model of another shape, noise, or number of steps")
            model.load_state_dict(earlier.state_dict())
        self.tiles = Tiles(images, config.side)
        if model.encoder is not None and start is None:
            model.encoder.spread(to_unit(self.tiles.draw(_SPREAD_TILES, np.random.default_rng(recipe.seed))))
        self.validation = Tiles(validation, config.side).draw(VALIDATION_TILES, np.random.default_rng(0))
        rates = [(model.encoder, recipe.encoder_rate)] if model.encoder is not None else []
        super().__init__(folder, model, model.denoiser.matrices(), recipe, rates)

    def loss(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        self.model.denoiser.quantise(self.progress >= self.recipe.quantise_from)
        images = self.tiles.draw(self.recipe.batch // PARTS, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            bound = self.model.bound(images, self.model.config.steps, generator)
        given = max(0.0, 1 - self.progress / self.recipe.context_costs_from) * bound.context
        return (bound.total - given).mean() / bound.subpixels, bound.bits_per_dim

    def validate(self) -> float:
        self.average.denoiser.quantise(self.progress >= self.recipe.quantise_from)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            return self.average.evaluate(self.validation, self.average.config.steps).bits_per_dim

    def export(self) -> None:
        """Weights are rounded for what layers see of training tiles."""
        rounded = copy.deepcopy(self.average)
        rounded.denoiser.quantise()
        tiles = self.tiles.draw(_ROUNDING_TILES, np.random.default_rng(self.recipe.seed))
        round_weights(rounded.denoiser, lambda: rounded.evaluate(tiles, rounded.config.steps))
        save_trained(rounded, self.folder / MODEL, {"steps": str(self.step), "seconds": str(round(self.seconds))})
