"""Code length of patches under the denoiser: what training minimises and validation reports."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import COLOURS, HEADS, MEAN_BITS, PASSES
from mulanzip.density.inputs import base_prediction, input_planes, sample_type
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.floatnet.loss import code_length, places
from mulanzip.floatnet.network import Denoiser
from mulanzip.lattice.geometry import A, level_grids


def cells_of(patches: Tensor, sample_scale: SampleScale = EIGHT_BIT) -> Tensor:
    """Samples ``(B, 3, 2h, 2w)`` -> cells ``(B, 4, 3, h, w)`` of :func:`mulanzip.density.inputs.sample_type`."""
    b, c, height, width = patches.shape
    blocks = patches.to(sample_type(sample_scale)).view(b, c, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(b, 4, c, height // 2, width // 2)


def step_bits(
    model: Denoiser,
    cells: Tensor,
    known: Tensor,
    index: int,
    level_class: int,
    earlier: Tensor | None,
    colours: int = COLOURS,
    sample_scale: SampleScale = EIGHT_BIT,
) -> tuple[Tensor, int, Tensor]:
    """Bits to reveal what pass ``index`` predicts and is not known, how many subpixels that is, and features.

    Args:
        cells: as :func:`cells_of` gives them; known: bool ``(B, 4, h, w)``.
        earlier: features of the first pass, for the others.
        colours: how many are coded; 1 for gray images, whose cells hold the same value three times.
        sample_scale: of the samples.
    """
    features = model.features(input_planes(cells, known, sample_scale), index, level_class, earlier)
    heads = [name for name, (at, phase) in HEADS.items() if at == index and phase in PASSES[index]]
    return *_head_bits(model, heads, features, cells, known, level_class, colours, sample_scale), features


def early_bits(model: Denoiser, cells: Tensor, known: Tensor, level_class: int, features: Tensor) -> Tensor:
    """Bits to reveal with the first pass what later passes predict better; trains the heads alone.

    Args:
        cells, known: as for :func:`step_bits`.
        features: of the first pass for these.
    """
    heads = [name for name, (at, phase) in HEADS.items() if phase not in PASSES[at]]
    return _head_bits(model, heads, features.detach(), cells, known, level_class, COLOURS, EIGHT_BIT)[0]


def _head_bits(
    model: Denoiser,
    heads: list[str],
    features: Tensor,
    cells: Tensor,
    known: Tensor,
    level_class: int,
    colours: int,
    sample_scale: SampleScale,
) -> tuple[Tensor, int]:
    """Bits that the phases of ``heads`` take where they are not known, and how many subpixels that is."""
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).float()
    if rows.requires_grad:
        rows.register_hook(Tensor.contiguous)  # Else all that follows would run through a transposed gradient.
    planar = rows.T.contiguous()
    count, bits = 0, torch.zeros((), dtype=torch.float64)
    for name in heads:
        phase = HEADS[name][1]
        base = _planar(base_prediction(cells, known, phase, sample_scale)[:, :colours])
        values = _planar(cells[:, phase, :colours])
        offsets = places(values, sample_scale) - base
        outputs = [model.parameters_of(name, planar, offsets, c, level_class) for c in range(colours)]
        erased = ~known[:, phase].flatten()
        bits = bits + code_length(outputs, base / 2**MEAN_BITS, values, erased.float(), sample_scale)
        count += colours * int(erased.sum())
    return bits, count


def _planar(planes: Tensor) -> Tensor:
    """``(B, C, h, w)`` -> ``(C, B * h * w)``."""
    return planes.transpose(0, 1).flatten(1)


def level_bits(
    model: Denoiser, pixels: Tensor, level: int, colours: int = COLOURS, sample_scale: SampleScale = EIGHT_BIT
) -> tuple[Tensor, int]:
    """Bits of one level under the default schedule given the coarser one, and how many subpixels that is.

    Args:
        pixels: samples ``(B, 3, h, w)`` of that level, h and w even.
        colours, sample_scale: see :func:`step_bits`.
    """
    cells = cells_of(pixels, sample_scale)
    known = torch.zeros((len(cells), 4, *cells.shape[3:]), dtype=torch.bool)
    known[:, A] = True
    total, subpixels, first = torch.zeros((), dtype=torch.float64), 0, None
    for index, phases in enumerate(PASSES):
        level_class = model.config.level_class(level)
        bits, count, features = step_bits(model, cells, known, index, level_class, first, colours, sample_scale)
        first = features if first is None else first
        total, subpixels = total + bits, subpixels + count
        known[:, list(phases)] = True
    return total, subpixels


def image_bits(model: Denoiser, image: np.ndarray, autocast: bool) -> float:
    """Code length in bits of uint8 ``(H, W, 3)`` under the default schedule, levels whole.

    Sides are cut to even at every level, so this is a validation figure, not a file size: for
    that, see :mod:`mulanzip.api`.
    """
    total = 0.0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for grid in level_grids(*image.shape[:2])[:-1]:
            pixels = image[:: 1 << grid.level, :: 1 << grid.level]
            pixels = pixels[: grid.height // 2 * 2, : grid.width // 2 * 2]
            if pixels.size:
                batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
                total += float(level_bits(model, batch, grid.level)[0])
    return total
