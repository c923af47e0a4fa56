"""Training of the erasure process: mixtures for masked pixels, in the end with rounded activations."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mulanzip.density.backends import ReferenceBackend
from mulanzip.density.config import PASSES, Config
from mulanzip.density.model import IntegerModel, save
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.density.selftest import golden_digest
from mulanzip.errors import ModelError
from mulanzip.floatnet.export import export
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import cells_of, early_bits, image_bits, step_bits
from mulanzip.training.data import GRAY_SHARE, Patches
from mulanzip.training.loop import MODEL, PARTS, Recipe, Run
from mulanzip.training.patterns import draw_known
from mulanzip.training.prior import learn_prior
from mulanzip.training.rounding import round_weights

FLOAT_MODEL = "float.safetensors"
#: Training images whose contexts make up the prior, and steps of descent for each.
PRIOR_IMAGES = 24
_PRIOR_STEPS = 80
#: One patch in so many trains the heads of steps that reveal everything at once.
_EARLY_SHARE = 4
#: Share of batches for which the network is told what they look like.
_LOOK_SHARE = 0.5
#: Batches of patches that tell what layers see, when their weights are rounded.
_ROUNDING_BATCHES = 24


@dataclass(frozen=True)
class ErasureRecipe(Recipe):
    """See :class:`mulanzip.training.loop.Recipe`."""

    batch_cells: int = 8192
    #: From this share of the run on, activations are rounded as in the integer network.
    quantise_from: float = 0.9
    gray_share: float = GRAY_SHARE


@dataclass(frozen=True)
class _Batch:
    """Cells ``(B, 4, 3, h, w)`` of a level, what passes know of them, bool ``(B, 4, h, w)``, and the look to wear."""

    level_class: int
    look: int | None
    cells: Tensor
    known: list[Tensor]


def _begin_with(model: Denoiser, path: str | os.PathLike[str]) -> None:
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        raise ModelError(f"{path} does not hold float weights of a network of this size") from None


class ErasureRun(Run):
    """A run that trains the denoiser of the erasure process."""

    model: Denoiser
    average: Denoiser
    recipe: ErasureRecipe

    def __init__(
        self,
        folder: str | os.PathLike[str],
        images: list[np.ndarray],
        validation: list[np.ndarray],
        config: Config,
        recipe: ErasureRecipe,
        start: str | os.PathLike[str] | None = None,
    ):
        """Resume the run in ``folder``, or begin one.

        Args:
            images, validation: uint8 ``(H, W, 3)`` each.
            start: float weights to begin with; else random ones.

        Raises:
            ModelError: if ``start`` does not hold the weights of a network of this ``config``.
            MulanzipError: as :class:`mulanzip.training.loop.Run` does.
        """
        self.validation = validation
        torch.manual_seed(recipe.seed)
        model = Denoiser(config)
        if start is not None:
            _begin_with(model, start)
        self.patches = Patches(images, recipe.batch_cells // PARTS, recipe.gray_share)
        matrices = [
            p
            for name, p in model.passes.named_parameters()
            if ".body." in name and p.ndim == 2 and name.endswith("weight")
        ]
        self._local = threading.local()
        super().__init__(folder, model, matrices, recipe)

    def loss(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        model = self._own_model()
        model.quantise(self.progress >= self.recipe.quantise_from)
        batch = self._draw(rng)
        bits, early, count = self._bits(model, batch)
        return (bits + early) / (batch.cells.numel() * 0.75), float(bits.detach()) / max(1, count)

    def _draw(self, rng: np.random.Generator) -> _Batch:
        level, look, patches = self.patches.draw(rng)
        cells = cells_of(torch.from_numpy(patches))
        known = [torch.from_numpy(draw_known(i, len(cells), cells.shape[-1], rng)) for i in range(len(PASSES))]
        worn = look if rng.random() < _LOOK_SHARE else None
        return _Batch(self.model.config.level_class(level), worn, cells, known)

    def _own_model(self) -> Denoiser:
        """The model for this thread, which can wear a look of its own: the same parameters."""
        if not hasattr(self._local, "model"):
            self._local.model = copy.deepcopy(self.model, {id(p): p for p in self.model.parameters()})
        found: Denoiser = self._local.model
        return found

    def _bits(self, model: Denoiser, batch: _Batch) -> tuple[Tensor, Tensor, int]:
        """Bits of all passes, those of the heads for one pass on a part of the patches, and how many subpixels."""
        model.use_preset(batch.look)
        level_class, cells, known = batch.level_class, batch.cells, batch.known
        some = slice(-(-len(cells) // _EARLY_SHARE))
        bits: list[Tensor] = []
        total_count, first = 0, None
        for index in range(len(PASSES)):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                cost, count, features = step_bits(model, cells, known[index], index, level_class, first)
                if first is None:
                    first = features
                    early = early_bits(model, cells[some], known[0][some], level_class, features[some])
            bits.append(cost)
            total_count += count
        return torch.stack(bits).sum(), early, total_count

    def validate(self) -> float:
        """Mean bits per subpixel of the averaged weights over the validation images, each in the look that suits it."""
        self.average.quantise(self.progress >= self.recipe.quantise_from)
        best = np.full(len(self.validation), np.inf)
        for look in (None, *range(self.average.config.presets)):
            self.average.use_preset(look)
            bits = self.pool.map(lambda x: image_bits(self.average, x, self.autocast) / x.size, self.validation)
            best = np.minimum(best, list(bits))
        self.average.use_preset(None)
        return float(best.mean())

    def export(self, report: Callable[[int], object] | None = None) -> IntegerModel:
        """The averaged weights as an integer model; both forms are also written to the folder.

        Weights are rounded for what layers see of training images.

        Args:
            report: told how many contexts of training images have been fitted, :data:`PRIOR_IMAGES` in the end, to
                learn their prior; without it, the prior is a guess.
        """
        metadata = {"steps": str(self.step), "seconds": str(round(self.seconds))}
        rounded = copy.deepcopy(self.average)
        rounded.quantise()
        rng = np.random.default_rng(self.recipe.seed)
        seen = [self._draw(rng) for _ in range(_ROUNDING_BATCHES)]
        round_weights(rounded, lambda: [self._bits(rounded, batch) for batch in seen])
        model = export(rounded, metadata)
        if report is not None:
            images, seed = self.patches.images, self.recipe.seed
            prior = learn_prior(model, images, _PRIOR_STEPS, PRIOR_IMAGES, seed, report)
            model = export(rounded, metadata, prior)
        model.metadata[GOLDEN_KEY] = golden_digest(IntegerNetwork(model, ReferenceBackend()))
        save(model, self.folder / MODEL)
        save_file(self.average.state_dict(), self.folder / FLOAT_MODEL)
        return model
