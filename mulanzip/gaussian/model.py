"""MULAN's parts as one model, and its safetensors file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mulanzip.errors import ModelError
from mulanzip.gaussian import flow, variational
from mulanzip.gaussian.context_encoder import ContextEncoder
from mulanzip.gaussian.denoiser import COLOURS, SIDE_MULTIPLE, GaussianDenoiser
from mulanzip.gaussian.flow import Likelihood
from mulanzip.gaussian.forward import GAMMA_MIN, alpha, to_unit, to_values
from mulanzip.gaussian.noise_schedule import (
    LinearSchedule,
    NoisePath,
    NoiseSchedule,
    PolynomialSchedule,
    ScalarSchedule,
)
from mulanzip.gaussian.subsets import SubsetDistribution
from mulanzip.gaussian.variational import Bound, Denoise, reverse_step
from mulanzip.registry import GAUSSIAN_FORMAT

#: Prefix of the names of tensors that belong to the integer form.
EXACT_PREFIX = "exact."
NOISES = ("linear", "scalar", "multivariate", "adaptive")
_LIMITS = {
    "channels": range(1, 1025),
    "blocks": range(1, 33),
    "bits": range(257),
    "active": range(257),
    "side": range(SIDE_MULTIPLE, 1025, SIDE_MULTIPLE),
}


@dataclass(frozen=True)
class GaussianConfig:
    """Shape of a model.  Stored in its file under the names of these fields.

    Attributes:
        noise: one of :data:`NOISES`; an adaptive schedule depends on the context.
        bits: length of the context; 0 for no context.
        active: number of context bits that are on.
        steps: number of steps that the model was trained for; None for infinitely many.
        channels, blocks: width and depth of the denoiser.
        side: side of the tiles that the model was trained on, in pixels.
    """

    noise: str = "adaptive"
    bits: int = 50
    active: int = 15
    steps: int | None = None
    channels: int = 64
    blocks: int = 1
    side: int = 32

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ModelError: naming the field.
        """
        for name, limits in _LIMITS.items():
            if type(size := getattr(self, name)) is not int or size not in limits:
                raise ModelError(f"configuration out of range: {name} is {size!r}")
        if self.noise not in NOISES:
            raise ModelError(f"configuration out of range: noise is {self.noise!r}, not one of {', '.join(NOISES)}")
        if self.steps is not None and (type(self.steps) is not int or self.steps < 1):
            raise ModelError(f"configuration out of range: steps is {self.steps!r}")
        if self.bits and not 0 < self.active < self.bits:
            raise ModelError(f"configuration out of range: {self.active} of {self.bits} bits are on")
        if self.noise == "adaptive" and not self.bits:
            raise ModelError("configuration out of range: adaptive noise needs a context")


#: Noise processes as published, and two ablations (``+c``) in which the denoiser alone sees the context.
PROCESSES = {
    "linear": GaussianConfig("linear", bits=0),
    "scalar": GaussianConfig("scalar", bits=0),
    "multivariate": GaussianConfig("multivariate", bits=0),
    "mulan": GaussianConfig("adaptive"),
    "scalar+c": GaussianConfig("scalar"),
    "multivariate+c": GaussianConfig("multivariate"),
}


def _new_schedule(config: GaussianConfig) -> NoiseSchedule:
    if config.noise == "linear":
        return LinearSchedule()
    if config.noise == "scalar":
        return ScalarSchedule()
    return PolynomialSchedule(config.bits if config.noise == "adaptive" else 0)


