"""Inputs of the denoiser, and linear base predictions, in integers of torch: for training, and for backends of torch.

The native library computes the same; this is the reference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mulanzip.density.config import COARSE_BITS, GRAY_INPUT_PLANES, INPUT_PLANES, LEVEL_BITS, MEAN_BITS, UNIT
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.lattice.geometry import A, D, H, V

# Reciprocals by number of terms: mean = sum * table[count] >> fractional bits.
_NINTH = torch.tensor([0] + [-(-65536 // n) for n in range(1, 10)], dtype=torch.int32)
_QUARTER = torch.tensor([0] + [round(2**15 / n) for n in range(1, 5)], dtype=torch.int32)


#: Neighbours of a cell's pixel: row and column offsets, by phase.
_Neighbours = dict[int, tuple[tuple[int, int], ...]]
#: The nearest pixels of each phase.
_NEAR: dict[int, _Neighbours] = {
    H: {A: ((0, 0), (0, 1)), D: ((0, 0), (-1, 0))},
    V: {A: ((0, 0), (1, 0)), D: ((0, 0), (0, -1))},
    D: {H: ((0, 0), (1, 0)), V: ((0, 0), (0, 1))},
}
_DIAGONAL: _Neighbours = {A: ((0, 0), (0, 1), (1, 0), (1, 1))}


def _looked_up(table: Tensor, counts: Tensor) -> Tensor:
    """Reciprocals of numbers of terms, on the device of these."""
    return table.to(counts.device)[counts]


def _box3(x: Tensor) -> Tensor:
    """Sum over the 3x3 neighbourhood, zeros outside."""
    x = _padded(x)
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return x[..., :-2] + x[..., 1:-1] + x[..., 2:]


def _padded(x: Tensor) -> Tensor:
    """``x`` with a border of zeros, one pixel wide."""
    return F.pad(x, (1, 1, 1, 1))


def _moved(padded: Tensor, rows: int, columns: int) -> Tensor:
    """``y[i, j] = x[i + rows, j + columns]`` for ``padded = _padded(x)``; offsets are -1, 0 or 1."""
    h, w = padded.shape[-2] - 2, padded.shape[-1] - 2
    return padded[..., 1 + rows : 1 + rows + h, 1 + columns : 1 + columns + w]


def sample_type(sample_scale: SampleScale) -> torch.dtype:
    """Integer type of cells, in which sums of samples times fixed-point factors do not overflow."""
    return torch.int32 if sample_scale.is_plain else torch.int64


def input_planes(cells: Tensor, known: Tensor, sample_scale: SampleScale = EIGHT_BIT) -> Tensor:
    """Input planes of the denoiser.

    Args:
        cells: ``(B, 4, C, h, w)`` of :func:`sample_type`, samples of ``sample_scale``; phases A, H, V, D; C 3 or 1.
        known: mask, bool ``(B, 4, h, w)``, or ``(1, 4, h, w)`` for all images.  Unknown values have no influence.

    Returns:
        uint8, ``(B, INPUT_PLANES, h, w)`` or ``(B, GRAY_INPUT_PLANES, h, w)``: for every phase and colour
        ``max(0, value - m)`` and ``max(0, m - value)`` in gray levels, where ``m`` is the mean of the known A in the
        3x3 neighbourhood; then, for one colour, the same in steps of ``2**COARSE_BITS`` levels; then ``m`` on a scale
        of 0..63; then, for one colour, ``m`` in steps of ``2**LEVEL_BITS`` levels; then :data:`UNIT` where a phase is
        known.
    """
    b, _, colours, h, w = cells.shape
    if sample_scale.log2_levels_per_step:
        cells = cells << sample_scale.log2_levels_per_step
    mask = known.to(cells.dtype)
    total = _box3(cells[:, A] * mask[:, A, None])
    mean = total * _looked_up(_NINTH, _box3(mask[:, A]))[:, None] >> 16
    is_gray = colours == 1
    count, sizes = (GRAY_INPUT_PLANES, (4, 4, 4, 4, 1, 1, 4)) if is_gray else (INPUT_PLANES, (12, 12, 0, 0, 3, 0, 4))
    planes = torch.zeros((b, count, h, w), dtype=torch.uint8, device=cells.device)
    above, below, far_above, far_below, brightness, mean_levels, knowledge = planes.split(sizes, 1)
    for phase in (A, H, V, D):
        if not known[:, phase].any():
            continue  # The planes of this phase stay zero, as most planes do in a first step.
        of_phase = slice(colours * phase, colours * (phase + 1))
        difference = (cells[:, phase] - mean).mul_(mask[:, phase, None])
        for near, far, sign in ((above, far_above, 1), (below, far_below, -1)):
            levels = difference * sign >> sample_scale.log2_steps_per_level
            near[:, of_phase] = levels.clamp(0, 255)
            if is_gray:
                far[:, of_phase] = (levels >> COARSE_BITS).clamp_(0, 255)
    if sample_scale.is_plain:
        brightness[:] = mean >> 2
    else:
        brightness[:] = (mean << 6) // (sample_scale.count << sample_scale.log2_levels_per_step)
    if is_gray:
        mean_levels[:] = (mean >> sample_scale.log2_steps_per_level + LEVEL_BITS).clamp_(max=255)
    knowledge[:] = mask * UNIT
    return planes


def base_prediction(cells: Tensor, known: Tensor, phase: int, sample_scale: SampleScale = EIGHT_BIT) -> Tensor:
    """Mean of the nearest known pixels of ``phase``, in units of ``2**-MEAN_BITS`` gray levels.

    Args:
        cells, known: as for :func:`input_planes`; phase: ``H``, ``V`` or ``D``.

    Returns:
        int32 ``(B, C, h, w)``.
    """
    total, count = _gather(cells, known, _NEAR[phase])
    if phase == D:  # Not all schedules reveal the four nearest pixels first: the diagonal ones replace them.
        diagonal = _gather(cells, known, _DIAGONAL)
        near_known = count > 0
        total = torch.where(near_known[:, None], total, diagonal[0])
        count = torch.where(near_known, count, diagonal[1])
    return (total * _looked_up(_QUARTER, count)[:, None] >> 15 - MEAN_BITS + sample_scale.log2_steps).to(torch.int32)


def _gather(cells: Tensor, known: Tensor, neighbours: _Neighbours) -> tuple[Tensor, Tensor]:
    """Sum and count of the known values among neighbours."""
    total = torch.zeros_like(cells[:, 0])
    count = torch.zeros_like(cells[:, 0, 0])
    for phase, offsets in neighbours.items():
        if not known[:, phase].any():
            continue
        mask = known[:, phase].to(cells.dtype)
        values, mask = _padded(cells[:, phase] * mask[:, None]), _padded(mask)
        for offset in offsets:
            total += _moved(values, *offset)
            count += _moved(mask, *offset)
    return total, count


def offset_planes(offsets: Tensor) -> Tensor:
    """Planes that tell the values of some colours to the colours after them.

    Args:
        offsets: int32 ``(B, C, h, w)``, value minus base prediction in units of ``2**-MEAN_BITS`` gray levels.

    Returns:
        uint8 ``(B, OFFSET_PLANES * C, h, w)``: for each colour the positive and the negative part of the offset, first
        in eighths of a gray level (up to 32 gray levels), then in gray levels.
    """
    signs = torch.stack((offsets, -offsets), 2).clamp_(min=0)
    fine, coarse = signs >> MEAN_BITS - 3, signs >> MEAN_BITS
    return torch.cat((fine, coarse), 2).clamp_(max=255).flatten(1, 2).to(torch.uint8)
