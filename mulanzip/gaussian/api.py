"""Functions on RGB arrays: code length, likelihood, samples and context features of a model of Gaussian noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mulanzip import registry
from mulanzip.errors import UnsupportedImageError
from mulanzip.gaussian.denoiser import COLOURS, SIDE_MULTIPLE
from mulanzip.gaussian.flow import Likelihood
from mulanzip.gaussian.model import GaussianModel, load
from mulanzip.gaussian.variational import Bound
from mulanzip.image.channels import from_coding_order, to_coding_order

#: Images per batch: larger batches take more memory without saving time.
_BATCH = 64


def open_model(name: str = registry.DEFAULT_GAUSSIAN_MODEL) -> GaussianModel:
    """Load a model of Gaussian noise by name or path.

    Raises:
        ModelError: if there is none, or it is damaged or of another kind.
    """
    return load(registry.find(name, "gaussian").path)


def as_tensor(images: np.ndarray) -> Tensor:
    """RGB uint8 ``(B, H, W, 3)`` -> the models' input, uint8 ``(B, 3, H, W)`` in coding order of colours.

    Raises:
        UnsupportedImageError: for other arrays, or sides that are no multiples of 4.
    """
    if images.ndim != 4 or images.shape[3] != COLOURS or images.dtype != np.uint8 or not len(images):
        raise UnsupportedImageError(f"images must be uint8 (B, H, W, 3), not {images.dtype} {images.shape}")
    if any(side % SIDE_MULTIPLE or not side for side in images.shape[1:3]):
        raise UnsupportedImageError(
            f"sides must be multiples of {SIDE_MULTIPLE}, not {images.shape[1]}x{images.shape[2]}"
        )
    return torch.from_numpy(to_coding_order(images).transpose(0, 3, 1, 2).copy())


def bound(model: GaussianModel, images: np.ndarray, steps: int | None = None, draws: int = 1, seed: int = 0) -> Bound:
    """The variational bound on each image in bits, with ``steps`` steps or (None) infinitely many.

    Args:
        images: RGB uint8 ``(B, H, W, 3)``.
        draws: draws of time and noise to average over per image.  One is inaccurate for a single image, and accurate
            for the mean of a thousand.

    Raises:
        UnsupportedImageError: as :func:`as_tensor` does.
    """
    return model.evaluate(as_tensor(images), steps, seed, draws)


def likelihood(
    model: GaussianModel, images: np.ndarray, samples: int = 1, seed: int = 0, tolerance: float = 1e-5
) -> Likelihood:
    """Bits of each image under the probability-flow ODE, see :func:`mulanzip.gaussian.flow.likelihood`.

    Raises:
        UnsupportedImageError: as :func:`as_tensor` does.
        MulanzipError: if scipy is not installed.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [model.likelihood(b, generator, samples, tolerance) for b in as_tensor(images).split(_BATCH)]
    return Likelihood(torch.cat([p.bits for p in parts]), parts[0].subpixels, max(p.evaluations for p in parts))


def sample(model: GaussianModel, count: int, steps: int = 256, seed: int = 0) -> np.ndarray:
    """Draw images from the model: RGB uint8 ``(count, side, side, 3)``.  The same seed gives the same images."""
    generator = torch.Generator().manual_seed(seed)
    side = model.config.side
    parts = [
        model.sample(min(_BATCH, count - start), (side, side), steps, generator) for start in range(0, count, _BATCH)
    ]
    return from_coding_order(torch.cat(parts).permute(0, 2, 3, 1).numpy())


def features(model: GaussianModel, images: np.ndarray) -> np.ndarray:
    """The probability of each bit of the context: float32 ``(B, bits)``, a description of each image.

    Raises:
        UnsupportedImageError: as :func:`as_tensor` does, or if the model has no contexts.
    """
    with torch.no_grad():
        parts = [model.contexts(b) for b in as_tensor(images).split(_BATCH)]
    found = [p.marginals for p in parts if p is not None]
    if not found:
        raise UnsupportedImageError("this model has no contexts")
    return torch.cat(found).float().numpy()


def grid(images: np.ndarray) -> np.ndarray:
    """Arrange images ``(B, H, W, 3)`` in rows, as one roughly square image.  Empty cells are black."""
    count, height, width, colours = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    whole = np.zeros((rows * columns, height, width, colours), dtype=images.dtype)
    whole[:count] = images
    return np.ascontiguousarray(
        whole.reshape(rows, columns, height, width, colours)
        .transpose(0, 2, 1, 3, 4)
        .reshape(rows * height, -1, colours)
    )
