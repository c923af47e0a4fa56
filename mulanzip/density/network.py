"""The integer network: the layers of a model on any backend."""

from __future__ import annotations

from copy import copy
from itertools import product

import numpy as np

from mulanzip.density.backends import Array, Backend
from mulanzip.density.config import HEADS, PASSES
from mulanzip.density.model import IntegerModel
from mulanzip.density.passes import PassPredictor
from mulanzip.density.sample_scale import SampleScale

#: Adapted networks that a network keeps: as many as models have presets, and more.
_KEPT = 32


class IntegerNetwork(PassPredictor):
    """An integer model on a backend."""

    def __init__(self, model: IntegerModel, backend: Backend):
        self._adapted: dict[bytes, IntegerNetwork] = {}
        self.model = model
        self.backend = backend
        self.config = model.config
        layers, body = model.layers, range(2 * model.config.blocks)
        self._passes = [
            backend.prepare_pass([layers[f"pass.{i}.stem"], *(layers[f"pass.{i}.body.{j}"] for j in body)])
            for i in range(len(PASSES))
        ]
        self._heads = {}
        for name, colour in product(HEADS, range(self.config.colours)):
            head = f"head.{name}.{colour}"
            hidden = layers.get(f"{head}.hidden")
            self._heads[name, colour] = backend.prepare_head(hidden, layers[f"{head}.shapes"], layers[f"{head}.means"])

    def at(self, sample_scale: SampleScale) -> IntegerNetwork:
        """The same network for samples of another scale."""
        other = copy(self)
        other.sample_scale = sample_scale
        return other

    def adapted(self, context: np.ndarray) -> IntegerNetwork:
        """The same network for images with this context, int8 ``(entries,)``: many small images share presets."""
        key = context.tobytes()
        found = self._adapted.get(key)
        if found is None:
            found = IntegerNetwork(self.model.adapted(context), self.backend)
            if len(self._adapted) >= _KEPT:
                self._adapted.clear()
            self._adapted[key] = found
        return found.at(self.sample_scale)

    def input_planes(self, cells: np.ndarray, known: np.ndarray) -> Array:
        return self.backend.input_planes(cells, known, self.sample_scale)

    def base_prediction(
        self, cells: np.ndarray, known: np.ndarray, phase: int, window: tuple[slice, slice]
    ) -> np.ndarray:
        return self.backend.base_prediction(cells, known, phase, window, self.sample_scale)

    def features(self, planes: Array, index: int, level_class: int, pass0_features: Array | None) -> Array:
        return self.backend.features(self._passes[index], planes, level_class, pass0_features)

    def parameters(
        self, features: Array, planes: np.ndarray | None, head: str, colour: int, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of a colour; see :meth:`mulanzip.density.backends.Backend.parameters`."""
        return self.backend.parameters(self._heads[head, colour], features, planes, level_class)

    def head(
        self, features: Array, offsets: np.ndarray, colour: int, *, name: str, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        planes = self.backend.offset_planes(offsets) if colour else None
        return self.parameters(features, planes, name, colour, level_class)
