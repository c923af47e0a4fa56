"""Backends of torch: the float64 reference, by which others are judged, and CUDA.

Maps are tensors ``(B, h, w, C)`` on the backend's device.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mulanzip.density import inputs
from mulanzip.density.backends import Backend
from mulanzip.density.inner_threads import inner_thread_count
from mulanzip.density.model import Layer
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.torch_threads import torch_threads

P = ParamSpec("P")
R = TypeVar("R")


def _inference(function: Callable[P, R]) -> Callable[P, R]:
    """Run without gradients, on as many threads as may share a map."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(), torch_threads(inner_thread_count()):
            return function(*args, **kwargs)

    return run


def _multiplier(layer: Layer) -> Tensor:
    """``2**-shift`` per output channel: float64."""
    return torch.from_numpy(np.ldexp(1.0, -layer.shift.astype(np.int32)))


class TorchBackend(Backend):
    """Passes and heads, layer by layer; subclasses run a layer."""

    device = torch.device("cpu")

    @abstractmethod
    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        """``sum * 2**-shift``: float64 ``(B, h, w, out)``."""

    def array(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).to(self.device)

    def numpy(self, x: Tensor) -> np.ndarray:
        return x.cpu().numpy()

    @_inference
    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        scaled = self._scaled(prepared, x, level_class)
        if residual is not None:
            scaled = scaled + residual
        return scaled.round().clamp(0, 255).to(torch.uint8)

    @_inference
    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return self._scaled(prepared, x, level_class).round().to(torch.int32)

    @_inference
    def input_planes(self, cells: np.ndarray, known: np.ndarray, sample_scale: SampleScale) -> Tensor:
        planes = inputs.input_planes(*self._cells(cells, known, sample_scale), sample_scale)
        return planes.permute(0, 2, 3, 1).contiguous()

    @_inference
    def base_prediction(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        phase: int,
        window: tuple[slice, slice],
        sample_scale: SampleScale,
    ) -> np.ndarray:
        base = inputs.base_prediction(*self._cells(cells, known, sample_scale), phase, sample_scale)
        return base[..., window[0], window[1]].transpose(0, 1).reshape(base.shape[1], -1).cpu().numpy()

    def _cells(self, cells: np.ndarray, known: np.ndarray, sample_scale: SampleScale) -> tuple[Tensor, Tensor]:
        samples = torch.from_numpy(cells).permute(0, 3, 4, 1, 2).to(self.device, inputs.sample_type(sample_scale))
        return samples, torch.from_numpy(known).permute(2, 0, 1)[None].to(self.device)

    def prepare_pass(self, layers: Sequence[Layer]) -> list[object]:
        return [self.prepare(layer) for layer in layers]

    @_inference
    def features(self, prepared: object, planes: Tensor, level_class: int, start: Tensor | None) -> Tensor:
        assert isinstance(prepared, list)
        stem, *body = prepared
        x: Tensor = self.activation(stem, planes, level_class, start)
        for first, second in zip(body[::2], body[1::2], strict=True):
            x = self.activation(second, self.activation(first, x, level_class), level_class, x)
        return x

    def prepare_head(self, hidden: Layer | None, shapes: Layer, means: Layer) -> tuple[object, object, object]:
        return None if hidden is None else self.prepare(hidden), self.prepare(shapes), self.prepare(means)

    @_inference
    def parameters(
        self, prepared: object, features: Tensor, planes: np.ndarray | None, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(prepared, tuple)
        hidden, shapes, means = prepared
        x = features[None, None]
        if planes is not None:
            inputs = torch.cat((x, self.array(planes)[None, None]), 3)
            x = torch.cat((x, self.activation(hidden, inputs, level_class)), 3)
        found = self.activation(shapes, x, level_class), self.integers(means, x, level_class)
        one, other = (np.ascontiguousarray(self.numpy(part)[0, 0].T) for part in found)
        return one, other

    def offset_planes(self, offsets: np.ndarray) -> np.ndarray:
        return inputs.offset_planes(torch.from_numpy(offsets)[None, :, None])[0, :, 0].T.contiguous().numpy()


class _Float64Layer:
    """A layer whose integers are stored as float64."""

    def __init__(self, layer: Layer, device: torch.device):
        self.weight = torch.from_numpy(layer.weight).to(device, torch.float64)
        self.bias = torch.from_numpy(layer.bias).to(device, torch.float64)
        self.multiplier = _multiplier(layer).to(device)
        self.padding = layer.weight.shape[2] // 2


class ReferenceBackend(TorchBackend):
    """Plain float64 convolutions: slow, and exact in every order of summation."""

    name = "reference"

    def prepare(self, layer: Layer) -> _Float64Layer:
        return _Float64Layer(layer, self.device)

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        assert isinstance(prepared, _Float64Layer)
        planar = x.permute(0, 3, 1, 2).to(torch.float64)
        total = F.conv2d(planar, prepared.weight, prepared.bias[level_class], padding=prepared.padding)
        return total.permute(0, 2, 3, 1) * prepared.multiplier


class _Unfolded:
    """A layer as a matrix.  ``_int_mm`` multiplies int8, so activations are shifted by -128; the bias corrects this."""

    def __init__(self, layer: Layer, device: torch.device):
        self.outputs, _, self.size, _ = layer.weight.shape
        weight = torch.from_numpy(layer.weight).permute(2, 3, 1, 0).reshape(-1, self.outputs)
        bias = torch.from_numpy(layer.bias) + 128 * weight.to(torch.int32).sum(0, dtype=torch.int32)
        self.bias = bias.to(device)
        self.weight = F.pad(weight, (0, -self.outputs % 8, 0, -len(weight) % 8)).contiguous().to(device)
        self.multiplier = _multiplier(layer).to(device)


class CudaBackend(TorchBackend):
    """Exact int32 matrix products on a GPU: unfolded inputs and ``torch._int_mm`` instead of ``conv2d``."""

    name = "cuda"
    survives_fork = False
    _ROWS = 32  # _int_mm needs more than 16 rows, and multiples of 8 in the other dimensions.

    def __init__(self) -> None:
        self.device = torch.device("cuda")

    def prepare(self, layer: Layer) -> _Unfolded:
        return _Unfolded(layer, self.device)

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        p = prepared
        assert isinstance(p, _Unfolded)
        b, h, w, c = x.shape
        pad = p.size // 2
        padded = F.pad(x, (0, 0, pad, pad, pad, pad))
        columns = torch.cat(
            [padded[:, i : i + h, j : j + w] for i in range(p.size) for j in range(p.size)], -1
        ).reshape(b * h * w, p.size * p.size * c)
        columns = (columns.to(torch.int16) - 128).to(torch.int8)
        rows = max(self._ROWS, -(-len(columns) // 8) * 8)
        columns = F.pad(columns, (0, p.weight.shape[0] - columns.shape[1], 0, rows - len(columns)))
        total = torch._int_mm(columns, p.weight)[: b * h * w, : p.outputs] + p.bias[level_class]
        return (total.to(torch.float64) * p.multiplier).view(b, h, w, p.outputs)