class GaussianModel(nn.Module):
    """Noise schedule, denoiser and, if there is a context, its encoder.

    Images are uint8 ``(B, 3, H, W)``, colours in coding order, sides multiples of 4.  The given generator is the only
    source of randomness.
    """

    def __init__(self, config: GaussianConfig):
        super().__init__()
        self.config = config
        self.denoiser = GaussianDenoiser(config.channels, config.blocks, config.bits)
        self.schedule = _new_schedule(config)
        self.encoder = ContextEncoder(config.bits, config.active) if config.bits else None

    def contexts(self, images: Tensor) -> SubsetDistribution | None:
        """Distributions over the contexts of images; None if the model has no context."""
        return None if self.encoder is None else self.encoder(to_unit(images))

    def conditioned(self, size: tuple[int, int], context: Tensor | None) -> tuple[Denoise, NoisePath]:
        """Denoiser and schedule for images of ``size`` with these contexts, float32 ``(B, bits)``."""
        return partial(self.denoiser, context=context), self.schedule.path(size, context)

    def bound(self, images: Tensor, steps: int | None, generator: torch.Generator) -> Bound:
        """The variational bound with ``steps`` steps (None: infinitely many), estimated with one time per image.

        It is differentiable; samples of the context have the gradient of its marginals.
        """
        u = to_unit(images)
        subsets = self.contexts(images)
        context, cost = None, torch.zeros(len(u))
        if subsets is not None:
            context, cost = subsets.relaxed(generator), variational.to_bits(subsets.cost[:, None]).float()
        denoise, path = self.conditioned((u.shape[2], u.shape[3]), context)
        noise = torch.randn(u.shape, generator=generator)
        return Bound(
            variational.reconstruction(images, noise),
            variational.prior(u),
            variational.diffusion(denoise, path, u, steps, generator),
            cost,
            u[0].numel(),
        )

    @torch.no_grad()
    def evaluate(self, images: Tensor, steps: int | None, seed: int = 0, draws: int = 1, batch: int = 128) -> Bound:
        """The bound on each image.

        All models without a context use the same noise, and so do all models with one.

        Args:
            draws: draws of time and noise to average over per image.
            batch: number of images per batch.
        """
        generator = torch.Generator().manual_seed(seed)
        rounds = [Bound.join([self.bound(b, steps, generator) for b in images.split(batch)]) for _ in range(draws)]
        return Bound.mean(rounds)

    @torch.no_grad()
    def likelihood(
        self, images: Tensor, generator: torch.Generator, samples: int = 1, tolerance: float = 1e-5
    ) -> Likelihood:
        """The likelihood of the probability-flow ODE, see :func:`mulanzip.gaussian.flow.likelihood`.

        The context is sampled once; the bits include its cost.
        """
        u = to_unit(images)
        subsets = self.contexts(images)
        context = None if subsets is None else subsets.sample(generator)
        denoise, path = self.conditioned((u.shape[2], u.shape[3]), context)
        found = flow.likelihood(denoise, path, u, generator, samples, tolerance)
        return (
            found if subsets is None else replace(found, bits=found.bits + variational.to_bits(subsets.cost[:, None]))
        )

    @torch.no_grad()
    def sample(self, count: int, size: tuple[int, int], steps: int, generator: torch.Generator) -> Tensor:
        """Draw images, uint8 ``(count, 3, height, width)``: contexts from their prior, then ``steps`` steps back."""
        config, context = self.config, None
        if config.bits:
            context = SubsetDistribution.from_logits(torch.zeros(count, config.bits), config.active).sample(generator)
        denoise, path = self.conditioned(size, context)
        z = torch.randn(count, COLOURS, *size, generator=generator)
        later = path(torch.ones(1))[0].expand_as(z)
        for step in range(steps - 1, -1, -1):
            earlier = path(torch.tensor([step / steps]))[0].expand_as(z)
            found = reverse_step(denoise(z, later), z, earlier, later)
            z = found.mean + found.variance.sqrt() * torch.randn(z.shape, generator=generator)
            later = earlier
        return to_values(z / alpha(torch.tensor(GAMMA_MIN)))


def _digest(config: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the format, the configuration as written, and the weights."""
    state = hashlib.sha256(f"{GAUSSIAN_FORMAT} {config}".encode())
    for name, tensor in sorted(tensors.items()):
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensor.contiguous().numpy().tobytes())
    return state.hexdigest()


def save(
    model: GaussianModel,
    path: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
    exact: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a model.

    Args:
        exact: the tensors of its integer form, see :class:`mulanzip.gaussian.exact.trained.TrainedModel`.
    """
    config, tensors = json.dumps(asdict(model.config)), {k: v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in (exact or {}).items()}
    own = {"format": GAUSSIAN_FORMAT, "config": config, "sha256": _digest(config, tensors)}
    save_file(tensors, path, {**(metadata or {}), **own})


def read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a model's file.

    Raises:
        ModelError: if the file is missing, damaged, or of another format.
    """
    name = Path(path).name
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read model {name}: {error}") from None
    if metadata.get("format") != GAUSSIAN_FORMAT:
        raise ModelError(f"{name} is not a model of format {GAUSSIAN_FORMAT}")
    if _digest(metadata.get("config", ""), tensors) != metadata.get("sha256"):
        raise ModelError(f"model {name} is damaged: its content does not match its hash")
    return metadata, tensors


def load(path: str | os.PathLike[str]) -> GaussianModel:
    """Read a model for inference.

    Raises:
        ModelError: if the file is missing, damaged, or of another format.
    """
    metadata, tensors = read(path)
    try:
        with torch.random.fork_rng(devices=()):  # Initial weights are random; the host's random state stays as it is.
            model = GaussianModel(GaussianConfig(**json.loads(metadata["config"])))
        model.load_state_dict({key: tensor for key, tensor in tensors.items() if not key.startswith(EXACT_PREFIX)})
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise ModelError(f"model {Path(path).name} is incomplete or its configuration is broken") from None
    return model.requires_grad_(False)
