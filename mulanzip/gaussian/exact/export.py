"""Build the look-up tables of distributions in floating point.  Nothing here runs while coding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mulanzip.gaussian.exact.discretized import (
    CDF_TOTAL,
    INVERSE_BITS,
    MAX_WINDOW_BITS,
    MIN_SCALE,
    MIN_WINDOW_BITS,
    SCALES,
    SCALES_PER_E,
    TABLE_STEPS,
    DistributionTables,
)


def export_tables(cdf: Callable[[Tensor], Tensor], reach: float) -> DistributionTables:
    """Tables of a family of distributions.

    Args:
        cdf: of the distribution with scale 1 and mean 0, in float64.
        reach: half the smallest width of a window, in scales.
    """
    half = int(reach * TABLE_STEPS)
    steps = torch.arange(-half, half + 1, dtype=torch.float64) / TABLE_STEPS
    scale = MIN_SCALE * np.exp(np.arange(SCALES) / SCALES_PER_E)
    window_bits = np.ceil(np.log2(2 * reach * scale + 2)).clip(MIN_WINDOW_BITS, MAX_WINDOW_BITS)
    return DistributionTables(
        np.rint(CDF_TOTAL * cdf(steps).numpy()).astype(np.int64),
        np.rint((TABLE_STEPS << INVERSE_BITS) / scale).astype(np.int64),
        window_bits.astype(np.int64),
    )


def normal() -> DistributionTables:
    """Tables of ``N(0, 1)``, to 6.5 standard deviations."""
    return export_tables(torch.special.ndtr, 6.5)


def logistic() -> DistributionTables:
    """Tables of the logistic distribution, whose CDF is ``1 / (1 + exp(-t))``, to 16 scales."""
    return export_tables(torch.sigmoid, 16.0)
