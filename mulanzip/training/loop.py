"""The training loop: resumable, logged, measured in optimiser steps.  Subclasses say what is trained."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from mulanzip.density.torch_threads import limit_torch_threads, torch_threads
from mulanzip.errors import ModelError, MulanzipError
from mulanzip.floatnet.precision import has_fast_bfloat16
from mulanzip.limits import available_cores
from mulanzip.training.muon import Muon
from mulanzip.training.recipe import Recipe
from mulanzip.training.supply import Supply

CHECKPOINT = "checkpoint.pt"
LOCK = "lock"
LOG = "log.jsonl"
MODEL = "model.safetensors"
#: Parts of a batch.  A processor computes their gradients in parallel, each in a thread of its own: threads that share
#: every operator would wait for each other at every operator.  A CUDA device takes one after the other.
PARTS = 2
#: Optimiser steps from one validation, log entry and checkpoint to the next.
_VALIDATION_STEPS = 1000
#: Longest time without a checkpoint, in seconds.
_SAVE_SECONDS = 60.0
#: Steps over which learning rates rise at the start of a run.
_WARM_UP_STEPS = 100


class Run(ABC):
    """A training run in a folder: weights, EMA, optimisers, random state, log.

    The clock decides when checkpoints are written.  It has no effect on the weights.

    Attributes:
        pool: one thread per part, for work that takes one core each.
        device: where the weights are and gradients are computed.
        autocast: whether products are computed in bfloat16.
        model, average: the network and the running average of its weights, both with a ``config``.
        step: number of optimiser steps made.
        seconds: wall time spent in them.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: nn.Module,
        matrices: Iterable[nn.Parameter],
        recipe: Recipe,
        rates: Iterable[tuple[nn.Module, float]] = (),
        device: str = "cpu",
    ):
        """Resume the run in ``folder``, or begin one with this ``model``.

        Args:
            matrices: parameters for orthogonalised updates; Adam takes the others.
            rates: parts of the model for Adam with learning rates of their own.
            device: that trains the model, ``cpu`` or ``cuda``.

        Raises:
            ModelError: if ``folder`` holds a run of another network.
            MulanzipError: if another process is training in ``folder``.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two processes in one folder would overwrite each other's state.  Held until close() or the process ends.
        self._lock = FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise MulanzipError(f"{folder}: another process is training in this folder") from None
        self.recipe = recipe
        self.device = torch.device(device)
        self.autocast = self.device.type != "cpu" or has_fast_bfloat16()
        self._batches: Supply | None = None
        self.pool = ThreadPoolExecutor(PARTS, initializer=limit_torch_threads, initargs=(1,))
        self.model = model.to(device)
        self.average = copy.deepcopy(model).requires_grad_(False)
        matrices = list(matrices)
        special: list[dict[str, Any]] = [
            {"params": list(part.parameters()), "lr": recipe.rate * rate} for part, rate in rates
        ]
        taken = {id(p) for p in matrices}.union(id(p) for group in special for p in group["params"])
        others: dict[str, Any] = {"params": [p for p in model.parameters() if id(p) not in taken]}
        # Orthogonalised updates of the matrices converge far faster than Adam alone (models/photo/TRAINING.md).
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
    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one of :data:`PARTS` of a batch, in the processor's memory.

        Args:
            rng: the only random source to use.
        """

    @abstractmethod
    def loss(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The loss of the next step on one part of its batch, and its bits per subpixel, without gradient.

        Parts may run at the same time.
        """

    @abstractmethod
    def validate(self) -> float:
        """Bits per subpixel of the averaged weights on the validation images."""

    @abstractmethod
    def export(self) -> Any:
        """Write the averaged weights to the folder, as a model file."""

    @property
    def progress(self) -> float:
        """Fraction of the recipe's steps that are done, 0 to 1."""
        return min(1.0, self.step / self.recipe.steps)

    def train(self, report: Callable[[Run, float], None], validation_steps: int = _VALIDATION_STEPS) -> None:
        """Train until the recipe's steps are done.

        Checkpoints are written with every log entry, and at least every minute.

        Args:
            report: called as ``report(run, bpsp)`` after every step.
            validation_steps: steps from one validation and log entry to the next; there is also one at the end.
        """
        with torch_threads(1):  # The work between the parts is short.
            recent: list[float] = []
            saved = time.monotonic()
            while self.step < self.recipe.steps:
                start = time.monotonic()
                recent.append(self._step())
                self.seconds += time.monotonic() - start
                report(self, recent[-1])
                is_due = self.step % validation_steps == 0 or self.step == self.recipe.steps
                if is_due:
                    self._log({"train": float(np.mean(recent)), "validation": self.validate()})
                    recent = []
                if is_due or time.monotonic() - saved >= _SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()

    def _step(self) -> float:
        rate = min(1.0, (self.step + 1) / _WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * self.progress))
        groups = [group for o in self.optimisers for group in o.param_groups]
        for group, peak in zip(groups, self.rates, strict=True):
            group["lr"] = max(peak * rate, peak * 0.002)
        if self.device.type == "cpu":
            parts = list(self.pool.map(self._drawn_gradient, range(PARTS)))
        else:
            parts = [self._gradient(batch) for batch in self._ahead().take()]
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
        return float(torch.stack([bpsp for _, bpsp in parts]).mean())

    def _draw(self, step: int, part: int) -> Any:
        return self.draw(np.random.default_rng((self.recipe.seed, step, part)))

    def _ahead(self) -> Supply:
        if self._batches is None:
            self._batches = Supply(self._draw, self.step, PARTS, max(1, available_cores() - 1))
        return self._batches

    def _drawn_gradient(self, part: int) -> tuple[tuple[Tensor, ...], Tensor]:
        return self._gradient(self._draw(self.step, part))

    def _gradient(self, batch: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        loss, bpsp = self.loss(batch)
        loss = loss / PARTS
        return torch.autograd.grad(loss, list(self.model.parameters()), materialize_grads=True), bpsp

    def _log(self, entry: dict[str, Any]) -> None:
        line = {"seconds": round(self.seconds, 1), "step": self.step, **entry}
        with open(self.folder / LOG, "a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write a checkpoint.  It replaces the previous one only when it is complete."""
        state = {
            "config": asdict(self.model.config),  # type: ignore[call-overload]
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "seconds": self.seconds,
            "step": self.step,
        }
        temporary = self.folder / (CHECKPOINT + ".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.folder / CHECKPOINT)

    def close(self) -> None:
        """Release the folder for other processes and other runs, and end the workers."""
        if self._batches is not None:
            self._batches.close()
        self._lock.release()

    def _load(self) -> None:
        state = torch.load(self.folder / CHECKPOINT, map_location=self.device, weights_only=True)
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError:
            raise ModelError(f"{self.folder} holds a run of another network; choose another folder") from None
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.seconds, self.step = state["seconds"], state["step"]
