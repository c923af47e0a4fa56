"""The layers of the integer network in order, on any backend."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.backends import Backend
from mulanzip.density.inputs import offset_planes
from mulanzip.density.model import IntegerModel
from mulanzip.density.passes import PassPredictor
from mulanzip.density.sample_scale import SampleScale


class IntegerNetwork(PassPredictor):
    """An integer model on a backend."""

    def __init__(self, model: IntegerModel, backend: Backend):
        self.model = model
        self.backend = backend
        self.config = model.config
        #: Layers by name, in the form of the backend.
        self.prepared = {name: backend.prepare(layer) for name, layer in model.layers.items()}
        #: Input channels of each layer.
        self.inputs = {name: layer.weight.shape[1] for name, layer in model.layers.items()}

    def at(self, sample_scale: SampleScale) -> IntegerNetwork:
        """The same network for samples of another scale."""
        other = copy(self)
        other.sample_scale = sample_scale
        return other

    def features(self, planes: Tensor, index: int, level_class: int, pass0_features: Tensor | None) -> Tensor:
        """uint8 ``(B, input planes, h, w)`` -> uint8 ``(B, channels, h, w)`` of pass ``index``."""
        backend, name = self.backend, f"pass.{index}"
        x = planes.to(backend.device).contiguous(memory_format=torch.channels_last)
        # A copy, because backends may overwrite it and later steps need it.
        start = None if pass0_features is None else pass0_features.clone()
        x = backend.activation(self.prepared[f"{name}.stem"], x, level_class, residual=start)
        for i in range(0, 2 * self.config.blocks, 2):
            inner = backend.activation(self.prepared[f"{name}.body.{i}"], x, level_class)
            x = backend.activation(self.prepared[f"{name}.body.{i + 1}"], inner, level_class, residual=x)
        return x

    def parameters(
        self, features: Tensor, planes: Tensor | None, head: str, colour: int, level_class: int
    ) -> tuple[Tensor, Tensor]:
        """Parameters of a colour: uint8 shapes, and means as integers in float32.

        Args:
            features: uint8 ``(B, channels, h, w)``.
            planes: uint8 offset planes of the colours before; None for the first colour.
        """
        name = f"head.{head}.{colour}"
        if planes is not None:
            inputs = _joined(features, planes.to(features.device))
            hidden = self.backend.activation(self.prepared[f"{name}.hidden"], inputs, level_class)
            features = _joined(features, hidden)
        shapes = self.backend.activation(self.prepared[f"{name}.shapes"], features, level_class)
        means = self.backend.integers(self.prepared[f"{name}.means"], features, level_class)
        return shapes.cpu(), means.cpu()

    @torch.inference_mode()
    def head(
        self, features: Tensor, offsets: np.ndarray, colour: int, *, name: str, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`mulanzip.density.prediction.ColourHead`."""
        count = len(features)
        image = features.view(1, 1, count, -1).permute(0, 3, 1, 2)
        planes = offset_planes(torch.from_numpy(offsets)[None, :, None]) if colour else None
        shapes, means = self.parameters(image, planes, name, colour, level_class)
        # The network returns one row per cell, the likelihood takes one row per parameter.  NumPy transposes fastest.
        by_parameter = shapes.numpy().reshape(-1, count)
        return np.ascontiguousarray(by_parameter), means.numpy().reshape(-1, count).astype(np.int32, order="C")


def _joined(one: Tensor, other: Tensor) -> Tensor:
    """Concatenate along the channels, in channels-last memory."""
    return torch.cat((one.permute(0, 2, 3, 1), other.permute(0, 2, 3, 1)), 3).permute(0, 3, 1, 2)
