"""Code length of the discretised mixture of logistics in floating point, with its gradient.

The exact, integer counterpart that the coder uses is :mod:`mulanzip.density.mixture`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import MEAN_BITS
from mulanzip.density.mixture import COUPLING_GAIN, LOG_SCALE_LIMIT, MEAN_GAIN, PROBABILITY_FLOOR, SCALE_AT_ZERO
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale

_CHUNK_CELLS = 8192  # Keeps the temporaries of a chunk in the processor's cache.


def _chunk(
    outputs: list[Tensor], base: Tensor, values: Tensor, sample_scale: SampleScale
) -> tuple[Tensor, list[Tensor]]:
    """Bits ``(colours, n)`` and their gradients with respect to ``outputs``."""
    k = len(outputs[0]) // 3
    logits, scales, means = (torch.stack([c[i * k : (i + 1) * k] for c in outputs]) for i in range(3))
    couplings = [c[3 * k :] * COUPLING_GAIN for c in outputs]

    # Deep samples are not rounded to steps of their places.
    level = (
        values.float() * 2.0**-sample_scale.log2_steps
        if sample_scale.value_edges is None
        else places(values, sample_scale) / 2**MEAN_BITS
    )
    offset = level - base
    shift = torch.stack([(coupling * offset[: len(coupling)]).sum(0) for coupling in couplings])
    distance = (offset - shift)[:, None] - MEAN_GAIN * means
    inverse = torch.exp(-scales.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)) / SCALE_AT_ZERO
    lower, upper = ((distance + side) * inverse for side in _sides(values, sample_scale))
    cdf_upper = torch.sigmoid(upper)
    cdf_lower = torch.sigmoid(lower)
    density_upper = cdf_upper * (1 - cdf_upper)
    density_lower = cdf_lower * (1 - cdf_lower)
    # Both ends of the range take the whole tail.
    top = (values == sample_scale.count - 1)[:, None]
    bottom = (values == 0)[:, None]
    cdf_upper.masked_fill_(top, 1)
    density_upper.masked_fill_(top, 0)
    cdf_lower.masked_fill_(bottom, 0)
    density_lower.masked_fill_(bottom, 0)
    mass = cdf_upper - cdf_lower
    weight = torch.softmax(logits, 1)
    mixed = (weight * mass).sum(1)
    probability = mixed + PROBABILITY_FLOOR * 256 / sample_scale.count
    bits = -torch.log2(probability)

    slope = (-1 / math.log(2)) * weight / probability[:, None]
    d_logits = slope * (mass - mixed[:, None])
    d_distance = slope * inverse * (density_upper - density_lower)
    d_scales = slope * (density_lower * lower - density_upper * upper)
    d_scales.masked_fill_(scales.abs() > LOG_SCALE_LIMIT, 0)
    d_shift = -d_distance.sum(1) * COUPLING_GAIN
    d_means = d_distance * -MEAN_GAIN
    gradients = [
        torch.cat((d_logits[colour], d_scales[colour], d_means[colour], d_shift[colour] * offset[:colour]))
        for colour in range(len(outputs))
    ]
    return bits, gradients


def _sides(values: Tensor, sample_scale: SampleScale) -> tuple[Tensor | float, Tensor | float]:
    """How far the edges of values are from their places, in levels."""
    if sample_scale.value_edges is None:
        half = 2.0**-sample_scale.log2_steps / 2
        return -half, half
    middle = places(values, sample_scale) + 2 ** (MEAN_BITS - 1)
    lower, upper = (
        (_looked_up(sample_scale.value_edges.edges, values + side) - middle) / 2**MEAN_BITS for side in (0, 1)
    )
    return lower[:, None], upper[:, None]


def places(values: Tensor, sample_scale: SampleScale) -> Tensor:
    """Where samples ``(colours, n)`` are, in ``2**-MEAN_BITS`` levels: int32."""
    if sample_scale.value_edges is None:
        return (
            values.to(torch.int32) << MEAN_BITS + sample_scale.log2_levels_per_step
        ) >> sample_scale.log2_steps_per_level
    return _looked_up(sample_scale.value_edges.level_centres, values)


def _looked_up(table: np.ndarray, values: Tensor) -> Tensor:
    """Of each colour in a row of its own."""
    return torch.from_numpy(table).gather(1, values.long())


class _CodeLength(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, base: Tensor, values: Tensor, weights: Tensor, sample_scale: SampleScale, *outputs: Tensor
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        gradients = [torch.empty_like(o) for o in outputs]
        for start in range(0, values.shape[1], _CHUNK_CELLS):
            part = slice(start, start + _CHUNK_CELLS)
            bits, pieces = _chunk([o[:, part] for o in outputs], base[:, part], values[:, part], sample_scale)
            total += (bits * weights[part]).sum(dtype=torch.float64)
            for gradient, piece in zip(gradients, pieces, strict=True):
                torch.mul(piece, weights[part], out=gradient[:, part])
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        scale = float(grad_outputs[0])
        return None, None, None, None, *(gradient * scale for gradient in ctx.saved_tensors)


def code_length(
    outputs: Sequence[Tensor], base: Tensor, values: Tensor, weights: Tensor, sample_scale: SampleScale = EIGHT_BIT
) -> Tensor:
    """Weighted code length in bits of ``n`` cells of one phase, differentiable with respect to ``outputs``.

    ``-log2 P(x)`` with ``P(x) = sum_k w_k [F_k(x + 1/2) - F_k(x - 1/2)]``, ``F_k`` logistic CDFs
    whose tails are folded into the least and the largest sample, and 1/2 is half a step of samples.  The mean of
    the second colour depends linearly on the first one, that of the third on both.

    Args:
        outputs: per colour (3, or the first alone), float32 ``(outputs, n)``: logits, log scales, means, couplings.
        base: float32 ``(colours, n)``, base predictions in levels.
        values: samples of ``sample_scale``, integers ``(colours, n)``.
        weights: float32 ``(n,)``, 0 where nothing is coded.

    Returns:
        float64 scalar.
    """
    result: Tensor = _CodeLength.apply(base, values, weights, sample_scale, *outputs)
    return result
