"""What is left of the image at ``z_t`` -> mean and variance of every subpixel.

The network predicts what each subpixel would be without its own noisy value, as a Gaussian; that value itself, and
that subpixels are integers, are put in by Bayes' rule.  So where there is little noise the prediction is right from
the start, and rounding to integers, for which others need Fourier features of ``z``, costs the network nothing.

Layers are convolutions and clamps like those of :mod:`mulanzip.floatnet.network`, between planes that 8 bits hold, so
that they become integers as they are.  What needs more is outside: the mean of a neighbourhood, and a convolution of
what differs from it, which integers of 16 bits go through as two planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.floatnet.network import Conv, Quantisable
from mulanzip.gaussian.process import GAMMA_MAX, GAMMA_MIN, LEVELS, PER_UNIT, alpha, sigma

COLOURS = 3
#: Sides of images must be multiples of this.
MULTIPLE = 4
#: Colours of a 2x2 cell.
_SUBPIXELS = 4 * COLOURS
#: Planes that say how noisy a cell is, all in all; how noisy subpixels are is told on a scale from 0 to one less.
HATS = 8
NOISE_PLANES = _SUBPIXELS + HATS
#: What differs from the mean of its neighbourhood is shown so many times as large.
DETAIL_GAIN = 16
#: Outputs of the network are so many times as large as the means that they say.
MEAN_GAIN = 8
#: Variance of a subpixel that is not known at all.
VARIANCE = 0.25
#: How far from that the network may go, as logarithms.
LOG_LIMITS = (-10.0, 3.0)
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


def prior_gain(gamma: Tensor) -> Tensor:
    """What the mean of ``z`` over nine cells is worth as a prediction of ``u``, if that is all that is known."""
    return 1 / (alpha(gamma) * (1 + torch.exp(gamma) / (9 * VARIANCE)))


def split(signed: Tensor) -> Tensor:
    """What is above zero, then what is below it: ``(B, C, h, w)`` -> ``(B, 2 C, h, w)``."""
    return torch.cat((signed, -signed), 1).clamp(min=0)


class _Unbiased(Quantisable):
    """Gradients are what they are: schedules get theirs through the network, and leaks add up to wrong directions."""

    leak = 0.0


class _Block(_Unbiased):
    """Two 3x3 convolutions around a clamp; noise and context add activations of their own between them."""

    def __init__(self, channels: int, bits: int):
        super().__init__()
        self.first = Conv(channels, channels, 3, 1)
        self.second = Conv(channels, channels, 3, 1, std=0.0)
        self.condition = Conv(NOISE_PLANES + bits, channels, 1, 1, std=0.05)
        # Activations are not negative: what is added first is taken off again.
        nn.init.constant_(self.condition.bias, 1.0)
        nn.init.constant_(self.first.bias, -1.0)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        start = self.activate(self.condition(condition, 0))
        return self.activate(x + self.second(self.activate(self.first(x, 0) + start), 0))


class Denoiser(_Unbiased):
    """Cells of 2x2 pixels; blocks at that scale around blocks at half of it."""

    def __init__(self, channels: int, blocks: int, bits: int):
        """``blocks``: before, and after, and twice as many in the middle; ``bits``: length of the context, or 0."""
        super().__init__()
        c = channels
        self.stem = Conv(4 * _SUBPIXELS + NOISE_PLANES, c, 3, 1)
        self.before = nn.ModuleList(_Block(c, bits) for _ in range(blocks))
        self.down = Conv(4 * c, c, 1, 1)
        self.middle = nn.ModuleList(_Block(c, bits) for _ in range(2 * blocks))
        self.up = Conv(c, 4 * c, 1, 1, std=0.01)
        self.after = nn.ModuleList(_Block(c, bits) for _ in range(blocks))
        self.head = Conv(c, 2 * _SUBPIXELS, 1, 1, std=0.0)
        self.direct = Conv(2 * _SUBPIXELS, _SUBPIXELS, 3, 1, std=0.0)

    def matrices(self) -> list[nn.Parameter]:
        """Weights of all convolutions."""
        return [m.weight for m in self.modules() if isinstance(m, Conv)]

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
        values, levels = F.pixel_unshuffle(z, 2), F.pixel_unshuffle(gamma, 2)
        common = F.avg_pool2d(values, 3, 1, 1, count_include_pad=False)
        detail = values - common
        noise = self._noise(levels)
        planes = torch.cat((self.activate(split(torch.cat((values, DETAIL_GAIN * detail), 1))), noise), 1)
        fine, coarse = (_with_context(n, context) for n in (noise, self.activate(F.avg_pool2d(noise, 2))))
        x = self.activate(self.stem(planes.contiguous(memory_format=torch.channels_last), 0))
        for block in self.before:
            x = block(x, fine)
        y = self.activate(self.down(F.pixel_unshuffle(x, 2), 0))
        for block in self.middle:
            y = block(y, coarse)
        x = self.activate(x + F.pixel_shuffle(self.up(y, 0), 2))
        for block in self.after:
            x = block(x, fine)
        with torch.autocast(z.device.type, enabled=False):
            mean, log_variance = self.head(x.float(), 0).chunk(2, 1)
            mean = mean / MEAN_GAIN + self.direct(split(detail), 0) + prior_gain(levels) * common
            log_variance = math.log(VARIANCE) + log_variance.clamp(*LOG_LIMITS)
            return F.pixel_shuffle(mean, 2), F.pixel_shuffle(log_variance, 2)

    def _noise(self, gamma: Tensor) -> Tensor:
        """``(B, 12, h, w)`` -> planes ``(B, NOISE_PLANES, h, w)``: of every subpixel, and of all together as hats."""
        level = (gamma - GAMMA_MIN) * ((HATS - 1) / (GAMMA_MAX - GAMMA_MIN))
        at = self.activate(level.mean(1, keepdim=True))
        hats = (1 - (at - torch.arange(HATS).view(-1, 1, 1)).abs()).clamp(min=0)
        return torch.cat((self.activate(level), hats), 1)


def _with_context(noise: Tensor, context: Tensor | None) -> Tensor:
    """Noise planes, and a plane for every bit of the context."""
    if context is not None:
        planes = context.to(noise.dtype)[:, :, None, None].expand(-1, -1, *noise.shape[2:])
        noise = torch.cat((noise, planes), 1)
    return noise.contiguous(memory_format=torch.channels_last)
