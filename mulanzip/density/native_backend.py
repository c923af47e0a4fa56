"""The native library as a backend: what codes on a CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mulanzip.density.backends import Backend
from mulanzip.density.inner_threads import split_rows
from mulanzip.density.model import Layer
from mulanzip.density.sample_scale import SampleScale
from mulanzip.errors import ModelError
from mulanzip.native import network
from mulanzip.native.network import Cells, PackedHead, PackedLayer, PackedPass


@dataclass(frozen=True)
class _Single:
    packed: PackedLayer
    biases: np.ndarray


@dataclass(frozen=True)
class _Pass:
    """``biases``: int32 ``(level_classes, layers, outputs)``."""

    packed: PackedPass
    biases: np.ndarray


@dataclass(frozen=True)
class _Head:
    """Biases: int32 ``(level_classes, outputs)``."""

    packed: PackedHead
    hidden_biases: np.ndarray | None
    out_biases: np.ndarray


#: The environment variable that forces a kernel.
KERNEL_VARIABLE = "MULANZIP_KERNEL"


def kernels_to_use() -> list[str]:
    """The kernels of this machine, the fastest first; or the one that the environment asks for.

    Raises:
        ModelError: if this machine does not run that one.
    """
    found, asked = network.kernels(), os.environ.get(KERNEL_VARIABLE)
    if asked and asked not in found:
        raise ModelError(f"{KERNEL_VARIABLE}={asked}: this machine runs {', '.join(found)}")
    return [asked] if asked else found


class NativeBackend(Backend):
    """A kernel of the library.

    Args:
        kernel: one of :func:`mulanzip.native.network.kernels`.
    """

    def __init__(self, kernel: str) -> None:
        self.name = f"native {kernel}"
        self._kernel = kernel
        #: Packed layers by the weights they come from, which adapted models share.
        self._packed: dict[tuple[int | None, ...], tuple[list[Layer], PackedLayer]] = {}

    def array(self, x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x)

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def _pack(self, layers: list[Layer], split: int | None = None) -> PackedLayer:
        """Layers of the same inputs as one, packed once for all biases."""
        key = split, *(id(layer.weight) for layer in layers)
        if key not in self._packed:
            weight = np.concatenate([layer.weight for layer in layers])
            shift = np.concatenate([layer.shift for layer in layers])
            # The layers are kept, so that no other weights get their identity.
            self._packed[key] = layers, PackedLayer(self._kernel, weight, shift, split)
        return self._packed[key][1]

    def prepare(self, layer: Layer) -> _Single:
        return _Single(self._pack([layer]), np.ascontiguousarray(layer.bias))

    def activation(
        self, prepared: object, x: np.ndarray, level_class: int, residual: np.ndarray | None = None
    ) -> np.ndarray:
        assert isinstance(prepared, _Single)
        return network.run_layer(prepared.packed, prepared.biases[level_class], x, residual, saturate=True)

    def integers(self, prepared: object, x: np.ndarray, level_class: int) -> np.ndarray:
        assert isinstance(prepared, _Single)
        return network.run_layer(prepared.packed, prepared.biases[level_class], x, None, saturate=False)

    def input_planes(self, cells: np.ndarray, known: np.ndarray, sample_scale: SampleScale) -> np.ndarray:
        return Cells(cells, known, sample_scale.count, sample_scale.log2_steps).input_planes()

    def base_prediction(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        phase: int,
        window: tuple[slice, slice],
        sample_scale: SampleScale,
    ) -> np.ndarray:
        rows, columns = ((part.start, part.stop) for part in window)
        return Cells(cells, known, sample_scale.count, sample_scale.log2_steps).base_prediction(phase, rows, columns)

    def prepare_pass(self, layers: Sequence[Layer]) -> _Pass:
        biases = np.ascontiguousarray(np.stack([layer.bias for layer in layers], 1))
        return _Pass(PackedPass([self._pack([layer]) for layer in layers]), biases)

    def features(self, prepared: object, planes: np.ndarray, level_class: int, start: np.ndarray | None) -> np.ndarray:
        assert isinstance(prepared, _Pass)
        packed, biases = prepared.packed, prepared.biases[level_class]
        found = np.empty((*planes.shape[:3], packed.outputs), dtype=np.uint8)

        def run(rows: tuple[int, int]) -> None:
            packed.run(biases, planes, start, found, rows)

        split_rows(run, planes.shape[1], planes.shape[0] * planes.shape[2])
        return found

    def prepare_head(self, hidden: Layer | None, shapes: Layer, means: Layer) -> _Head:
        channels = None if hidden is None else shapes.weight.shape[1] - len(hidden.weight)
        inner = None if hidden is None else self._pack([hidden], channels)
        head = PackedHead(inner, self._pack([shapes, means], channels), len(shapes.weight))
        hidden_biases = None if hidden is None else np.ascontiguousarray(hidden.bias)
        return _Head(head, hidden_biases, np.concatenate((shapes.bias, means.bias), 1))

    def parameters(
        self, prepared: object, features: np.ndarray, planes: np.ndarray | None, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(prepared, _Head)
        hidden_biases = None if prepared.hidden_biases is None else prepared.hidden_biases[level_class]
        features = np.ascontiguousarray(features)
        return prepared.packed.run(hidden_biases, prepared.out_biases[level_class], features, planes)

    def offset_planes(self, offsets: np.ndarray) -> np.ndarray:
        return network.offset_planes(np.ascontiguousarray(offsets))
