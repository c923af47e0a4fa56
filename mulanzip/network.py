"""The float denoiser: one any-mask network for all levels and schedules (training side).

Everything here is made to be exported to integers (:mod:`mulanzip.exact`): activations live in
``[0, 255 / ACTIVATION_UNIT]``, layers are convolutions with clamps, and there is nothing else.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.architecture import (
    ACTIVATION_UNIT,
    COLOURS,
    HEADS,
    INPUT_PLANES,
    INPUT_UNIT,
    WEIGHT_MAX,
    Config,
)


def power_of_two_scale(weight: Tensor) -> Tensor:
    """Per output channel, the largest ``2**e`` with ``|weight| * 2**e <= WEIGHT_MAX``; ``(out, 1...)``."""
    peak = weight.detach().abs().flatten(1).amax(1).clamp(min=2.0**-8)
    exponent = torch.floor(torch.log2(WEIGHT_MAX / peak.double()))
    return torch.exp2(exponent).float().view(-1, *[1] * (weight.dim() - 1))


def _rounded(x: Tensor, unit: Tensor | float) -> Tensor:
    """``x`` on the grid of ``1 / unit``; the gradient passes straight through."""
    return x + (torch.round(x.detach() * unit) / unit - x.detach())


class Conv(nn.Module):
    """Convolution with a bias per level class; optionally with the weights it will have as integers."""

    def __init__(self, inputs: int, outputs: int, size: int, level_classes: int, zero: bool = False):
        super().__init__()
        # Two dimensions, as matrix optimisers want them.
        self.weight = nn.Parameter(torch.zeros(outputs, inputs * size * size))
        self.bias = nn.Parameter(torch.zeros(level_classes, outputs))
        self.size = size
        self.quantised = False
        if not zero:
            nn.init.normal_(self.weight, std=(2 / (inputs * size * size)) ** 0.5)

    def kernel(self) -> Tensor:
        return self.weight.view(self.weight.shape[0], -1, self.size, self.size)

    def forward(self, x: Tensor, level_class: int) -> Tensor:
        weight = self.kernel()
        if self.quantised:
            weight = _rounded(weight, power_of_two_scale(weight))
        return F.conv2d(x, weight, self.bias[level_class], padding=self.size // 2)


class Denoiser(nn.Module):
    """Known values and masks -> parameters of a mixture of logistics per erased subpixel."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        c, levels = config.channels, config.level_classes
        self.stem = Conv(INPUT_PLANES, c, 3, levels)
        self.body = nn.ModuleList(
            Conv(c, c, 3, levels, zero=second) for _ in range(config.blocks) for second in (False, True)
        )
        self.heads = nn.ModuleList(Conv(c, len(phases) * config.outputs, 1, levels, zero=True) for phases in HEADS)
        # Components start with different widths, colours with the correlation that photographs have.
        k = config.mixtures
        start = torch.cat(
            (
                torch.zeros(COLOURS * k),
                torch.linspace(-1, 1, k).repeat(COLOURS),
                torch.zeros(COLOURS * k),
                torch.tensor([1.8, 0.4, 1.4]),
            )
        )
        for head, phases in zip(self.heads, HEADS, strict=True):
            assert isinstance(head, Conv)
            with torch.no_grad():
                head.bias.copy_(start.repeat(len(phases)))

    def quantise(self, on: bool = True) -> None:
        """Run with the roundings of the integer network from now on (or no longer)."""
        for module in self.modules():
            if isinstance(module, Conv):
                module.quantised = on

    def _activate(self, x: Tensor) -> Tensor:
        x = x.clamp(0, 255 / ACTIVATION_UNIT)
        return _rounded(x, ACTIVATION_UNIT) if self.stem.quantised else x

    def trunk(self, planes: Tensor, level_class: int) -> Tensor:
        """uint8 ``(B, INPUT_PLANES, h, w)`` -> features ``(B, channels, h, w)``."""
        x = self._activate(self.stem(planes.float() / INPUT_UNIT, level_class))
        for first, second in zip(self.body[::2], self.body[1::2], strict=True):
            x = self._activate(x + second(self._activate(first(x, level_class)), level_class))
        return x

    def head(self, features: Tensor, index: int, level_class: int) -> Tensor:
        """Float32 outputs ``(B, len(HEADS[index]), outputs, h, w)``: shapes, then means."""
        with torch.autocast(features.device.type, enabled=False):
            out = self.heads[index](features.float(), level_class)
        return out.view(out.shape[0], len(HEADS[index]), self.config.outputs, *out.shape[2:])
