"""``z_t`` -> mean and variance of every subpixel of the image.

The network predicts every subpixel without that subpixel's own noisy value, as a Gaussian.  Bayes' rule then adds two
facts: the noisy value, and that subpixels are integers.  So the prediction is right from the start where there is
little noise, and the network need not learn to round, for which other models need Fourier features of ``z``.

Layers are convolutions and clamps like those of :mod:`mulanzip.floatnet.network`, between planes that fit in 8 bits,
so that they convert to integers unchanged.  Two parts need more precision and stand outside the network: the mean of
the neighbourhood, and a convolution of the differences from it, which 16-bit integers pass through as two planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.floatnet.network import Conv, Quantisable
from mulanzip.gaussian.forward import GAMMA_MAX, GAMMA_MIN, VALUES, VALUES_PER_UNIT, alpha, sigma

COLOURS = 3
#: Sides of images must be multiples of this.
SIDE_MULTIPLE = 4
#: Subpixels of a 2x2 cell.
_SUBPIXELS = 4 * COLOURS
#: Planes that encode a cell's mean noise level, each a hat function.  Noise levels run from 0 to one less than this.
HATS = 8
NOISE_PLANES = _SUBPIXELS + HATS
#: Gain of the differences from the neighbourhood's mean in the network input.
DETAIL_GAIN = 16
#: Gain of the network's mean outputs.
MEAN_GAIN = 8
#: Variance of a subpixel of which nothing is known.
PRIOR_VARIANCE = 0.25
#: Range of the predicted log variance, relative to the log of that.
LOG_VARIANCE_LIMITS = (-10.0, 3.0)
#: Above this variance, in squared values, a sum over integers equals an integral well enough.
_COARSE_VARIANCE = 0.36
#: Integers on either side of the nearest one that enter the sum.
_REACH = 2


@dataclass(frozen=True)
class Moments:
    """Mean and variance of independent normal distributions, ``(B, colours, H, W)`` each: of ``u`` given ``z``."""

    mean: Tensor
    variance: Tensor

    def noise(self, z: Tensor, gamma: Tensor) -> Tensor:
        """The mean as a prediction of the noise in ``z``."""
        return (z - alpha(gamma) * self.mean) / sigma(gamma)

    def velocity(self, z: Tensor, gamma: Tensor) -> Tensor:
        """The mean as a prediction of ``alpha noise - sigma u``."""
        return alpha(gamma) * self.noise(z, gamma) - sigma(gamma) * self.mean


def restrict_to_values(mean: Tensor, variance: Tensor) -> Moments:
    """Mean and variance of ``N(mean, variance)`` restricted to the 256 values of ``u``.

    Where the standard deviation is large beside the spacing of values, only the limits of the range make a difference.
    """
    value = (mean + 1) * VALUES_PER_UNIT - 0.5
    spread = variance * VALUES_PER_UNIT**2
    fine = spread.clamp(max=_COARSE_VARIANCE)
    nearest = value.detach().round().clamp(0, VALUES - 1)
    steps = torch.arange(-_REACH, _REACH + 1, dtype=mean.dtype).view(-1, *[1] * mean.dim())
    off = (value - nearest) - steps
    energy = off * off / (-2 * fine)
    energy = energy.masked_fill((nearest + steps < 0) | (nearest + steps > VALUES - 1), -torch.inf)
    weight = torch.softmax(energy, 0)
    first = (weight * steps).sum(0)
    second = (weight * steps * steps).sum(0) - first * first
    return Moments((nearest + first + 0.5) / VALUES_PER_UNIT - 1, (second + spread - fine) / VALUES_PER_UNIT**2)


def prior_gain(gamma: Tensor) -> Tensor:
    """Factor that turns the mean of ``z`` over nine cells into a prediction of ``u``, if nothing else is known."""
    return 1 / (alpha(gamma) * (1 + torch.exp(gamma) / (9 * PRIOR_VARIANCE)))


def split_signs(signed: Tensor) -> Tensor:
    """The positive part, then the negative part negated: ``(B, C, h, w)`` -> ``(B, 2 C, h, w)``."""
    return torch.cat((signed, -signed), 1).clamp(min=0)


class _Unbiased(Quantisable):
    """Clamps without a leak: schedules get their gradient through the network, and leaks would bias it."""

    leak = 0.0


class _Block(_Unbiased):
    """Two 3x3 convolutions around a clamp; noise and context add activations of their own between them."""

    def __init__(self, channels: int, bits: int):
        super().__init__()
        self.first = Conv(channels, channels, 3, 1)
        self.second = Conv(channels, channels, 3, 1, std=0.0)
        self.condition = Conv(NOISE_PLANES + bits, channels, 1, 1, std=0.05)
        # Activations cannot be negative: one layer adds an offset and the other subtracts it.
        nn.init.constant_(self.condition.bias, 1.0)
        nn.init.constant_(self.first.bias, -1.0)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        start = self.activate(self.condition(condition, 0))
        return self.activate(x + self.second(self.activate(self.first(x, 0) + start), 0))


class GaussianDenoiser(_Unbiased):
    """Cells of 2x2 pixels; blocks at that scale around blocks at half of it."""

    def __init__(self, channels: int, blocks: int, bits: int):
        """Create the layers.

        Args:
            blocks: number of blocks before and after the half scale, which has twice as many.
            bits: length of the context, or 0.
        """
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

    def forward(self, z: Tensor, gamma: Tensor, context: Tensor | None = None) -> Moments:
        """Predict ``u`` from the noisy image.

        Args:
            z: float32 ``(B, 3, H, W)``, sides multiples of 4.
            gamma: broadcasts to it.
            context: float32 ``(B, bits)``, if the network has one.
        """
        mean, log_variance = self.predict_unseen(z, gamma.expand_as(z), context)
        # Bayes: the subpixel's own noisy value y = z / alpha has the variance exp(gamma).
        own = torch.exp(gamma)
        weight = torch.sigmoid(log_variance - gamma)
        return restrict_to_values(weight * z / alpha(gamma) + (1 - weight) * mean, weight * own)

    def predict_unseen(self, z: Tensor, gamma: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of every subpixel as if its own noisy value were not known.

        Args:
            gamma: in the shape of ``z``; others as for :meth:`forward`.
        """
        values, levels = F.pixel_unshuffle(z, 2), F.pixel_unshuffle(gamma, 2)
        common = F.avg_pool2d(values, 3, 1, 1, count_include_pad=False)
        detail = values - common
        noise = self._noise(levels)
        planes = torch.cat((self.activate(split_signs(torch.cat((values, DETAIL_GAIN * detail), 1))), noise), 1)
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
            mean = mean / MEAN_GAIN + self.direct(split_signs(detail), 0) + prior_gain(levels) * common
            log_variance = math.log(PRIOR_VARIANCE) + log_variance.clamp(*LOG_VARIANCE_LIMITS)
            return F.pixel_shuffle(mean, 2), F.pixel_shuffle(log_variance, 2)

    def _noise(self, gamma: Tensor) -> Tensor:
        """``(B, 12, h, w)`` -> ``(B, NOISE_PLANES, h, w)``: every subpixel's noise level, then the cell's in hats."""
        level = (gamma - GAMMA_MIN) * ((HATS - 1) / (GAMMA_MAX - GAMMA_MIN))
        at = self.activate(level.mean(1, keepdim=True))
        hats = (1 - (at - torch.arange(HATS).view(-1, 1, 1)).abs()).clamp(min=0)
        return torch.cat((self.activate(level), hats), 1)


def _with_context(noise: Tensor, context: Tensor | None) -> Tensor:
    """Noise planes, then a constant plane for every bit of the context."""
    if context is not None:
        planes = context.to(noise.dtype)[:, :, None, None].expand(-1, -1, *noise.shape[2:])
        noise = torch.cat((noise, planes), 1)
    return noise.contiguous(memory_format=torch.channels_last)
