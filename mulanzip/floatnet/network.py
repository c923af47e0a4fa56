"""The float denoiser: one network for all masks, levels and schedules, used in training and for fitting contexts.

It consists of convolutions and clamps alone, and activations stay within ``[0, 255 / UNIT]``, so that
:mod:`mulanzip.floatnet.export` can turn it into the integer network of :mod:`mulanzip.density`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.density.config import HEADS, OFFSET_PLANES, PASSES, UNIT, WEIGHT_MAX, Config
from mulanzip.density.inputs import offset_planes


def power_of_two_scale(weight: Tensor) -> Tensor:
    """The largest ``2**e`` with ``|weight| * 2**e <= WEIGHT_MAX`` of every output channel: ``(out, 1...)``."""
    peak = weight.detach().abs().flatten(1).amax(1).clamp(min=2.0**-8)
    exponent = torch.floor(torch.log2(WEIGHT_MAX / peak.double()))
    return torch.exp2(exponent).float().view(-1, *[1] * (weight.dim() - 1))


class _Clamp(torch.autograd.Function):
    """Clamp to the range of activations and, if ``on_grid``, round to multiples of ``1 / UNIT``.

    Where the input is out of range, the gradient is multiplied by ``leak``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, on_grid: bool, leak: float) -> Tensor:
        y = x.clamp(0, 255 / UNIT)
        if on_grid:
            y = y.mul_(UNIT).round_().div_(UNIT)
        ctx.save_for_backward(y)
        ctx.leak = leak
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(grad_outputs[0], y, 0, 255 / UNIT)
        return torch.lerp(inside, grad_outputs[0], ctx.leak) if ctx.leak else inside, None, None


