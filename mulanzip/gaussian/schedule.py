"""Noise schedules ``gamma(c, t)``: fixed, learned for all subpixels, learned per subpixel, and per subpixel and image.

All of them rise strictly from ``GAMMA_MIN`` at t = 0 to ``GAMMA_MAX`` at t = 1, exactly; only the way there is learned.
None depends on the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.process import GAMMA_MAX, GAMMA_MIN

RANGE = GAMMA_MAX - GAMMA_MIN
#: Share of the way that every schedule goes at constant speed.  A slope of zero would make posterior variances vanish.
FLOOR = 0.01
COLOURS = 3
#: Coefficients may differ along both axes like so many cosines, and within a repeated cell of so many pixels a side.
WAVES, CELL = 4, 4
#: Coefficients are so many times their weights: at rates that suit networks they would be too slow for noise that
#: comes in one step of few.
GAIN = 10.0


@dataclass(frozen=True)
class Path:
    """The schedule of one batch: what is left of it once image size and context are known.

    Attributes:
        progress: t ``(B, 1, 1, 1)`` in 0..1 -> the share of the way and its derivative, which broadcast to
            ``(B, colours, height, width)``.
        scalar: whether it is the same for all subpixels.
    """

    progress: Callable[[Tensor], tuple[Tensor, Tensor]]
    scalar: bool

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """``gamma`` and ``d gamma / d t`` at times ``(B,)``."""
        t = t.view(-1, 1, 1, 1)
        with torch.autocast(t.device.type, enabled=False):
            share, rate = self.progress(t)
        return GAMMA_MIN + RANGE * torch.lerp(share, t.expand_as(share), FLOOR), RANGE * (FLOOR + (1 - FLOOR) * rate)


class Schedule(nn.Module):
    """Base of all schedules."""

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> Path:
        """For images of ``size`` (height, width).

        Args:
            context: float32 ``(B, bits)``, for those that depend on it.
        """
        raise NotImplementedError


class LinearSchedule(Schedule):
    """``gamma`` linear in t: nothing is learned."""

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> Path:
        return Path(lambda t: (t, torch.ones_like(t)), scalar=True)


class ScalarSchedule(Schedule):
    """One monotone function for all subpixels: a sum of sigmoids with positive weights."""

    def __init__(self, units: int = 16) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(units))
        self.steepness = nn.Parameter(torch.full((units,), float(units) / 2))
        self.centre = nn.Parameter(torch.linspace(0, 1, units))

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> Path:
        weight, steepness = F.softplus(self.weight), F.softplus(self.steepness)

        def sigmoids(t: Tensor) -> Tensor:
            return torch.sigmoid(steepness * (t[..., None] - self.centre))

        def progress(t: Tensor) -> tuple[Tensor, Tensor]:
            ends = sigmoids(torch.tensor([0.0, 1.0])) @ weight
            at, length = sigmoids(t), ends[1] - ends[0]
            return (at @ weight - ends[0]) / length, (at * (1 - at)) @ (weight * steepness) / length

        return Path(progress, scalar=True)


def basis(height: int, width: int) -> Tensor:
    """What coefficients are made of: products of cosines, and the places in a repeated cell; ``(n, height, width)``."""
    along = [torch.cos(math.pi * torch.arange(WAVES)[:, None] * (torch.arange(n) + 0.5) / n) for n in (height, width)]
    waves = along[0][:, None, :, None] * along[1][None, :, None, :]
    place = torch.arange(height)[:, None] % CELL * CELL + torch.arange(width) % CELL
    return torch.cat((waves.flatten(0, 1), F.one_hot(place, CELL * CELL).permute(2, 0, 1).float()))


class PolynomialSchedule(Schedule):
    """A schedule per subpixel, from the coefficients of a polynomial; with a context, per subpixel and image.

    ``gamma_i(t) = gamma_min + (gamma_max - gamma_min) P_i(t) / P_i(1)`` with
    ``P_i(t) = int_0^t (a_i s^2 + b_i s + d_i)^2 ds`` as in MULAN, and with the floor above.  ``a``, ``b`` and ``d`` are
    sums of cosines over the image and of what each place of a repeated cell has of its own, so a schedule fits images
    of any size.
    """

    HIDDEN = 64

    def __init__(self, bits: int = 0) -> None:
        """``bits``: length of the context; 0 for a schedule that is the same for all images."""
        super().__init__()
        outputs = 3 * COLOURS * (WAVES * WAVES + CELL * CELL)
        # A little disorder: subpixels that start alike would have the same gradient for long.
        self.bias = nn.Parameter(0.02 / GAIN * torch.randn(outputs))
        self.network: nn.Module | None = None
        if bits:
            last = nn.Linear(self.HIDDEN, outputs, bias=False)
            nn.init.zeros_(last.weight)
            self.network = nn.Sequential(nn.Linear(bits, self.HIDDEN), nn.ReLU(), last)

    def coefficients(self, size: tuple[int, int], context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """``a``, ``b``, ``d``: ``(B, colours, height, width)`` each; B is 1 without a context."""
        weights = self.bias[None]
        if self.network is not None:
            if context is None:
                raise ValueError("this schedule depends on a context")
            with torch.autocast(context.device.type, enabled=False):
                weights = weights + self.network(context)
        waves = basis(*size).to(weights)
        with torch.autocast(waves.device.type, enabled=False):
            raw = GAIN * weights.view(-1, len(waves)) @ waves.flatten(1)
        a, b, d = raw.view(-1, 3, COLOURS, *size).unbind(1)
        return a, b, 1e-3 + F.softplus(d + math.log(math.e - 1))

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> Path:
        a, b, d = self.coefficients(size, context)
        parts = d * d, b * d, (b * b + 2 * a * d) / 3, a * b / 2, a * a / 5
        whole = parts[0] + parts[1] + parts[2] + parts[3] + parts[4]

        def progress(t: Tensor) -> tuple[Tensor, Tensor]:
            at = parts[4]
            for part in parts[3::-1]:
                at = torch.addcmul(part, at, t)
            slope = torch.addcmul(d, torch.addcmul(b, a, t), t)
            return at * t / whole, slope * slope / whole

        return Path(progress, scalar=False)
