"""The training loop: resumable, timed, logged; what is trained is up to those who build on it."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from mulanzip.errors import ModelError, MulanzipError
from mulanzip.floatnet.precision import has_fast_bfloat16
from mulanzip.training.muon import Muon

CHECKPOINT = "checkpoint.pt"
LOCK = "lock"
LOG = "log.jsonl"
MODEL = "model.safetensors"
#: Parts of a batch whose gradients are found side by side, each on a thread of its own and from a random source of
#: its own: threads that share every operator would wait for each other at each.
PARTS = 2
#: A step that takes longer, in seconds, was stopped in between, and so was the clock.
PAUSE = 30.0
#: Training goes on for so many times as long as the last validation took, at least.
_VALIDATION_PAUSE = 15


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.  Progress is counted in seconds of training, pauses excluded.

    Attributes:
        rate: of learning, relative; a run that begins with good weights loses much of them at 1.
        steps: instead of hours, where runs are compared.
    """

    hours: float = 2.0
    rate: float = 1.0
    matrix_rate: float = 0.007
    other_rate: float = 0.002
    ema: float = 0.999
    seed: int = 0
    steps: int | None = None


class Run(ABC):
    """A training run in a folder: weights, EMA, optimisers, random state, log.

    Attributes:
        pool: of as many threads as there are parts, for work that takes one core each.
        model, average: the network and its running average, both with their configuration in ``config``.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: nn.Module,
        matrices: Iterable[nn.Parameter],
        recipe: Recipe,
        rates: Iterable[tuple[nn.Module, float]] = (),
    ):
        """Resume the run in ``folder``, or begin one with this ``model``.

        Args:
            matrices: parameters for orthogonalised updates; Adam takes the others.
            rates: of parts of the model that Adam takes at another rate than the recipe's.

        Raises:
            ModelError: if ``folder`` holds a run of another network.
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
        self.autocast = has_fast_bfloat16()
        self.rngs = np.random.default_rng(recipe.seed).spawn(PARTS)
        self.pool = ThreadPoolExecutor(PARTS, initializer=torch.set_num_threads, initargs=(1,))
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        matrices = list(matrices)
        special: list[dict[str, Any]] = [
            {"params": list(part.parameters()), "lr": recipe.rate * rate} for part, rate in rates
        ]
        taken = {id(p) for p in matrices}.union(id(p) for group in special for p in group["params"])
        others: dict[str, Any] = {"params": [p for p in model.parameters() if id(p) not in taken]}
        # Orthogonalised updates for the matrices: well ahead of Adam alone (models/photo/TRAINING.md).
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(
                matrices,
                lr=recipe.rate * recipe.matrix_rate,
                weight_decay=0.1,
                dtype=torch.bfloat16 if self.autocast else torch.float32,
            ),
            torch.optim.Adam([others, *special], lr=recipe.rate * recipe.other_rate, betas=(0.9, 0.99)),
        ]
        self.rates = [group["lr"] for o in self.optimisers for group in o.param_groups]
        self.seconds = 0.0
        self.step = 0
        if (self.folder / CHECKPOINT).exists():
            self._load()

    @abstractmethod
    def loss(self, rng: np.random.Generator) -> tuple[Tensor, float]:
        """What the next step minimises, on one of :data:`PARTS` of a batch, and its bits per subpixel.

        Args:
            rng: where all that is random must come from.  Parts run at the same time.
        """

    @abstractmethod
    def validate(self) -> float:
        """Bits per subpixel of the averaged weights on the validation images."""

    @abstractmethod
    def export(self) -> Any:
        """Write the averaged weights to the folder, as a model that can be used."""

    @property
    def progress(self) -> float:
        if self.recipe.steps is not None:
            return min(1.0, self.step / self.recipe.steps)
        return min(1.0, self.seconds / (3600 * self.recipe.hours))

    def train(self, report: Callable[[Run, float], None], save_every: float = 60.0) -> None:
        """Train until the recipe's time is over; ``report(run, bpsp)`` after every step.

        Args:
            save_every: seconds from one checkpoint to the next; validation may be less frequent.
        """
        torch.set_num_threads(1)  # What runs between the parts is short.
        last_save = last_log = self.seconds
        pause = save_every
        recent: list[float] = []
        while self.progress < 1:
            start = time.perf_counter()
            recent.append(self._step())
            elapsed = time.perf_counter() - start
            if elapsed < PAUSE:
                self.seconds += elapsed
            report(self, recent[-1])
            if self.seconds - last_log >= pause or self.progress >= 1:
                last_log = self.seconds
                start = time.perf_counter()
                self._log({"train": float(np.mean(recent)), "validation": self.validate()})
                pause = max(save_every, _VALIDATION_PAUSE * (time.perf_counter() - start))
                recent = []
            if self.seconds - last_save >= save_every or self.progress >= 1:
                last_save = self.seconds
                self.save()

    def _step(self) -> float:
        rate = min(1.0, (self.step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * self.progress))
        groups = [group for o in self.optimisers for group in o.param_groups]
        for group, peak in zip(groups, self.rates, strict=True):
            group["lr"] = max(peak * rate, peak * 0.002)
        parts = list(self.pool.map(self._gradient, self.rngs))
        total = parts[0][0]
        for gradients, _ in parts[1:]:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(self.model.parameters(), total, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        list(self.pool.map(lambda optimiser: optimiser.step(), self.optimisers))
        decay = min(self.recipe.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        self.step += 1
        return sum(bpsp for _, bpsp in parts) / PARTS

    def _gradient(self, rng: np.random.Generator) -> tuple[tuple[Tensor, ...], float]:
        loss, bpsp = self.loss(rng)
        loss = loss / PARTS
        return torch.autograd.grad(loss, list(self.model.parameters()), materialize_grads=True), bpsp

    def _log(self, entry: dict[str, Any]) -> None:
        line = {"seconds": round(self.seconds, 1), "step": self.step, **entry}
        with open(self.folder / LOG, "a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        state = {
            "config": asdict(self.model.config),  # type: ignore[call-overload]
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "random": [rng.bit_generator.state for rng in self.rngs],
            "seconds": self.seconds,
            "step": self.step,
        }
        temporary = self.folder / (CHECKPOINT + ".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.folder / CHECKPOINT)

    def close(self) -> None:
        """Let other processes, or another run of this one, train in the folder."""
        self._lock.release()

    def _load(self) -> None:
        state = torch.load(self.folder / CHECKPOINT, weights_only=True)
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError:
            raise ModelError(f"{self.folder} holds a run of another network; choose another folder") from None
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for rng, saved in zip(self.rngs, state["random"], strict=True):
            rng.bit_generator.state = saved
        self.seconds, self.step = state["seconds"], state["step"]
