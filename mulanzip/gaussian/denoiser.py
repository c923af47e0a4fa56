"""What is left of the image at ``z_t`` -> mean and variance of every subpixel.

The network predicts what each subpixel would be without its own noisy value, as a Gaussian; that value itself, and
that subpixels are integers, are put in by Bayes' rule.  So where there is little noise the prediction is right from
the start, and rounding to integers, for which others need Fourier features of ``z``, costs the network nothing.

Layers are convolutions and clamps like those of :mod:`mulanzip.network`, so that they can become integers too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.process import GAMMA_MAX, GAMMA_MIN, LEVELS, PER_UNIT, alpha, sigma
from mulanzip.network import Conv, Quantisable

COLOURS = 3
#: Sides of images must be multiples of this.
MULTIPLE = 4
#: Colours of a 2x2 cell.
_SUBPIXELS = 4 * COLOURS
#: Planes that say how noisy a cell is, all in all.
_HATS = 8
#: Log variance of a subpixel that is not known at all.
_LOG_VARIANCE = math.log(0.25)
#: Beyond this variance in levels, integers are as good as a continuum.
_COARSE = 0.36
_NEAR = 2


@dataclass(frozen=True)
class Prediction:
    """Of ``u``, given ``z``: mean and variance, ``(B, colours, H, W)`` each."""

    mean: Tensor
    variance: Tensor

    def noise(self, z: Tensor, gamma: Tensor) -> Tensor:
        """The same as a prediction of the noise in ``z``."""
        return (z - alpha(gamma) * self.mean) / sigma(gamma)

    def velocity(self, z: Tensor, gamma: Tensor) -> Tensor:
        """The same as ``alpha noise - sigma u``."""
        return alpha(gamma) * self.noise(z, gamma) - sigma(gamma) * self.mean


def on_grid(mean: Tensor, variance: Tensor) -> Prediction:
    """Mean and variance of ``N(mean, variance)`` restricted to the 256 values that ``u`` can have.

    Where the variance is large next to the grid's, only the range 0..255 makes a difference.
    """
    place = (mean + 1) * PER_UNIT - 0.5
    spread = variance * PER_UNIT**2
    fine = spread.clamp(max=_COARSE)
    nearest = place.detach().round().clamp(0, LEVELS - 1)
    steps = torch.arange(-_NEAR, _NEAR + 1, dtype=mean.dtype).view(-1, *[1] * mean.dim())
    off = (place - nearest) - steps
    energy = off * off / (-2 * fine)
    energy = energy.masked_fill((nearest + steps < 0) | (nearest + steps > LEVELS - 1), -torch.inf)
    weight = torch.softmax(energy, 0)
    first = (weight * steps).sum(0)
    second = (weight * steps * steps).sum(0) - first * first
    return Prediction((nearest + first + 0.5) / PER_UNIT - 1, (second + spread - fine) / PER_UNIT**2)


class _Block(Quantisable):
    """Two 3x3 convolutions around a clamp, told of noise and context by way of biases."""

    def __init__(self, channels: int, bits: int):
        super().__init__()
        self.first = Conv(channels, channels, 3, 1)
        self.second = Conv(channels, channels, 3, 1, std=0.0)
        self.noise = Conv(_SUBPIXELS + _HATS, channels, 1, 1, std=0.05)
        self.context = nn.Linear(bits, channels, bias=False) if bits else None

    def forward(self, x: Tensor, noise: Tensor, context: Tensor | None) -> Tensor:
        hidden = self.first(x, 0) + self.noise(noise, 0)
        if self.context is not None:
            hidden = hidden + self.context(context)[:, :, None, None].to(hidden.dtype)
        return self.activate(x + self.second(self.activate(hidden), 0))


class Denoiser(Quantisable):
    """Cells of 2x2 pixels; blocks at that scale around blocks at half of it."""

    def __init__(self, channels: int, blocks: int, bits: int):
        """``blocks``: before, and after, and twice as many in the middle; ``bits``: length of the context, or 0."""
        super().__init__()
        c = channels
        self.stem = Conv(3 * _SUBPIXELS + _HATS, c, 3, 1)
        self.before = nn.ModuleList(_Block(c, bits) for _ in range(blocks))
        self.down = Conv(4 * c, c, 1, 1)
        self.middle = nn.ModuleList(_Block(c, bits) for _ in range(2 * blocks))
        self.up = Conv(c, 4 * c, 1, 1, std=0.01)
        self.after = nn.ModuleList(_Block(c, bits) for _ in range(blocks))
        self.head = Conv(c, 2 * _SUBPIXELS, 1, 1, std=0.0)
        self.direct = Conv(_SUBPIXELS, _SUBPIXELS, 3, 1, std=0.0)

    def matrices(self) -> list[nn.Parameter]:
        """Weights of the 3x3 convolutions of all blocks, of one shape."""
        found = [m for m in self.modules() if isinstance(m, _Block)]
        return [conv.weight for block in found for conv in (block.first, block.second)]

    def forward(self, z: Tensor, gamma: Tensor, context: Tensor | None = None) -> Prediction:
        """Predict ``u`` from the noisy image.

        Args:
            z: float32 ``(B, 3, H, W)``, sides multiples of 4.
            gamma: broadcasts to it.
            context: float32 ``(B, bits)``, if the network has one.
        """
        mean, log_variance = self._unseen(z, gamma.expand_as(z), context)
        # Bayes: the subpixel's own noisy value y = z / alpha has the variance exp(gamma).
        own = torch.exp(gamma)
        share = torch.sigmoid(log_variance - gamma)
        return on_grid(share * z / alpha(gamma) + (1 - share) * mean, share * own)

    def _unseen(self, z: Tensor, gamma: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        values = F.pixel_unshuffle(z, 2)
        level = F.pixel_unshuffle((gamma - GAMMA_MIN) / (GAMMA_MAX - GAMMA_MIN), 2)
        at = level.mean(1, keepdim=True) * (_HATS - 1)
        hats = (1 - (at - torch.arange(_HATS).view(-1, 1, 1)).abs()).clamp(min=0)
        noise = torch.cat((level, hats), 1)
        detail = 4 * (values - F.avg_pool2d(values, 3, 1, 1, count_include_pad=False))
        planes = torch.cat((values, detail, noise), 1).contiguous(memory_format=torch.channels_last)
        noise = noise.contiguous(memory_format=torch.channels_last)
        x = self.activate(self.stem(planes, 0))
        for block in self.before:
            x = block(x, noise, context)
        coarse_noise = F.avg_pool2d(noise, 2)
        y = self.activate(self.down(F.pixel_unshuffle(x, 2), 0))
        for block in self.middle:
            y = block(y, coarse_noise, context)
        x = self.activate(x + F.pixel_shuffle(self.up(y, 0), 2))
        for block in self.after:
            x = block(x, noise, context)
        with torch.autocast(z.device.type, enabled=False):
            mean, log_variance = self.head(x.float(), 0).chunk(2, 1)
            mean = 0.1 * mean + self.direct(values, 0)
            return F.pixel_shuffle(mean, 2), _LOG_VARIANCE + F.pixel_shuffle(log_variance, 2).clamp(-10, 3)