class Conv(nn.Module):
    """Convolution with a bias per level class."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, inputs: int, outputs: int, size: int, level_classes: int, std: float | None = None):
        """Draw the weights.

        Args:
            size: of the kernel, in pixels.
            std: of the weights; by default the one that keeps the variance of rectified inputs (He).
        """
        super().__init__()
        # Two dimensions, as optimisers of matrices need them.
        self.weight = nn.Parameter(torch.zeros(outputs, inputs * size * size))
        self.bias = nn.Parameter(torch.zeros(level_classes, outputs))
        self.size = size
        #: Added to the bias of every level class, ``(outputs,)``.  A context is made of these.
        self.offset: Tensor | None = None
        #: Called with the inputs of every use, ``(columns of weight, n)``.
        self.watch: Callable[[Tensor], object] | None = None
        nn.init.normal_(self.weight, std=(2 / (inputs * size * size)) ** 0.5 if std is None else std)

    def kernel(self) -> Tensor:
        """The weights as ``(outputs, inputs, size, size)``."""
        return self.weight.view(self.weight.shape[0], -1, self.size, self.size)

    def _bias(self, level_class: int) -> Tensor:
        bias = self.bias[level_class]
        return bias if self.offset is None else bias + self.offset

    def forward(self, x: Tensor, level_class: int) -> Tensor:
        if self.watch is not None:
            self.watch(F.unfold(x.float(), self.size, padding=self.size // 2).transpose(0, 1).flatten(1))
        weight = self.kernel().contiguous(memory_format=torch.channels_last)
        if self.offset is None or self.weight.requires_grad:
            return F.conv2d(x, weight, self._bias(level_class), padding=self.size // 2)
        # Torch computes the gradient of a bias together with that of the weights, which is not needed here.
        y = F.conv2d(x, weight, self.bias[level_class], padding=self.size // 2)
        return y + self.offset.to(y.dtype)[:, None, None]

    def product(self, parts: list[Tensor], level_class: int) -> Tensor:
        """A 1x1 convolution of the concatenation of ``parts``, ``(inputs, n)`` each: ``(outputs, n)``.

        One matrix product per part, without concatenation: several times faster if there are few channels.
        """
        if self.watch is not None:
            self.watch(torch.cat(parts))
        total = self._bias(level_class)[:, None]
        for part, columns in zip(parts, self.weight.split([len(p) for p in parts], 1), strict=True):
            total = torch.addmm(total, columns, part)
        return total


class Quantisable(nn.Module):
    """A module whose activations can be rounded as in the integer network.

    Attributes:
        leak: factor of the gradient where activations are clamped.  At 0, whole blocks die at Adam's learning rates and
            do not recover; at 1 for the upper limit, training diverges.
    """

    quantised = False
    leak = 0.05

    def quantise(self, on: bool = True) -> None:
        """Switch the rounding of activations on or off, in this module and all below it."""
        for module in self.modules():
            if isinstance(module, Quantisable):
                module.quantised = on

    def activate(self, x: Tensor) -> Tensor:
        y: Tensor = _Clamp.apply(x, self.quantised, self.leak)
        return y


class Pass(Quantisable):
    """Stem and residual blocks: one evaluation of the network, without its heads."""

    def __init__(self, config: Config):
        super().__init__()
        c, levels = config.channels, config.level_classes
        self.stem = Conv(config.input_planes, c, 3, levels)
        self.body = nn.ModuleList(Conv(c, c, 3, levels, std=std) for _ in range(config.blocks) for std in (None, 0.0))

    def forward(self, planes: Tensor, level_class: int, pass0_features: Tensor | None) -> Tensor:
        x = self.stem(planes, level_class)
        x = self.activate(x if pass0_features is None else x + pass0_features)
        for first, second in zip(self.body[::2], self.body[1::2], strict=True):
            x = self.activate(x + second(self.activate(first(x, level_class)), level_class))
        return x


def _conv(modules: nn.ModuleList, index: int) -> Conv:
    found = modules[index]
    assert isinstance(found, Conv)
    return found


class Head(Quantisable):
    """Features -> parameters of one phase, colour by colour.

    The parameters of a colour depend on the values of the earlier colours through a hidden layer.
    """

    def __init__(self, config: Config):
        super().__init__()
        c, hidden, levels, k = config.channels, config.hidden, config.level_classes, config.mixtures
        self.hidden = nn.ModuleList(
            Conv(c + OFFSET_PLANES * colour, hidden, 1, levels, std=0.1) for colour in range(1, config.colours)
        )
        self.out = nn.ModuleList(
            Conv(c + (hidden if colour else 0), config.outputs(colour), 1, levels, std=0.0)
            for colour in range(config.colours)
        )
        # Initial log scales differ between components; initial couplings are those of photographs.
        couplings = ((), (1.8,), (0.4, 1.4))
        for colour, coupling in enumerate(couplings[: config.colours]):
            start = torch.cat((torch.zeros(k), torch.linspace(-1, 1, k), torch.zeros(k), torch.tensor(coupling)))
            with torch.no_grad():
                _conv(self.out, colour).bias.copy_(start)

    def forward(self, features: Tensor, offsets: Tensor, colour: int, level_class: int) -> Tensor:
        """Parameters of ``colour``, float32 ``(outputs, n)``.

        Args:
            features: ``(channels, n)``.
            offsets: int32 ``(>= colour, n)``, values minus base predictions of the earlier colours.
        """
        features = features.float()
        if not colour:
            return _conv(self.out, 0).product([features], level_class)
        planes = offset_planes(offsets[None, :colour])[0].float() / UNIT
        hidden = self.activate(_conv(self.hidden, colour - 1).product([features, planes], level_class))
        return _conv(self.out, colour).product([features, hidden], level_class)


class Denoiser(Quantisable):
    """Known values and masks -> parameters of a mixture of logistics for every erased subpixel.

    Attributes:
        presets: float32 ``(config.presets, sum of all outputs)``, bias offsets of each context preset, concatenated
            over all convolutions.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.passes = nn.ModuleList(Pass(config) for _ in PASSES)
        self.heads = nn.ModuleDict({name: Head(config) for name in HEADS})
        self._convs = [m for m in self.modules() if isinstance(m, Conv)]
        self.presets = nn.Parameter(torch.zeros(config.presets, sum(len(conv.weight) for conv in self._convs)))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.presets.device

    def preset_of(self, name: str, preset: int) -> Tensor:
        """Bias offsets ``(outputs,)`` of a preset, for the convolution at a path of the module tree."""
        found = self.conv(name)
        return next(part for conv, part in zip(self._convs, self._parts(preset), strict=True) if conv is found)

    def _parts(self, preset: int) -> tuple[Tensor, ...]:
        return self.presets[preset].split([len(conv.weight) for conv in self._convs])

    def use_preset(self, preset: int | None) -> None:
        """Run with the bias offsets of a preset from now on, or with none."""
        parts = self._parts(preset) if preset is not None else [None] * len(self._convs)
        for conv, part in zip(self._convs, parts, strict=True):
            conv.offset = part

    def conv(self, name: str) -> Conv:
        """The convolution at a path of the module tree."""
        found = self.get_submodule(name)
        assert isinstance(found, Conv)
        return found

    def features(self, planes: Tensor, index: int, level_class: int, pass0_features: Tensor | None = None) -> Tensor:
        """uint8 ``(B, input planes, h, w)`` -> features ``(B, channels, h, w)`` of pass ``index``.

        Args:
            pass0_features: features of pass 0, an input of the later passes.
        """
        x = (planes.float() / UNIT).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.passes[index](x, level_class, pass0_features)
        return features

    def parameters_of(self, name: str, features: Tensor, offsets: Tensor, colour: int, level_class: int) -> Tensor:
        """Parameters that head ``name`` predicts, always in full precision; see :meth:`Head.forward`."""
        with torch.autocast(features.device.type, enabled=False):
            out: Tensor = self.heads[name](features, offsets, colour, level_class)
        return out
