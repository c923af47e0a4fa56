"""Planes of a tile: what lies where, also at the edges of images; residuals go from coarser levels to finer ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import photo

from mulanzip.codec.planes import Canvas, TilePlanes
from mulanzip.codec.segment import measure_segments
from mulanzip.density.runtime import Runtime
from mulanzip.image.channels import to_coding_order
from mulanzip.lattice import geometry
from mulanzip.lattice.geometry import PHASE_OFFSETS, A, Tile, level_grids, segments
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.native.library import BORDER

sides = st.integers(1, 23)


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    """An image, or images side by side, of random values and residuals."""
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    canvas = Canvas.of(np.zeros((*batch, draw(sides), draw(sides), draw(st.sampled_from([1, 3]))), dtype=np.uint16))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    canvas.pixels[...] = rng.integers(0, 1 << 16, canvas.pixels.shape)
    canvas.residuals[...] = rng.integers(-96, 97, canvas.residuals.shape)
    return canvas


def some_tile(canvas: Canvas, data: st.DataObject) -> Tile | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", data.draw(st.integers(1, 6), label="cells of a tile"))
        found = [tile for part in segments(*canvas.pixels.shape[-3:-1]) for tile in part.tiles]
    return data.draw(st.sampled_from(found)) if found else None


def images(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 4 else array[None]


@given(canvases(), st.data(), st.booleans())
def test_planes_hold_the_tile_and_phase_a_around_it(canvas: Canvas, data: st.DataObject, decoding: bool) -> None:
    tile = some_tile(canvas, data)
    if tile is None:
        return
    native = TilePlanes(tile, canvas, decoding=decoding).native
    level = images(canvas.level(tile.grid))
    coarser = images(canvas.residuals_of(tile.grid.level + 1))
    values = np.full_like(native.values, -1)
    residuals = np.zeros_like(native.residuals)
    for phase, (row, column) in enumerate(PHASE_OFFSETS):
        for r, c in np.ndindex(*values.shape[-2:]):
            i, j = tile.top + r - BORDER, tile.left + c - BORDER
            inside = tile.top <= i < tile.bottom and tile.left <= j < tile.right
            y, x = 2 * i + row, 2 * j + column
            if 0 <= y < level.shape[1] and 0 <= x < level.shape[2] and (phase == A or (inside and not decoding)):
                values[:, :, phase, r, c] = level[:, y, x]
                if phase == A:
                    residuals[:, :, A, r, c] = coarser[:, i, j]
    np.testing.assert_array_equal(native.values, values)
    np.testing.assert_array_equal(native.residuals, residuals)


@given(canvases(), st.data(), st.booleans())
def test_what_was_coded_goes_back_to_its_pixels_and_nothing_else(
    canvas: Canvas, data: st.DataObject, decoding: bool
) -> None:
    tile = some_tile(canvas, data)
    if tile is None:
        return
    planes = TilePlanes(tile, canvas, decoding=decoding)
    pixels, residuals = canvas.pixels.copy(), canvas.residuals.copy()
    rng = np.random.default_rng(0)
    written = Canvas(pixels, residuals)
    level = images(written.level(tile.grid))
    for phase in (1, 2, 3):
        row, column = PHASE_OFFSETS[phase]
        rows, columns = planes.extent(phase)
        planes.values(phase)[...] = rng.integers(0, 1 << 16, planes.values(phase).shape)
        planes.native.residuals[:, :, phase] = rng.integers(-96, 97, planes.native.residuals[:, :, phase].shape)
        for i, j in np.ndindex(rows, columns):
            y, x = 2 * (tile.top + i) + row, 2 * (tile.left + j) + column
            assert y < level.shape[1]
            assert x < level.shape[2]
            if decoding:
                level[:, y, x] = planes.values(phase)[:, :, i, j]
            if tile.grid.level:
                images(written.residuals_of(tile.grid.level))[:, y, x] = planes.native.residuals[
                    :, :, phase, BORDER + i, BORDER + j
                ]
    planes.write(decoding=decoding)
    np.testing.assert_array_equal(canvas.pixels, pixels)
    np.testing.assert_array_equal(canvas.residuals, residuals)


@settings(max_examples=30)
@given(sides, sides)
def test_all_tiles_together_have_every_pixel_once(height: int, width: int) -> None:
    count = np.zeros((height, width, 1), dtype=np.uint8)
    canvas = Canvas.of(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", 3)
        parts = segments(height, width)
    canvas.level(level_grids(height, width)[-1])[...] = 1
    for tile in (tile for part in parts for tile in part.tiles):
        planes = TilePlanes(tile, canvas, decoding=True)
        for phase in (1, 2, 3):
            level = canvas.level(tile.grid)
            row, column = PHASE_OFFSETS[phase]
            before = level[2 * tile.top + row : 2 * tile.bottom : 2, 2 * tile.left + column : 2 * tile.right : 2]
            planes.values(phase)[...] = before[None, ..., 0] + 1
        planes.write(decoding=True)
    assert (count == 1).all()


def test_finer_levels_learn_from_the_residuals_of_coarser_ones(runtime: Runtime) -> None:
    planes = to_coding_order(photo(100, 80))
    schedules, canvas = TileSchedules.uniform("one"), Canvas.of(planes)
    grids = level_grids(100, 80)
    finest = [geometry.Segment((Tile(grids[0], 0, 50, 0, 40),))]
    (alone,) = measure_segments(Canvas.of(planes), runtime, schedules, finest)
    measure_segments(canvas, runtime, schedules, segments(100, 80))
    # Pixels of the coarsest level have no mixture, and all others have residuals of 1/16 standard deviation.
    coarsest = canvas.residuals_of(grids[-1].level)
    assert not coarsest.any()
    spread = canvas.residuals.astype(int)[canvas.residuals != 0]
    assert 0.8 < spread.size / canvas.residuals.size < 1
    assert 5 < spread.std() < 40
    (taught,) = measure_segments(canvas, runtime, schedules, finest)
    assert taught < 0.999 * alone
