"""The training loop: resumable, timed, logged."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mulanzip import cores
from mulanzip.architecture import PASSES, Config
from mulanzip.errors import ModelError, MulanzipError
from mulanzip.exact.backends import ReferenceBackend
from mulanzip.exact.export import export
from mulanzip.exact.model import IntegerModel, save
from mulanzip.exact.network import IntegerNetwork
from mulanzip.exact.runtime import GOLDEN_KEY
from mulanzip.exact.selftest import golden_digest
from mulanzip.network import Denoiser
from mulanzip.training.data import GRAY_SHARE, Patches
from mulanzip.training.muon import Muon
from mulanzip.training.objective import cells_of, early_bits, image_bits, step_bits
from mulanzip.training.patterns import draw_known
from mulanzip.training.precision import has_fast_bfloat16
from mulanzip.training.prior import learn_prior

CHECKPOINT = "checkpoint.pt"
LOCK = "lock"
LOG = "log.jsonl"
MODEL = "model.safetensors"
FLOAT_MODEL = "float.safetensors"
#: Training images whose contexts make up the prior, and steps of descent for each.
PRIOR_IMAGES = 24
_PRIOR_STEPS = 80
#: One patch in so many trains the heads of steps that reveal everything at once.
_EARLY_SHARE = 4
#: A step that takes longer, in seconds, was stopped in between, and so was the clock.
PAUSE = 30.0


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.  Progress is counted in seconds of training, pauses excluded."""

    hours: float = 2.0
    matrix_rate: float = 0.007
    other_rate: float = 0.002
    batch_cells: int = 8192
    ema: float = 0.999
    #: From this share of the run on, the roundings of the integer network are in place.
    quantise_from: float = 0.7
    seed: int = 0
    gray_share: float = GRAY_SHARE


def _begin_with(model: Denoiser, path: str | os.PathLike[str]) -> None:
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        raise ModelError(f"{path} does not hold float weights of a network of this size") from None


