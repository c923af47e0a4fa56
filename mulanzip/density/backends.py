"""Ways to run an integer convolution.  All give the same numbers; a self-test checks this.

Feature maps are torch tensors of shape ``(B, C, h, w)`` in channels-last memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mulanzip.density.model import Layer


class Backend(ABC):
    """Runs the layers of one integer model on one device."""

    name: str
    device = torch.device("cpu")

    @abstractmethod
    def prepare(self, layer: Layer) -> object:
        """The layer in the form that :meth:`activation` and :meth:`integers` take."""

    @abstractmethod
    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        """``clamp(round_half_even(sum * 2**-shift + residual), 0, 255)`` as uint8.

        ``residual`` may be overwritten.
        """

    @abstractmethod
    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        """``round_half_even(sum * 2**-shift)`` as float32 that holds integers."""


def _multiplier(layer: Layer) -> Tensor:
    """``2**-shift`` per output channel: float64."""
    return torch.from_numpy(np.ldexp(1.0, -layer.shift.astype(np.int32)))


class _Float64Layer:
    """A layer whose integers are stored as float64."""

    def __init__(self, layer: Layer, device: torch.device):
        self.weight = torch.from_numpy(layer.weight).to(device, torch.float64)
        self.bias = torch.from_numpy(layer.bias).to(device, torch.float64)
        self.multiplier = _multiplier(layer).to(device).view(1, -1, 1, 1)
        self.padding = layer.weight.shape[2] // 2


class ReferenceBackend(Backend):
    """Plain float64 convolutions: slow, and exact in every order of summation."""

    name = "reference"

    def prepare(self, layer: Layer) -> _Float64Layer:
        return _Float64Layer(layer, self.device)

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        assert isinstance(prepared, _Float64Layer)
        total = F.conv2d(x.to(torch.float64), prepared.weight, prepared.bias[level_class], padding=prepared.padding)
        return total * prepared.multiplier

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        scaled = self._scaled(prepared, x, level_class)
        if residual is not None:
            scaled += residual
        return scaled.round_().clamp_(0, 255).to(torch.uint8)

    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return self._scaled(prepared, x, level_class).round_().to(torch.float32)


class _Packed:
    """A layer prepacked for oneDNN."""

    def __init__(self, layer: Layer):
        weight = torch.from_numpy(layer.weight)
        self.padding = [weight.shape[2] // 2] * 2
        # Two units: inputs count as integers, outputs are in units of 2**shift sums.
        self.scale = _multiplier(layer).to(torch.float32)
        self.zero_points = torch.zeros(len(self.scale), dtype=torch.int32)
        self.bias = torch.from_numpy(layer.bias).to(torch.float32) * self.scale
        self.weight = torch.ops.onednn.qconv_prepack(weight, self.scale, 1.0, 0, [1, 1], self.padding, [1, 1], 1, None)


class OneDnnBackend(Backend):
    """int8 convolutions of oneDNN with fused requantisation: fast on a CPU."""

    name = "onednn"

    def prepare(self, layer: Layer) -> _Packed:
        return _Packed(layer)

    def _run(self, p: object, x: Tensor, level_class: int, dtype: torch.dtype) -> Tensor:
        assert isinstance(p, _Packed)
        result: Tensor = torch.ops.onednn.qconv_pointwise(
            x, 1.0, 0, p.weight, p.scale, p.zero_points, p.bias[level_class],
            [1, 1], p.padding, [1, 1], 1, 1.0, 0, dtype, "none", [], "",
        )  # fmt: skip
        return result

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        if residual is None:
            return self._run(prepared, x, level_class, torch.uint8)
        p = prepared
        assert isinstance(p, _Packed)
        result: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            x, 1.0, 0, p.weight, p.scale, p.zero_points, residual, p.bias[level_class],
            [1, 1], p.padding, [1, 1], 1, 1.0, 0, torch.uint8, 1.0, 0, "sum", 1.0, "none", [], "",
        )  # fmt: skip
        return result

    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return self._run(prepared, x, level_class, torch.float32).round_()


class _Unfolded:
    """A layer as a matrix.  ``_int_mm`` multiplies int8, so activations are shifted by -128; the bias corrects this."""

    def __init__(self, layer: Layer, device: torch.device):
        self.outputs, _, self.size, _ = layer.weight.shape
        weight = torch.from_numpy(layer.weight).permute(2, 3, 1, 0).reshape(-1, self.outputs)
        bias = torch.from_numpy(layer.bias) + 128 * weight.to(torch.int32).sum(0, dtype=torch.int32)
        self.bias = bias.to(device)
        self.weight = F.pad(weight, (0, -self.outputs % 8, 0, -len(weight) % 8)).contiguous().to(device)
        self.multiplier = _multiplier(layer).to(device)


class CudaBackend(Backend):
    """Exact int32 matrix products on a GPU: unfolded inputs and ``torch._int_mm`` instead of ``conv2d``."""

    name = "cuda"
    _ROWS = 32  # _int_mm needs more than 16 rows, and multiples of 8 in the other dimensions.

    def __init__(self) -> None:
        self.device = torch.device("cuda")

    def prepare(self, layer: Layer) -> _Unfolded:
        return _Unfolded(layer, self.device)

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        """``sum * 2**-shift``: float64 ``(B, h, w, out)``."""
        p = prepared
        assert isinstance(p, _Unfolded)
        b, c, h, w = x.shape
        pad = p.size // 2
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, pad, pad, pad, pad))
        columns = torch.cat(
            [padded[:, i : i + h, j : j + w] for i in range(p.size) for j in range(p.size)], -1
        ).reshape(b * h * w, p.size * p.size * c)
        columns = (columns.to(torch.int16) - 128).to(torch.int8)
        rows = max(self._ROWS, -(-len(columns) // 8) * 8)
        columns = F.pad(columns, (0, p.weight.shape[0] - columns.shape[1], 0, rows - len(columns)))
        total = torch._int_mm(columns, p.weight)[: b * h * w, : p.outputs] + p.bias[level_class]
        return (total.to(torch.float64) * p.multiplier).view(b, h, w, p.outputs)

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        scaled = self._scaled(prepared, x, level_class)
        if residual is not None:
            scaled = scaled + residual.permute(0, 2, 3, 1)
        return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 3, 1, 2)

    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return self._scaled(prepared, x, level_class).round().to(torch.float32).permute(0, 3, 1, 2)
