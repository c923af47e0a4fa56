"""Code length of the discretised mixture of logistics in floating point, with its gradient.

The exact, integer counterpart that the coder uses is :mod:`mulanzip.likelihood`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mulanzip.architecture import COLOURS
from mulanzip.likelihood import (
    COUPLING_GAIN,
    LOG_SCALE_LIMIT,
    MEAN_GAIN,
    PROBABILITY_FLOOR,
    SCALE_AT_ZERO,
)

_CHUNK_CELLS = 8192  # Keeps the temporaries of a chunk in the processor's cache.


def _chunk(outputs: Tensor, base: Tensor, values: Tensor, mixtures: int) -> tuple[Tensor, Tensor]:
    """Bits ``(N, 3, h, w)`` and their gradient with respect to ``outputs``."""
    k = mixtures
    colours = outputs.split([3 * k + colour for colour in range(COLOURS)], 1)
    logits, scales, means = (torch.stack([c[:, i * k : (i + 1) * k] for c in colours], 1) for i in range(3))
    couplings = torch.cat([c[:, 3 * k :] for c in colours], 1)

    value = values.float()
    offset = value - base
    first, second, _ = offset.unbind(1)
    a, b, c = (couplings * COUPLING_GAIN).unbind(1)
    shift = torch.stack((torch.zeros_like(first), a * first, b * first + c * second), 1)
    distance = (offset - shift)[:, :, None] - MEAN_GAIN * means
    inverse = torch.exp(-scales.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)) / SCALE_AT_ZERO
    upper = (distance + 0.5) * inverse
    lower = (distance - 0.5) * inverse
    cdf_upper = torch.sigmoid(upper)
    cdf_lower = torch.sigmoid(lower)
    density_upper = cdf_upper * (1 - cdf_upper)
    density_lower = cdf_lower * (1 - cdf_lower)
    # Both ends of the range take the whole tail.
    top = (value == 255)[:, :, None]
    bottom = (value == 0)[:, :, None]
    cdf_upper.masked_fill_(top, 1)
    density_upper.masked_fill_(top, 0)
    cdf_lower.masked_fill_(bottom, 0)
    density_lower.masked_fill_(bottom, 0)
    mass = cdf_upper - cdf_lower
    weight = torch.softmax(logits, 2)
    mixed = (weight * mass).sum(2)
    probability = mixed + PROBABILITY_FLOOR
    bits = -torch.log2(probability)

    slope = (-1 / math.log(2)) * weight / probability[:, :, None]
    d_logits = slope * (mass - mixed[:, :, None])
    d_distance = slope * inverse * (density_upper - density_lower)
    d_scales = slope * (density_lower * lower - density_upper * upper)
    d_scales.masked_fill_(scales.abs() > LOG_SCALE_LIMIT, 0)
    d_shift = -d_distance.sum(2)
    d_means = d_distance * -MEAN_GAIN
    before = (first, second)
    pieces: list[Tensor] = []
    for colour in range(COLOURS):
        pieces += [d_logits[:, colour], d_scales[:, colour], d_means[:, colour]]
        pieces += [(d_shift[:, colour] * x * COUPLING_GAIN)[:, None] for x in before[:colour]]
    gradient = torch.cat(pieces, 1)
    return bits, gradient


class _CodeLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, outputs: Tensor, base: Tensor, values: Tensor, weights: Tensor, mixtures: int) -> Tensor:
        size = max(1, _CHUNK_CELLS // (outputs.shape[2] * outputs.shape[3]))
        total = torch.zeros((), dtype=torch.float64)
        gradients = []
        for start in range(0, outputs.shape[0], size):
            part = slice(start, start + size)
            bits, gradient = _chunk(outputs[part], base[part], values[part], mixtures)
            weight = weights[part, None]
            total += (bits * weight).sum(dtype=torch.float64)
            gradients.append(gradient.mul_(weight))
        ctx.save_for_backward(torch.cat(gradients))
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_outputs[0].float(), None, None, None, None


def code_length(outputs: Tensor, base: Tensor, values: Tensor, weights: Tensor, mixtures: int) -> Tensor:
    """Weighted code length in bits, differentiable with respect to ``outputs``.

    ``-log2 P(x)`` with ``P(x) = sum_k w_k [F_k(x + 1/2) - F_k(x - 1/2)]``, ``F_k`` logistic CDFs
    whose tails are folded into 0 and 255.  The mean of the second colour depends linearly on the
    first one, that of the third on both.

    Args:
        outputs: float32 ``(N, outputs, h, w)`` of one phase: per colour logits, log scales, means, couplings.
        base: float32 ``(N, 3, h, w)``, base predictions in levels 0..255.
        values: uint8 ``(N, 3, h, w)``.
        weights: float32 ``(N, h, w)``, 0 where nothing is coded.
        mixtures: components per colour.

    Returns:
        float64 scalar.
    """
    result: Tensor = _CodeLength.apply(outputs, base, values, weights, mixtures)
    return result
