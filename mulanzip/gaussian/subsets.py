"""Distributions over the subsets of k out of m bits: ``q(c) = exp(theta . c) / Z`` for ``|c| = k``.

Normaliser, marginals and entropy are exact.  They come from the Poisson binomial distribution of independent bits that
are tilted so that k of them are on in the mean.  So the cost of a context in the bound is that of a subset, at most
``log C(m, k)``, instead of that of one categorical draw.  Samples are exact as well.  MULAN adds noise to the logits
and takes the top k; this follows the distribution only approximately, and only with the right scale of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: Logits are clamped to ``-LIMIT..LIMIT``, which allows probabilities down to e^-20.
LIMIT = 10.0


def log_count(bits: int, active: int) -> float:
    """``ln C(bits, active)``: the cost of any subset under the uniform prior, in nats."""
    return math.log(math.comb(bits, active))


@dataclass(frozen=True)
class SubsetDistribution:
    """A batch of distributions over k-subsets.

    Attributes:
        logits: float64 ``(B, m)``, within ``-LIMIT..LIMIT``.
        marginals: float64 ``(B, m)``, the probability of each bit; differentiable.
        cost: float64 ``(B,)``, KL divergence from the uniform prior over subsets in nats; differentiable.
        active: k.
    """

    logits: Tensor
    marginals: Tensor
    cost: Tensor
    active: int

    @classmethod
    def from_logits(cls, logits: Tensor, active: int) -> SubsetDistribution:
        """Args: logits: ``(B, m)``, clamped to the limit."""
        theta = logits.double().clamp(-LIMIT, LIMIT)
        bits = theta.shape[1]
        tilt = _tilt(theta.detach(), active)
        on = torch.sigmoid(theta + tilt)
        # P(sum = k) by the discrete Fourier transform of the characteristic function.  With an odd number of points,
        # no point is a zero of a factor.
        points = bits + 1 | 1
        turn = torch.arange(points, dtype=torch.float64) * (2 * math.pi / points)
        factors = 1 + on[:, :, None] * (torch.polar(torch.ones_like(turn), turn) - 1)
        product = factors.prod(1)
        back = torch.polar(torch.ones_like(turn), -turn * active)
        chance = (product * back).real.mean(-1)
        others = (product[:, None] / factors * torch.polar(torch.ones_like(turn), -turn * (active - 1))).real.mean(-1)
        marginals = on * others / chance[:, None]
        log_z = chance.log() - torch.nn.functional.logsigmoid(-(theta + tilt)).sum(1) - active * tilt[:, 0]
        entropy = log_z - (theta * marginals).sum(1)
        return cls(theta, marginals, log_count(bits, active) - entropy, active)

    @torch.no_grad()
    def sample(self, generator: torch.Generator) -> Tensor:
        """One subset per distribution: float32 ``(B, m)`` of zeros and ones, k ones in every row."""
        theta, k = self.logits, self.active
        batch, bits = theta.shape
        on = torch.sigmoid(theta + _tilt(theta, k))
        # after[i][:, j]: the probability that j of the bits from i on are on.
        after = [torch.zeros(batch, k + 1, dtype=torch.float64)]
        after[0][:, 0] = 1
        for i in range(bits - 1, 0, -1):
            p = on[:, i : i + 1]
            row = after[-1] * (1 - p)
            row[:, 1:] += after[-1][:, :-1] * p
            after.append(row)
        after.reverse()
        uniform = torch.rand(batch, bits, dtype=torch.float64, generator=generator)
        chosen = torch.zeros(batch, bits)
        left = torch.full((batch, 1), k)
        for i in range(bits):
            p = on[:, i : i + 1]
            yes = p * after[i].gather(1, (left - 1).clamp(min=0)) * (left > 0)
            no = (1 - p) * after[i].gather(1, left)
            taken = uniform[:, i : i + 1] * (yes + no) < yes
            chosen[:, i : i + 1] = taken.float()
            left = left - taken.long()
        return chosen

    def relaxed(self, generator: torch.Generator) -> Tensor:
        """A sample with the gradient of the marginals (straight-through): float32 ``(B, m)``."""
        marginals = self.marginals.float()
        return self.sample(generator) + (marginals - marginals.detach())


def _tilt(theta: Tensor, active: int) -> Tensor:
    """The offset of the logits at which independent bits sum to k in the mean: float64 ``(B, 1)``."""
    low = torch.full((len(theta), 1), -3 * LIMIT, dtype=torch.float64)
    high = -low
    for _ in range(30):
        middle = (low + high) / 2
        above = torch.sigmoid(theta + middle).sum(1, keepdim=True) > active
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2
