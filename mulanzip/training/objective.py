"""Code length of patches under the denoiser: what training minimises and validation reports."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mulanzip.architecture import HEADS, MEAN_BITS
from mulanzip.inputs import base_prediction, input_planes
from mulanzip.lattice import level_grids
from mulanzip.network import Denoiser
from mulanzip.training.loss import code_length


def cells_of(patches: Tensor) -> Tensor:
    """uint8 ``(B, 3, 2h, 2w)`` -> int32 cells ``(B, 4, 3, h, w)``."""
    b, c, height, width = patches.shape
    blocks = patches.to(torch.int32).view(b, c, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(b, 4, c, height // 2, width // 2)


def step_bits(model: Denoiser, cells: Tensor, known: Tensor, head: int, level_class: int) -> tuple[Tensor, int]:
    """Bits to reveal what ``head`` predicts and is not known, and how many subpixels that is.

    Args:
        cells: int32 ``(B, 4, 3, h, w)``; known: bool ``(B, 4, h, w)``.
    """
    features = model.trunk(input_planes(cells, known), level_class)
    outputs = model.head(features, head, level_class)
    phases = HEADS[head]
    base = torch.stack([base_prediction(cells, known, p) for p in phases], 1).flatten(0, 1)
    values = cells[:, list(phases)].flatten(0, 1)
    erased = ~known[:, list(phases)].flatten(0, 1)
    bits = code_length(outputs.flatten(0, 1), base / 2**MEAN_BITS, values, erased.float(), model.config.mixtures)
    return bits, 3 * int(erased.sum())


def image_bits(model: Denoiser, image: np.ndarray, autocast: bool) -> float:
    """Code length in bits of uint8 ``(H, W, 3)`` under the default schedule, levels whole.

    Sides are cut to even at every level, so this is a validation figure, not a file size: for
    that, see :mod:`mulanzip.density`.
    """
    total = 0.0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for grid in level_grids(*image.shape[:2])[:-1]:
            pixels = image[:: 1 << grid.level, :: 1 << grid.level]
            pixels = pixels[: grid.height // 2 * 2, : grid.width // 2 * 2]
            if not pixels.size:
                continue
            cells = cells_of(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])
            known = torch.zeros((1, 4, *cells.shape[3:]), dtype=torch.bool)
            known[:, 0] = True
            for head, phases in enumerate(HEADS):
                bits, _ = step_bits(model, cells, known, head, model.config.level_class(grid.level))
                total += float(bits)
                known[:, list(phases)] = True
    return total
