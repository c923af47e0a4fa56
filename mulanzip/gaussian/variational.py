"""The variational bound on the code length of an image, term by term.

``-log p(x) <= reconstruction + prior + diffusion + context`` (MULAN, equation 7), with infinitely many steps or with T.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mulanzip.gaussian.denoiser import Moments
from mulanzip.gaussian.forward import (
    GAMMA_MAX,
    GAMMA_MIN,
    VALUES,
    VALUES_PER_UNIT,
    alpha,
    diffused,
    precision_gain,
    sigma,
)
from mulanzip.gaussian.noise_schedule import NoisePath

#: ``z``, ``gamma`` -> mean and variance of ``u``.  The context, if any, is bound already.
Denoise = Callable[[Tensor, Tensor], Moments]
#: Values further away than this add less than e^-200 to the reconstruction's normaliser.
_REACH = 3


@dataclass(frozen=True)
class Bound:
    """Bits per image, ``(B,)`` each.

    Attributes:
        reconstruction: the values given ``z_0``.
        prior: KL divergence of ``z_1`` from the standard normal.
        diffusion: all steps from ``z_1`` to ``z_0``.
        context: KL divergence of ``c`` from the uniform prior over k-subsets.
        subpixels: number of subpixels of an image.
    """

    reconstruction: Tensor
    prior: Tensor
    diffusion: Tensor
    context: Tensor
    subpixels: int

    @property
    def total(self) -> Tensor:
        return self.reconstruction + self.prior + self.diffusion + self.context

    @property
    def bits_per_dim(self) -> float:
        """Bits per subpixel, the mean over the images."""
        return float(self.total.detach().double().mean()) / self.subpixels

    @classmethod
    def join(cls, parts: list[Bound]) -> Bound:
        """Concatenate several batches."""
        return cls._from(parts, torch.cat)

    @classmethod
    def mean(cls, rounds: list[Bound]) -> Bound:
        """Average several estimates for the same images."""
        return cls._from(rounds, lambda terms: torch.stack(terms).mean(0))

    @classmethod
    def _from(cls, bounds: list[Bound], reduce: Callable[[list[Tensor]], Tensor]) -> Bound:
        names = [f.name for f in fields(cls) if f.name != "subpixels"]
        terms = {name: reduce([getattr(b, name) for b in bounds]) for name in names}
        return cls(**terms, subpixels=bounds[0].subpixels)


def to_bits(nats: Tensor) -> Tensor:
    """Nats per subpixel -> bits per image: ``(B, ...)`` -> ``(B,)``."""
    return nats.flatten(1).sum(1) / math.log(2)


def prior(u: Tensor) -> Tensor:
    """``KL(q(z_1 | x) || N(0, I))`` in bits."""
    end = torch.tensor(GAMMA_MAX, dtype=u.dtype)
    variance = torch.sigmoid(end)
    return to_bits(0.5 * ((alpha(end) * u) ** 2 + variance - 1 - variance.log()))


def reconstruction(values: Tensor, noise: Tensor) -> Tensor:
    """``-log p(x | z_0)`` in bits, where ``p(v | z_0)`` is proportional to ``exp(-(y - u_v)^2 / (2 exp(gamma_min)))``.

    Args:
        values: uint8 ``(B, ...)``.
        noise: the noise in ``z_0``, in the same shape.
    """
    width = VALUES_PER_UNIT * math.exp(GAMMA_MIN / 2)
    steps = torch.arange(-_REACH, _REACH + 1).view(-1, *[1] * values.dim())
    energy = -0.5 * (noise - steps / width) ** 2
    there = values + steps
    energy = energy.masked_fill((there < 0) | (there > VALUES - 1), -torch.inf)
    return to_bits(energy.logsumexp(0) - energy[_REACH])


def diffusion(denoise: Denoise, path: NoisePath, u: Tensor, steps: int | None, generator: torch.Generator) -> Tensor:
    """An unbiased estimate of the diffusion term in bits, from one time per image; times are stratified over the batch.

    With infinitely many steps it is ``1/2 int_0^1 (u - u^)^T diag(-dSNR/dt) (u - u^) dt``.  With ``steps`` of them it
    is the sum of KL divergences between ``q(z_s | z_t, x)`` and normal distributions that have the mean of ``q`` at
    ``u^`` and the variance of ``q`` plus what the denoiser's variance V adds:
    ``1/2 [ln(1 + D V) + D ((u - u^)^2 - V) / (1 + D V)]`` with ``D = SNR_s - SNR_t``.

    Args:
        u: ``(B, colours, H, W)``.
        steps: None for infinitely many.
    """
    batch = len(u)
    t = (torch.rand(1, generator=generator, dtype=u.dtype) + torch.arange(batch, dtype=u.dtype) / batch) % 1
    if steps is not None:
        t = (torch.floor(t * steps) + 1) / steps
    noise = torch.randn(u.shape, generator=generator, dtype=u.dtype)
    gamma, slope = path(t)
    prediction = denoise(diffused(u, gamma, noise), gamma)
    error = (u - prediction.mean) ** 2
    if steps is not None:
        gain = precision_gain(path(t - 1 / steps)[0], gamma)
        added = gain * prediction.variance
        return to_bits(0.5 * steps * (torch.log1p(added) + gain * (error - prediction.variance) / (1 + added)))
    cost = to_bits(0.5 * slope * torch.exp(-gamma) * error)
    if path.is_scalar and gamma.requires_grad:
        _minimise_variance((gamma, slope), cost.detach())
    return cost


def _minimise_variance(path: tuple[Tensor, ...], cost: Tensor) -> None:
    """Replace a scalar schedule's gradient by that of the cost's variance: the mean does not depend on the schedule."""
    factor = (2 * cost / cost.mean()).view(-1, 1, 1, 1)
    for tensor in path:
        tensor.register_hook(lambda gradient: gradient * factor)


def reverse_step(prediction: Moments, z: Tensor, earlier: Tensor, later: Tensor) -> Moments:
    """Mean and variance of ``p(z_s | z_t)``.

    Args:
        prediction: of ``u``, given ``z``.
        z: the noisy image ``z_t``.
        earlier, later: ``gamma`` at s and at t.
    """
    new = -torch.expm1(earlier - later)
    variance = torch.sigmoid(earlier)
    kept = alpha(later) * variance / (alpha(earlier) * sigma(later) ** 2)
    gain = alpha(earlier) * new
    return Moments(kept * z + gain * prediction.mean, variance * new + gain**2 * prediction.variance)
