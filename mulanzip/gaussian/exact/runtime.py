"""A trained model, ready to code: loaded, validated, and self-tested on the first backend that passes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from mulanzip.density.model_cache import ModelCache, file_version
from mulanzip.density.runtime import GOLDEN_KEY, candidates, choose
from mulanzip.gaussian.exact.images import COLOURS
from mulanzip.gaussian.exact.integer_denoiser import IntegerDenoiser
from mulanzip.gaussian.exact.selftest import golden_digest
from mulanzip.gaussian.exact.trained import TrainedModel
from mulanzip.gaussian.model import GaussianModel, load, read
from mulanzip.registry import ModelInfo


@dataclass(frozen=True)
class GaussianRuntime:
    """A model in integers and its network on a backend.

    Attributes:
        info: the model's file, from which the context encoder is loaded when it is needed.
    """

    model: TrainedModel
    denoiser: IntegerDenoiser
    info: ModelInfo

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the images that the model codes: (height, width, colours)."""
        return (self.model.side, self.model.side, COLOURS)

    @torch.no_grad()
    def contexts(self, images: np.ndarray) -> np.ndarray:
        """The most probable context of each image: bool ``(B, bits)``.  For encoding only; files carry contexts.

        Args:
            images: uint8 ``(B, 3, side, side)`` in coding order of colours.
        """
        config = self.model.config
        found = np.zeros((len(images), config["bits"]), dtype=bool)
        if config["bits"]:
            encoder = _encoders.get(file_version(self.info.path), partial(load, self.info.path))
            subsets = encoder.contexts(torch.from_numpy(images))
            assert subsets is not None
            chosen = subsets.logits.topk(config["active"], 1).indices
            np.put_along_axis(found, chosen.numpy(), True, 1)
        return found


_runtimes = ModelCache[GaussianRuntime](lambda runtime: runtime.denoiser.backend.survives_fork)
_encoders = ModelCache[GaussianModel](lambda _: True)


def open_gaussian(info: ModelInfo, device: str = "auto") -> GaussianRuntime:
    """Load a model and choose a backend; both are cached.

    Raises:
        ModelError: if the model is damaged or cannot compress, or the device is missing.
        ValueError: for an unknown device.
    """

    def load_runtime() -> GaussianRuntime:
        backends = candidates(device)
        metadata, tensors = read(info.path)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        model = TrainedModel.from_tensors(json.loads(metadata["config"]), arrays)
        build = partial(IntegerDenoiser, model.layers, model.direct_shift, model.direct_bias, model.config["blocks"])
        digest = partial(golden_digest, bits=model.config["bits"])
        return GaussianRuntime(model, choose(backends, build, digest, metadata.get(GOLDEN_KEY)), info)

    return _runtimes.get((file_version(info.path), device), load_runtime)
