"""Code length under the float network: minimised in training and in fitting contexts, reported by validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import COLOURS, HEADS, MEAN_BITS, PASSES
from mulanzip.density.inputs import base_prediction, input_planes, sample_type
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.floatnet.loss import code_length, level_positions
from mulanzip.floatnet.network import Denoiser
from mulanzip.lattice.geometry import A, level_grids


def cells_of(patches: Tensor, sample_scale: SampleScale = EIGHT_BIT) -> Tensor:
    """Samples ``(B, C, 2h, 2w)`` -> cells ``(B, 4, C, h, w)`` of :func:`mulanzip.density.inputs.sample_type`."""
    b, c, height, width = patches.shape
    blocks = patches.to(sample_type(sample_scale)).view(b, c, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(b, 4, c, height // 2, width // 2)


@dataclass(frozen=True)
class CellBatch:
    """Cells of one lattice level.

    Attributes:
        samples: ``(B, 4, C, h, w)``, see :func:`cells_of`; C is the number of colours of the network.
        level_class: of their level.
        colours: number of colours that are coded; 1 for gray images, whose cells hold the same value C times.
        statistics: of the samples.
    """

    samples: Tensor
    level_class: int
    colours: int = COLOURS
    statistics: SampleStatistics = PLAIN_STATISTICS


def step_bits(
    model: Denoiser, batches: Sequence[CellBatch], known: Tensor, index: int, pass0_features: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Code length of the unknown samples that pass ``index`` predicts.

    Args:
        batches: cells of one size and level class; the network sees them as a single batch.
        known: bool ``(B, 4, h, w)``, B the number of patches in all ``batches``.
        pass0_features: features of pass 0, an input of the later passes.

    Returns:
        bits, number of subpixels, features of the pass.
    """
    sizes = [len(batch.samples) for batch in batches]
    planes = [
        input_planes(batch.samples, own, batch.statistics.scale)
        for batch, own in zip(batches, known.split(sizes), strict=True)
    ]
    features = model.features(torch.cat(planes), index, batches[0].level_class, pass0_features)
    heads = [name for name, (at, phase) in HEADS.items() if at == index and phase in PASSES[index]]
    found = [
        _head_bits(model, heads, *own) for own in zip(features.split(sizes), batches, known.split(sizes), strict=True)
    ]
    bits, counts = (torch.stack(parts) for parts in zip(*found, strict=True))
    return bits.sum(), counts.sum(), features


def early_bits(model: Denoiser, batch: CellBatch, known: Tensor, features: Tensor) -> Tensor:
    """Code length of the phases of later passes if pass 0 must predict them; its gradient reaches the heads alone.

    Args:
        known: bool ``(B, 4, h, w)``.
        features: of pass 0 for these cells.
    """
    heads = [name for name, (at, phase) in HEADS.items() if phase not in PASSES[at]]
    return _head_bits(model, heads, features.detach(), batch, known)[0]


def _head_bits(
    model: Denoiser, heads: Sequence[str], features: Tensor, batch: CellBatch, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Code length of the unknown samples in the phases of ``heads``, and the number of subpixels."""
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).float()
    if rows.requires_grad:
        rows.register_hook(Tensor.contiguous)  # A transposed gradient would slow down everything after it.
    planar = rows.T.contiguous()
    statistics, colours = batch.statistics, batch.colours
    bits = torch.zeros((), dtype=torch.float64, device=features.device)
    count = torch.zeros((), dtype=torch.int64, device=features.device)
    for name in heads:
        phase = HEADS[name][1]
        base = _planar(base_prediction(batch.samples, known, phase, statistics.scale)[:, :colours])
        values = _planar(batch.samples[:, phase, :colours])
        offsets = level_positions(values, statistics) - base
        outputs = [model.parameters_of(name, planar, offsets, c, batch.level_class) for c in range(colours)]
        erased = ~known[:, phase].flatten()
        bits = bits + code_length(outputs, base / 2**MEAN_BITS, values, erased.float(), statistics)
        count = count + colours * erased.sum()
    return bits, count


def _planar(planes: Tensor) -> Tensor:
    """``(B, C, h, w)`` -> ``(C, B * h * w)``."""
    return planes.transpose(0, 1).flatten(1)


def level_bits(
    model: Denoiser, pixels: Tensor, level: int, colours: int = COLOURS, statistics: SampleStatistics = PLAIN_STATISTICS
) -> tuple[Tensor, Tensor]:
    """Code length of one level under the default schedule, given the coarser one, and the number of subpixels.

    Args:
        pixels: samples ``(B, C, h, w)`` of that level, h and w even; C is the number of colours of the network.
        colours, statistics: see :class:`CellBatch`.
    """
    batch = CellBatch(cells_of(pixels, statistics.scale), model.config.level_class(level), colours, statistics)
    known = torch.zeros((len(batch.samples), 4, *batch.samples.shape[3:]), dtype=torch.bool, device=pixels.device)
    known[:, A] = True
    found, pass0_features = [], None
    for index, phases in enumerate(PASSES):
        bits, count, features = step_bits(model, [batch], known, index, pass0_features)
        pass0_features = features if pass0_features is None else pass0_features
        found.append((bits, count))
        known[:, list(phases)] = True
    total, subpixels = (torch.stack(parts).sum() for parts in zip(*found, strict=True))
    return total, subpixels


def image_bits(model: Denoiser, image: np.ndarray, autocast: bool) -> float:
    """Code length in bits of uint8 ``(H, W, 3)`` under the default schedule, without tiles.

    Every level is cropped to even sides: the result is a validation figure, not the size of a file, for which see
    :mod:`mulanzip.api`.
    """
    total, device = 0.0, model.device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        for grid in level_grids(*image.shape[:2])[:-1]:
            pixels = image[:: 1 << grid.level, :: 1 << grid.level]
            pixels = pixels[: grid.height // 2 * 2, : grid.width // 2 * 2]
            if pixels.size:
                batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(device)
                total += float(level_bits(model, batch, grid.level)[0])
    return total
