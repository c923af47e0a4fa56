"""Code length of a discretised mixture of logistics in floating point, with its gradient.

The coder uses the exact integer counterpart, ``mulanzip/native/mixture.h``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import MEAN_BITS
from mulanzip.density.parameters import COUPLING_GAIN, LOG_SCALE_LIMIT, MEAN_GAIN, PROBABILITY_FLOOR, SCALE_AT_ZERO
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics

#: Cells that a processor evaluates at a time, so that temporary arrays stay in its cache.
_CHUNK_CELLS = 8192


def _chunk(
    outputs: list[Tensor], base: Tensor, values: Tensor, statistics: SampleStatistics
) -> tuple[Tensor, list[Tensor]]:
    """Bits ``(colours, n)`` and their gradients with respect to ``outputs``; see :func:`code_length`."""
    k = len(outputs[0]) // 3
    logits, scales, means = (torch.stack([c[i * k : (i + 1) * k] for c in outputs]) for i in range(3))
    couplings = [c[3 * k :] * COUPLING_GAIN for c in outputs]

    # Evenly spaced samples keep their full precision: they are not rounded to 2**-MEAN_BITS.
    level = (
        values.float() * 2.0**-statistics.scale.log2_steps
        if statistics.value_edges is None
        else level_positions(values, statistics) / 2**MEAN_BITS
    )
    offset = level - base
    shift = torch.stack([(coupling * offset[: len(coupling)]).sum(0) for coupling in couplings])
    distance = (offset - shift)[:, None] - MEAN_GAIN * means
    inverse = torch.exp(-scales.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)) / SCALE_AT_ZERO
    lower, upper = ((distance + edge) * inverse for edge in _edges(values, statistics))
    cdf_upper = torch.sigmoid(upper)
    cdf_lower = torch.sigmoid(lower)
    density_upper = cdf_upper * (1 - cdf_upper)
    density_lower = cdf_lower * (1 - cdf_lower)
    # The least and the largest value get the whole tail.
    top = (values == statistics.scale.count - 1)[:, None]
    bottom = (values == 0)[:, None]
    cdf_upper.masked_fill_(top, 1)
    density_upper.masked_fill_(top, 0)
    cdf_lower.masked_fill_(bottom, 0)
    density_lower.masked_fill_(bottom, 0)
    mass = cdf_upper - cdf_lower
    weight = torch.softmax(logits, 1)
    mixed = (weight * mass).sum(1)
    probability = mixed + PROBABILITY_FLOOR * 256 / statistics.scale.count
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


def _edges(values: Tensor, statistics: SampleStatistics) -> tuple[Tensor | float, Tensor | float]:
    """Lower and upper edges of the intervals of values, relative to their positions, in levels."""
    if statistics.value_edges is None:
        half = 2.0**-statistics.scale.log2_steps / 2
        return -half, half
    middle = level_positions(values, statistics) + 2 ** (MEAN_BITS - 1)
    lower, upper = (
        (_looked_up(statistics.value_edges.edges, values + side) - middle) / 2**MEAN_BITS for side in (0, 1)
    )
    return lower[:, None], upper[:, None]


def level_positions(values: Tensor, statistics: SampleStatistics) -> Tensor:
    """Positions of samples ``(colours, n)`` on the scale of levels, in ``2**-MEAN_BITS`` levels: int32."""
    if statistics.value_edges is None:
        return (
            values.to(torch.int32) << MEAN_BITS + statistics.scale.log2_levels_per_step
        ) >> statistics.scale.log2_steps_per_level
    return _looked_up(statistics.value_edges.level_centres, values)


def _looked_up(table: np.ndarray, values: Tensor) -> Tensor:
    """``table[colour, value]``: the table has one row per colour."""
    return torch.from_numpy(table).to(values.device).gather(1, values.long())


class _CodeLength(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, base: Tensor, values: Tensor, weights: Tensor, statistics: SampleStatistics, *outputs: Tensor
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=values.device)
        chunk = _CHUNK_CELLS if values.device.type == "cpu" else values.shape[1]
        gradients = [torch.empty_like(o) for o in outputs]
        for start in range(0, values.shape[1], chunk):
            part = slice(start, start + chunk)
            bits, pieces = _chunk([o[:, part] for o in outputs], base[:, part], values[:, part], statistics)
            total += (bits * weights[part]).sum(dtype=torch.float64)
            for gradient, piece in zip(gradients, pieces, strict=True):
                torch.mul(piece, weights[part], out=gradient[:, part])
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        scale = grad_outputs[0].float()
        return None, None, None, None, *(gradient * scale for gradient in ctx.saved_tensors)


def code_length(
    outputs: Sequence[Tensor],
    base: Tensor,
    values: Tensor,
    weights: Tensor,
    statistics: SampleStatistics = PLAIN_STATISTICS,
) -> Tensor:
    """Weighted code length in bits of ``n`` cells of one phase, differentiable with respect to ``outputs``.

    ``-log2 P(x)`` with ``P(x) = sum_k w_k [F_k(x + 1/2) - F_k(x - 1/2)]``.  The ``F_k`` are logistic CDFs, 1/2 is half
    a sample step, and the tails are folded into the least and the largest sample.  The mean of the second colour
    depends linearly on the first colour, the mean of the third on both.

    Args:
        outputs: one tensor per colour (3, or the first alone), float32 ``(outputs, n)``: logits, log scales, means,
            couplings.
        base: float32 ``(colours, n)``, base predictions in levels.
        values: samples with ``statistics``, integers ``(colours, n)``.
        weights: float32 ``(n,)``; 0 for cells that are not coded.

    Returns:
        float64 scalar.
    """
    result: Tensor = _CodeLength.apply(base, values, weights, statistics, *outputs)
    return result
