"""Noise schedules ``gamma(c, t)``: fixed, learned for all subpixels, learned per subpixel, and per subpixel and image.

Every schedule rises strictly from exactly ``GAMMA_MIN`` at t = 0 to exactly ``GAMMA_MAX`` at t = 1; the curve between
is learned.  No schedule depends on the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.forward import GAMMA_MAX, GAMMA_MIN

GAMMA_RANGE = GAMMA_MAX - GAMMA_MIN
#: Weight of a linear ramp mixed into every schedule, so that d(gamma)/dt never reaches zero: posterior variances would
#: vanish there.
LINEAR_WEIGHT = 0.01
COLOURS = 3
#: Number of cosines along each axis, and side in pixels of the repeated cell, from which coefficients are composed.
WAVES, CELL = 4, 4
#: Coefficients are this multiple of their weights.  At learning rates that suit the network, schedules for few steps
#: would otherwise learn too slowly.
GAIN = 10.0


@dataclass(frozen=True)
class NoisePath:
    """The schedule of one batch, for a known image size and context.

    Attributes:
        ramp: t ``(B, 1, 1, 1)`` in 0..1 -> the fraction of ``GAMMA_RANGE`` covered and its derivative, both of which
            broadcast to ``(B, colours, height, width)``.
        is_scalar: whether all subpixels share the schedule.
    """

    ramp: Callable[[Tensor], tuple[Tensor, Tensor]]
    is_scalar: bool

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """``gamma`` and ``d gamma / d t`` at times ``(B,)``."""
        t = t.view(-1, 1, 1, 1)
        with torch.autocast(t.device.type, enabled=False):
            fraction, rate = self.ramp(t)
        gamma = GAMMA_MIN + GAMMA_RANGE * torch.lerp(fraction, t.expand_as(fraction), LINEAR_WEIGHT)
        return gamma, GAMMA_RANGE * (LINEAR_WEIGHT + (1 - LINEAR_WEIGHT) * rate)


class NoiseSchedule(nn.Module):
    """Base of all schedules."""

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> NoisePath:
        """The schedule for images of ``size`` (height, width).

        Args:
            context: float32 ``(B, bits)``, for schedules that depend on it.
        """
        raise NotImplementedError


class LinearSchedule(NoiseSchedule):
    """``gamma`` linear in t.  Nothing is learned."""

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> NoisePath:
        return NoisePath(lambda t: (t, torch.ones_like(t)), is_scalar=True)


class ScalarSchedule(NoiseSchedule):
    """One monotone function for all subpixels: a sum of sigmoids with positive weights."""

    def __init__(self, units: int = 16) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(units))
        self.steepness = nn.Parameter(torch.full((units,), float(units) / 2))
        self.centre = nn.Parameter(torch.linspace(0, 1, units))

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> NoisePath:
        weight, steepness = F.softplus(self.weight), F.softplus(self.steepness)

        def sigmoids(t: Tensor) -> Tensor:
            return torch.sigmoid(steepness * (t[..., None] - self.centre))

        def ramp(t: Tensor) -> tuple[Tensor, Tensor]:
            ends = sigmoids(torch.tensor([0.0, 1.0])) @ weight
            at, length = sigmoids(t), ends[1] - ends[0]
            return (at @ weight - ends[0]) / length, (at * (1 - at)) @ (weight * steepness) / length

        return NoisePath(ramp, is_scalar=True)


def basis(height: int, width: int) -> Tensor:
    """Basis of the coefficients, ``(n, height, width)``: products of cosines, and the positions in a repeated cell."""
    along = [torch.cos(math.pi * torch.arange(WAVES)[:, None] * (torch.arange(n) + 0.5) / n) for n in (height, width)]
    waves = along[0][:, None, :, None] * along[1][None, :, None, :]
    position = torch.arange(height)[:, None] % CELL * CELL + torch.arange(width) % CELL
    return torch.cat((waves.flatten(0, 1), F.one_hot(position, CELL * CELL).permute(2, 0, 1).float()))


class PolynomialSchedule(NoiseSchedule):
    """A polynomial schedule per subpixel; with a context, per subpixel and image.

    ``gamma_i(t) = gamma_min + (gamma_max - gamma_min) P_i(t) / P_i(1)`` with
    ``P_i(t) = int_0^t (a_i s^2 + b_i s + d_i)^2 ds`` as in MULAN, mixed with the linear ramp.  ``a``, ``b`` and ``d``
    are combinations of cosines over the image and of the positions in a repeated cell, so a schedule fits images of
    any size.
    """

    HIDDEN = 64

    def __init__(self, bits: int = 0) -> None:
        """``bits``: length of the context; 0 for a schedule that is the same for all images."""
        super().__init__()
        outputs = 3 * COLOURS * (WAVES * WAVES + CELL * CELL)
        # Random, because subpixels that start alike would have the same gradient for a long time.
        self.bias = nn.Parameter(0.02 / GAIN * torch.randn(outputs))
        self.network: nn.Module | None = None
        if bits:
            last = nn.Linear(self.HIDDEN, outputs, bias=False)
            nn.init.zeros_(last.weight)
            self.network = nn.Sequential(nn.Linear(bits, self.HIDDEN), nn.ReLU(), last)

    def coefficients(self, size: tuple[int, int], context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """``a``, ``b``, ``d``: ``(B, colours, height, width)`` each; B is 1 without a context.

        Raises:
            ValueError: if the schedule depends on a context and none is given.
        """
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

    def path(self, size: tuple[int, int], context: Tensor | None = None) -> NoisePath:
        a, b, d = self.coefficients(size, context)
        # P(t) = ((((p4 t + p3) t + p2) t + p1) t + p0) t.
        parts = d * d, b * d, (b * b + 2 * a * d) / 3, a * b / 2, a * a / 5
        end = parts[0] + parts[1] + parts[2] + parts[3] + parts[4]

        def ramp(t: Tensor) -> tuple[Tensor, Tensor]:
            at = parts[4]
            for part in parts[3::-1]:
                at = torch.addcmul(part, at, t)
            slope = torch.addcmul(d, torch.addcmul(b, a, t), t)
            return at * t / end, slope * slope / end

        return NoisePath(ramp, is_scalar=False)