class Run:
    """A training run in a folder: weights, EMA, optimisers, random state, log."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        images: list[np.ndarray],
        validation: list[np.ndarray],
        config: Config,
        recipe: Recipe,
        start: str | os.PathLike[str] | None = None,
    ):
        """Resume the run in ``folder``, or begin one.

        Args:
            images, validation: uint8 ``(H, W, 3)`` each.
            start: float weights to begin with; else random ones.

        Raises:
            ModelError: if ``start`` does not hold the weights of a network of this ``config``.
            MulanzipError: if another process is training in ``folder``.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two processes in one folder would overwrite each other's state.  Held until close(), or the process ends.
        self._lock = FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise MulanzipError(f"{folder}: another process is training in this folder") from None
        self.recipe = recipe
        self.validation = validation
        self.autocast = has_fast_bfloat16()
        torch.manual_seed(recipe.seed)
        self.model = Denoiser(config)
        if start is not None:
            _begin_with(self.model, start)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        rng = np.random.default_rng(recipe.seed)
        self.patches = Patches(images, recipe.batch_cells, rng, recipe.gray_share)
        matrices = [
            p
            for name, p in self.model.passes.named_parameters()
            if ".body." in name and p.ndim == 2 and name.endswith("weight")
        ]
        others = [p for p in self.model.parameters() if all(p is not m for m in matrices)]
        # Orthogonalised updates for the matrices: well ahead of Adam alone (models/photo/TRAINING.md).
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(
                matrices,
                lr=recipe.matrix_rate,
                weight_decay=0.1,
                dtype=torch.bfloat16 if self.autocast else torch.float32,
            ),
            torch.optim.Adam(others, lr=recipe.other_rate, betas=(0.9, 0.99)),
        ]
        self.rates = [o.param_groups[0]["lr"] for o in self.optimisers]
        self.seconds = 0.0
        self.step = 0
        if (self.folder / CHECKPOINT).exists():
            self._load()

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / (3600 * self.recipe.hours))

    def train(self, report: Callable[[Run, float], None], log_every: float = 60.0) -> None:
        """Train until the recipe's hours are over; ``report(run, bpsp)`` after every step."""
        last_log = self.seconds
        recent: list[float] = []
        while self.progress < 1:
            self._share_cores()
            start = time.perf_counter()
            recent.append(self._step())
            elapsed = time.perf_counter() - start
            if elapsed < PAUSE:
                self.seconds += elapsed
            report(self, recent[-1])
            if self.seconds - last_log >= log_every or self.progress >= 1:
                last_log = self.seconds
                self._log({"train": float(np.mean(recent)), "validation": self.validate()})
                self.save()
                recent = []

    def _share_cores(self) -> None:
        """One thread while others want a core: two that wait for each other would lose far more than half."""
        others = cores.running() - torch.get_num_threads()
        torch.set_num_threads(1 if others > 0 else cores.available())

    def _step(self) -> float:
        recipe = self.recipe
        rate = min(1.0, (self.step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * self.progress))
        for optimiser, peak in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = max(peak * rate, peak * 0.002)
        self.model.quantise(self.progress >= recipe.quantise_from)
        level, batch = self.patches.draw()
        cells = cells_of(torch.from_numpy(batch))
        level_class = self.model.config.level_class(level)
        bits: list[torch.Tensor] = []
        total_count = 0
        first = None
        for index in range(len(PASSES)):
            known = torch.from_numpy(draw_known(index, len(batch), cells.shape[-1], self.patches.rng))
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                cost, count, features = step_bits(self.model, cells, known, index, level_class, first)
            if first is None:
                first = features
                some = slice(-(-len(batch) // _EARLY_SHARE))
                early = early_bits(self.model, cells[some], known[some], level_class, features[some])
            bits.append(cost)
            total_count += count
        total = torch.stack(bits).sum()
        ((total + early) / (batch.size * 0.75)).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        decay = min(recipe.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        self.step += 1
        return float(total.detach()) / max(1, total_count)

    def validate(self) -> float:
        """Mean bits per subpixel of the averaged weights over the validation images."""
        self.average.quantise(self.progress >= self.recipe.quantise_from)
        return float(np.mean([image_bits(self.average, v, self.autocast) / v.size for v in self.validation]))

    def _log(self, entry: dict[str, Any]) -> None:
        line = {"seconds": round(self.seconds, 1), "step": self.step, **entry}
        with open(self.folder / LOG, "a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        state = {
            "config": self.model.config.as_dict(),
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "random": self.patches.rng.bit_generator.state,
            "seconds": self.seconds,
            "step": self.step,
        }
        temporary = self.folder / (CHECKPOINT + ".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.folder / CHECKPOINT)

    def export(self, report: Callable[[int], object] | None = None) -> IntegerModel:
        """The averaged weights as an integer model; both forms are also written to the folder.

        Args:
            report: told how many contexts of training images have been fitted, :data:`PRIOR_IMAGES` in the end, to
                learn their prior; without it, the prior is a guess.
        """
        metadata = {"steps": str(self.step), "seconds": str(round(self.seconds))}
        model = export(self.average, metadata)
        if report is not None:
            images, seed = self.patches.images, self.recipe.seed
            prior = learn_prior(model, images, _PRIOR_STEPS, PRIOR_IMAGES, seed, report)
            model = export(self.average, metadata, prior)
        model.metadata[GOLDEN_KEY] = golden_digest(IntegerNetwork(model, ReferenceBackend()))
        save(model, self.folder / MODEL)
        save_file(self.average.state_dict(), self.folder / FLOAT_MODEL)
        return model

    def close(self) -> None:
        """Let other processes, or another run of this one, train in the folder."""
        self._lock.release()

    def _load(self) -> None:
        state = torch.load(self.folder / CHECKPOINT, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.patches.rng.bit_generator.state = state["random"]
        self.seconds, self.step = state["seconds"], state["step"]
