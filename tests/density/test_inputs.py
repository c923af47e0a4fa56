"""Inputs of the denoiser depend on known values alone, are in range, and do not depend on values beyond the border."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mulanzip.density import inputs
from mulanzip.density.config import INPUT_PLANES, MEAN_BITS, UNIT
from mulanzip.density.inputs import base_prediction, input_planes, offset_planes
from mulanzip.lattice.geometry import A, D, H, V

sides = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
PHASES = (H, V, D)


def draw_cells(seed: int, height: int, width: int, extremes: bool = False) -> tuple[Tensor, Tensor]:
    """Random cells, and a random mask of known values."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (2, 4, 3, height, width), dtype=np.int32)
    if extremes:
        cells = np.where(cells < 128, 0, 255).astype(np.int32)
    known = rng.random((2, 4, height, width)) < rng.random()
    return torch.from_numpy(cells), torch.from_numpy(known)


@given(seeds, sides, sides)
def test_unknown_values_have_no_influence(seed: int, height: int, width: int) -> None:
    cells, known = draw_cells(seed, height, width)
    other, _ = draw_cells(seed + 1, height, width)
    changed = torch.where(known[:, :, None], cells, other)
    assert torch.equal(input_planes(cells, known), input_planes(changed, known))
    for phase in PHASES:
        assert torch.equal(base_prediction(cells, known, phase), base_prediction(changed, known, phase))


@given(seeds, sides, sides)
def test_beyond_the_border_is_the_same_as_unknown(seed: int, height: int, width: int) -> None:
    cells, known = draw_cells(seed, height, width)
    around, _ = draw_cells(seed + 1, height + 4, width + 4)
    around[..., 2:-2, 2:-2] = cells
    known_around = torch.zeros(around.shape[:2] + around.shape[3:], dtype=torch.bool)
    known_around[..., 2:-2, 2:-2] = known
    inside = (..., slice(2, -2), slice(2, -2))
    assert torch.equal(input_planes(around, known_around)[inside], input_planes(cells, known))
    for phase in PHASES:
        expected = base_prediction(cells, known, phase)
        assert torch.equal(base_prediction(around, known_around, phase)[inside], expected)


@given(seeds, sides, sides)
def test_every_image_of_a_batch_is_on_its_own(seed: int, height: int, width: int) -> None:
    cells, known = draw_cells(seed, height, width)
    assert torch.equal(input_planes(cells, known)[1:], input_planes(cells[1:], known[1:]))


@given(seeds, sides, sides, st.booleans())
def test_planes_are_what_the_docstring_says(seed: int, height: int, width: int, extremes: bool) -> None:
    cells, known = draw_cells(seed, height, width, extremes)
    planes = input_planes(cells, known)
    assert planes.dtype == torch.uint8
    assert planes.shape == (2, INPUT_PLANES, height, width)
    planes = planes.int()
    above, below, means, masks = planes.split((12, 12, 3, 4), 1)
    for i, j in np.ndindex(height, width):
        window = (..., slice(max(0, i - 1), i + 2), slice(max(0, j - 1), j + 2))
        count = known[:, A][window].sum((1, 2))
        total = (cells[:, A] * known[:, A, None])[window].sum((2, 3))
        mean = total // count.clamp(min=1)[:, None]
        difference = ((cells[..., i, j] - mean[:, None]) * known[:, :, None, i, j]).reshape(2, 12)
        assert torch.equal(above[..., i, j] - below[..., i, j], difference)
        assert torch.equal(means[..., i, j], mean // 4)
    assert not (above * below).any()
    assert torch.equal(masks, known.int() * UNIT)


def test_the_reciprocal_table_divides_exactly() -> None:
    for count in range(1, 10):
        total = torch.arange(255 * count + 1, dtype=torch.int32)
        assert torch.equal(total * inputs._NINTH[count] >> 16, total // count)


def nearest(known: np.ndarray, values: np.ndarray, phase: int, i: int, j: int) -> list[int]:
    """The known values nearest to a pixel of ``phase``, found in the image instead of the cells."""
    row, column = 2 * i + phase // 2, 2 * j + phase % 2

    def among(offsets: list[tuple[int, int]]) -> list[int]:
        places = [(row + r, column + c) for r, c in offsets]
        return [
            int(values[p]) for p in places if 0 <= p[0] < values.shape[0] and 0 <= p[1] < values.shape[1] and known[p]
        ]

    straight = among([(-1, 0), (1, 0), (0, -1), (0, 1)])
    if phase == D and not straight:
        return among([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    return straight


@given(seeds, sides, sides, st.booleans())
def test_base_is_the_mean_of_the_nearest_known_pixels(seed: int, height: int, width: int, extremes: bool) -> None:
    cells, known = draw_cells(seed, height, width, extremes)

    def image(x: Tensor) -> np.ndarray:
        return x.view(2, 2, height, width).permute(2, 0, 3, 1).reshape(2 * height, 2 * width).numpy()

    values, mask = image(cells[0, :, 0]), image(known[0].int()).astype(bool)
    for phase in PHASES:
        base = base_prediction(cells, known, phase)
        assert base.dtype == torch.int32
        assert base.shape == (2, 3, height, width)
        assert base.min() >= 0
        assert base.max() <= 255 << MEAN_BITS
        for i, j in np.ndindex(height, width):
            near = nearest(mask, values, phase, i, j)
            wanted = np.mean(near) * (1 << MEAN_BITS) if near else 0
            assert abs(base[0, 0, i, j].item() - wanted) <= 1


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_constant_image_is_its_own_base_without_rounding(value: int) -> None:
    cells = torch.full((1, 4, 3, 5, 6), value, dtype=torch.int32)
    for first in range(4):
        known = torch.zeros((1, 4, 5, 6), dtype=torch.bool)
        known[:, A] = True
        known[:, first] = True
        planes = input_planes(cells, known)
        assert not planes[:, :24].any()
        assert (planes[:, 24:27] == value // 4).all()
        for phase in PHASES:
            assert (base_prediction(cells, known, phase) == value << MEAN_BITS).all()


@given(st.lists(st.integers(-(255 << MEAN_BITS), 255 << MEAN_BITS), min_size=1, max_size=6), st.integers(1, 2))
def test_offset_planes_are_what_the_docstring_says(offsets: list[int], colours: int) -> None:
    given = torch.tensor(offsets * colours, dtype=torch.int32).view(1, colours, 1, -1)
    above, below = [max(0, x) for x in offsets], [max(0, -x) for x in offsets]
    fine = [[min(255, x // 4) for x in sign] for sign in (above, below)]
    coarse = [[x // 32 for x in sign] for sign in (above, below)]
    assert offset_planes(given)[0, :, 0].tolist() == (fine + coarse) * colours
