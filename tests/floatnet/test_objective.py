"""Cells of patches, and the code length of the pixels that a mask leaves unknown."""

from __future__ import annotations

import numpy as np
import torch
from support.pictures import smooth

from mulanzip.density.config import PASSES, Config
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import CellBatch, cells_of, step_bits
from mulanzip.lattice.geometry import to_cells


def test_cells_of_patches_are_those_of_the_lattice() -> None:
    image = smooth(8, 10)
    cells = cells_of(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])
    np.testing.assert_array_equal(cells[0].permute(2, 3, 0, 1), to_cells(image))


def test_known_pixels_cost_nothing() -> None:
    batch = CellBatch(cells_of(torch.from_numpy(smooth(8, 8).transpose(2, 0, 1).copy())[None]), 0)
    model = Denoiser(Config(channels=8, blocks=1, mixtures=2, level_classes=2))
    known = torch.ones((1, 4, 4, 4), dtype=torch.bool)
    bits, count, _ = step_bits(model, [batch], known, 0, None)
    assert (float(bits.detach()), count) == (0, 0)
    known[0, PASSES[0][0], 1, 2] = False
    bits, count, _ = step_bits(model, [batch], known, 0, None)
    assert float(bits.detach()) > 0
    assert count == 3
