"""The walk through the integer network, whatever the backend."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from mulanzip.architecture import PASSES, Config
from mulanzip.exact.backends import Backend
from mulanzip.exact.model import IntegerModel
from mulanzip.inputs import base_prediction, input_planes, offset_planes
from mulanzip.lattice import PHASE_NAMES
from mulanzip.prediction import Prediction


class IntegerNetwork:
    """An integer model on a backend."""

    def __init__(self, model: IntegerModel, backend: Backend):
        self.backend = backend
        self.config: Config = model.config
        #: Layers by name, as the backend wants them.
        self.prepared = {name: backend.prepare(layer) for name, layer in model.layers.items()}
        #: Input channels of each layer.
        self.inputs = {name: layer.weight.shape[1] for name, layer in model.layers.items()}

    def features(self, planes: Tensor, index: int, level_class: int, earlier: Tensor | None) -> Tensor:
        """uint8 ``(B, INPUT_PLANES, h, w)`` -> uint8 ``(B, channels, h, w)`` of pass ``index``."""
        backend, name = self.backend, f"pass.{index}"
        x = planes.to(backend.device).contiguous(memory_format=torch.channels_last)
        start = None if earlier is None else earlier.clone()
        x = backend.activation(self.prepared[f"{name}.stem"], x, level_class, residual=start)
        for i in range(0, 2 * self.config.blocks, 2):
            inner = backend.activation(self.prepared[f"{name}.body.{i}"], x, level_class)
            x = backend.activation(self.prepared[f"{name}.body.{i + 1}"], inner, level_class, residual=x)
        return x

    def parameters(
        self, features: Tensor, planes: Tensor | None, phase: int, colour: int, level_class: int
    ) -> tuple[Tensor, Tensor]:
        """Head of a colour: uint8 shapes and float32 means that hold integers.

        Args:
            features: uint8 ``(B, channels, h, w)``; planes: uint8 offset planes of the colours before.
        """
        name = f"head.{PHASE_NAMES[phase]}.{colour}"
        if planes is not None:
            inputs = _joined(features, planes.to(features.device))
            hidden = self.backend.activation(self.prepared[f"{name}.hidden"], inputs, level_class)
            features = _joined(features, hidden)
        shapes = self.backend.activation(self.prepared[f"{name}.shapes"], features, level_class)
        means = self.backend.integers(self.prepared[f"{name}.means"], features, level_class)
        return shapes.cpu(), means.cpu()

    @torch.inference_mode()
    def _head(
        self, features: Tensor, offsets: np.ndarray, colour: int, *, phase: int, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`mulanzip.prediction.ColourHead`."""
        count = len(features)
        image = features.view(1, 1, count, -1).permute(0, 3, 1, 2)
        planes = offset_planes(torch.from_numpy(offsets)[None, :, None]) if colour else None
        shapes, means = self.parameters(image, planes, phase, colour, level_class)
        return shapes.reshape(-1, count).numpy(), means.to(torch.int32).reshape(-1, count).numpy()

    @torch.inference_mode()
    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        first: Tensor | None,
    ) -> tuple[dict[int, Prediction], Tensor]:
        """One step: the passes that predict ``phases``.

        Args:
            cells: uint8 ``(h, w, 4, 3)``; known: bool ``(h, w, 4)``.
            window: the rows and columns of cells whose predictions are wanted.
            phases: which phases to predict.
            level: lattice level of the cells.
            first: what the step before returned; None in the first step.

        Returns:
            a :class:`Prediction` for each of ``phases``, and features of the first pass for the next step.
        """
        level_class = self.config.level_class(level)
        cell_tensor = torch.from_numpy(cells).permute(2, 3, 0, 1)[None].to(torch.int32)
        known_tensor = torch.from_numpy(known).permute(2, 0, 1)[None]
        planes = input_planes(cell_tensor, known_tensor)
        if first is None or phases & set(PASSES[0]):
            first = self.features(planes, 0, level_class, None)
        predictions = {}
        for index, members in enumerate(PASSES):
            if not phases & set(members):
                continue
            features = self.features(planes, index, level_class, first) if index else first
            rows = features[0, :, window[0], window[1]].permute(1, 2, 0).reshape(-1, features.shape[1])
            for phase in members:
                if phase in phases:
                    base = base_prediction(cell_tensor, known_tensor, phase)[0, :, window[0], window[1]]
                    head = partial(self._head, phase=phase, level_class=level_class)
                    predictions[phase] = Prediction(rows, base.reshape(3, -1).numpy(), head)
        return predictions, first


def _joined(one: Tensor, other: Tensor) -> Tensor:
    """Both along the channels, in channels-last memory."""
    return torch.cat((one, other), 1).contiguous(memory_format=torch.channels_last)
