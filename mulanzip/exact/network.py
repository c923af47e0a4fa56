"""The walk through the integer network, whatever the backend."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mulanzip.architecture import HEADS, Config
from mulanzip.exact.backends import Backend
from mulanzip.exact.model import IntegerModel
from mulanzip.inputs import base_prediction, input_planes
from mulanzip.prediction import Prediction


class IntegerNetwork:
    """An integer model on a backend."""

    def __init__(self, model: IntegerModel, backend: Backend):
        self.backend = backend
        self.config: Config = model.config
        #: Layers by name, as the backend wants them.
        self.prepared = {name: backend.prepare(layer) for name, layer in model.named_layers()}

    def features(self, planes: Tensor, level_class: int) -> Tensor:
        """uint8 ``(B, INPUT_PLANES, h, w)`` -> uint8 ``(B, channels, h, w)``."""
        backend = self.backend
        x = planes.to(backend.device).contiguous(memory_format=torch.channels_last)
        x = backend.activation(self.prepared["stem"], x, level_class)
        for i in range(0, 2 * self.config.blocks, 2):
            inner = backend.activation(self.prepared[f"body.{i}"], x, level_class)
            x = backend.activation(self.prepared[f"body.{i + 1}"], inner, level_class, residual=x)
        return x

    def outputs(self, features: Tensor, head: int, level_class: int) -> tuple[Tensor, Tensor]:
        """Both layers of a head: uint8 shapes and float32 means that hold integers."""
        shapes = self.backend.activation(self.prepared[f"head.{head}.shapes"], features, level_class)
        means = self.backend.integers(self.prepared[f"head.{head}.means"], features, level_class)
        return shapes.cpu(), means.cpu()

    @torch.inference_mode()
    def predict(
        self, cells: np.ndarray, known: np.ndarray, window: tuple[slice, slice], phases: set[int], level: int
    ) -> dict[int, Prediction]:
        """One network evaluation.

        Args:
            cells: uint8 ``(h, w, 4, 3)``; known: bool ``(h, w, 4)``.
            window: the rows and columns of cells whose predictions are wanted.
            phases: which phases to predict.
            level: lattice level of the cells.

        Returns:
            a :class:`Prediction` for each of ``phases``.
        """
        level_class = self.config.level_class(level)
        cell_tensor = torch.from_numpy(cells).permute(2, 3, 0, 1)[None].to(torch.int32)
        known_tensor = torch.from_numpy(known).permute(2, 0, 1)[None]
        features = self.features(input_planes(cell_tensor, known_tensor), level_class)
        features = features[:, :, window[0], window[1]].contiguous(memory_format=torch.channels_last)
        count = features.shape[2] * features.shape[3]
        predictions = {}
        for head, members in enumerate(HEADS):
            if not phases & set(members):
                continue
            shapes, means = self.outputs(features, head, level_class)
            # One copy turns cells x channels into channels x cells, which the likelihood wants.
            shape_rows = shapes.permute(1, 0, 2, 3).reshape(len(members), -1, count).numpy()
            mean_rows = means.permute(1, 0, 2, 3).to(torch.int32).reshape(len(members), -1, count).numpy()
            for i, phase in enumerate(members):
                if phase in phases:
                    base = base_prediction(cell_tensor, known_tensor, phase)[0, :, window[0], window[1]]
                    predictions[phase] = Prediction(shape_rows[i], mean_rows[i], base.reshape(3, -1).numpy())
        return predictions
