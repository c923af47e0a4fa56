"""The variational bound on the code length of an image, term by term.

``-log p(x) <= reconstruction + prior + diffusion + context`` (MULAN, equation 7), with infinitely many steps or with T.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mulanzip.gaussian.denoiser import Prediction
from mulanzip.gaussian.process import GAMMA_MAX, GAMMA_MIN, LEVELS, PER_UNIT, alpha, diffused, gained, sigma
from mulanzip.gaussian.schedule import Path

#: ``z``, ``gamma`` -> what is known of ``u``; a context is bound to it already.
Denoise = Callable[[Tensor, Tensor], Prediction]
#: Values further away than this add less than e^-200 to the reconstruction's normaliser.
_NEAR = 3


@dataclass(frozen=True)
class Bound:
    """Bits per image, ``(B,)`` each.

    Attributes:
        reconstruction: the values given ``z_0``.
        prior: KL of ``z_1`` from the standard normal.
        diffusion: all steps from ``z_1`` to ``z_0``.
        context: KL of ``c`` from the uniform prior over k-subsets.
        subpixels: of an image.
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
        """Mean over the images."""
        return float(self.total.detach().double().mean()) / self.subpixels

    @classmethod
    def join(cls, parts: list[Bound]) -> Bound:
        """Of several batches, as one."""
        return cls._from(parts, torch.cat)

    @classmethod
    def mean(cls, rounds: list[Bound]) -> Bound:
        """Of several estimates for the same images."""
        return cls._from(rounds, lambda terms: torch.stack(terms).mean(0))

    @classmethod
    def _from(cls, bounds: list[Bound], reduce: Callable[[list[Tensor]], Tensor]) -> Bound:
        names = [f.name for f in fields(cls) if f.name != "subpixels"]
        terms = {name: reduce([getattr(b, name) for b in bounds]) for name in names}
        return cls(**terms, subpixels=bounds[0].subpixels)


def bits(nats: Tensor) -> Tensor:
    """Summed over subpixels: ``(B, ...)`` -> ``(B,)``."""
    return nats.flatten(1).sum(1) / math.log(2)


def prior(u: Tensor) -> Tensor:
    """``KL(q(z_1 | x) || N(0, I))`` in bits."""
    end = torch.tensor(GAMMA_MAX, dtype=u.dtype)
    variance = torch.sigmoid(end)
    return bits(0.5 * ((alpha(end) * u) ** 2 + variance - 1 - variance.log()))


def reconstruction(values: Tensor, noise: Tensor) -> Tensor:
    """``-log p(x | z_0)`` in bits, where ``p(v | z_0)`` is proportional to ``exp(-(y - u_v)^2 / (2 exp(gamma_min)))``.

    Args:
        values: uint8 ``(B, ...)``; noise: of ``z_0``, alike.
    """
    width = PER_UNIT * math.exp(GAMMA_MIN / 2)
    steps = torch.arange(-_NEAR, _NEAR + 1).view(-1, *[1] * values.dim())
    energy = -0.5 * (noise - steps / width) ** 2
    there = values + steps
    energy = energy.masked_fill((there < 0) | (there > LEVELS - 1), -torch.inf)
    return bits(energy.logsumexp(0) - energy[_NEAR])


def diffusion(denoise: Denoise, path: Path, u: Tensor, steps: int | None, generator: torch.Generator) -> Tensor:
    """An unbiased estimate of the diffusion term in bits, from one time per image; times are stratified over the batch.

    With infinitely many steps, ``1/2 int_0^1 (u - u^)^T diag(-dSNR/dt) (u - u^) dt``.  With ``steps`` of them, the sum
    of KLs between ``q(z_s | z_t, x)`` and normal distributions with the mean of ``q`` at ``u^``, and with the variance
    that the denoiser's own uncertainty adds:
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
        gain = gained(path(t - 1 / steps)[0], gamma)
        known = gain * prediction.variance
        return bits(0.5 * steps * (torch.log1p(known) + gain * (error - prediction.variance) / (1 + known)))
    cost = bits(0.5 * slope * torch.exp(-gamma) * error)
    if path.scalar and gamma.requires_grad:
        _steady((gamma, slope), cost.detach())
    return cost


def _steady(path: tuple[Tensor, ...], cost: Tensor) -> None:
    """Make the gradient of a scalar schedule that of its cost's variance: its mean does not depend on the schedule."""
    factor = (2 * cost / cost.mean()).view(-1, 1, 1, 1)
    for tensor in path:
        tensor.register_hook(lambda gradient: gradient * factor)


def reverse(prediction: Prediction, z: Tensor, earlier: Tensor, later: Tensor) -> Prediction:
    """``p(z_s | z_t)``: mean and variance, for ``gamma`` before (``earlier``) and at ``z`` (``later``)."""
    new = -torch.expm1(earlier - later)
    variance = torch.sigmoid(earlier)
    kept = alpha(later) * variance / (alpha(earlier) * sigma(later) ** 2)
    gain = alpha(earlier) * new
    return Prediction(kept * z + gain * prediction.mean, variance * new + gain**2 * prediction.variance)
