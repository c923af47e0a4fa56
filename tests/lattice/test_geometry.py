"""The lattice: each pixel is coded exactly once, and the geometry depends on the size of the image alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mulanzip.lattice import geometry
from mulanzip.lattice.geometry import (
    COARSEST_PIXELS,
    HALO_CELLS,
    PHASE_NAMES,
    PHASE_OFFSETS,
    SINGLE_TILE_CELLS,
    TILE_CELLS,
    A,
    Grid,
    level_grids,
    level_view,
    segments,
    tiles,
    to_cells,
    write_cells,
)

sides = st.integers(1, 70)
long_sides = st.integers(1, 3000)


@contextmanager
def small_tiles(cells: int) -> Iterator[None]:
    """Tiles of few cells, so that small images have many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", cells)
        yield


def coded_counts(height: int, width: int) -> np.ndarray:
    """How often each pixel is coded, over all segments."""
    counts = np.zeros((height, width), dtype=int)
    for segment in segments(height, width):
        if segment.is_base:
            stride = 1 << level_grids(height, width)[-1].level
            counts[::stride, ::stride] += 1
        for tile in segment.tiles:
            stride = 1 << tile.grid.level
            present = tile.grid.presence()
            for row in range(tile.top, tile.bottom):
                for column in range(tile.left, tile.right):
                    for phase, (down, right) in enumerate(PHASE_OFFSETS):
                        if phase != A and present[row, column, phase]:
                            counts[(2 * row + down) * stride, (2 * column + right) * stride] += 1
    return counts


@given(sides, sides, st.integers(1, 9))
@example(1, 1, 256)
@example(1, 70, 256)
@example(70, 1, 2)
def test_every_pixel_is_coded_exactly_once(height: int, width: int, tile_cells: int) -> None:
    with small_tiles(tile_cells):
        assert (coded_counts(height, width) == 1).all()


@given(long_sides, long_sides)
@example(1, 1)
@example(4, 4)
@example(1, 17)
@example(513, 512)
def test_levels_halve_down_to_at_most_16_pixels(height: int, width: int) -> None:
    grids = level_grids(height, width)
    assert [g.level for g in grids] == list(range(len(grids)))
    assert (grids[0].height, grids[0].width) == (height, width)
    for fine, coarse in pairwise(grids):
        assert fine.height * fine.width > COARSEST_PIXELS
        assert (coarse.height, coarse.width) == (-(-fine.height // 2), -(-fine.width // 2))
    assert grids[-1].height * grids[-1].width <= COARSEST_PIXELS == 16


@given(long_sides, long_sides)
@example(512, 512)
@example(256, 256)
@example(258, 256)
@example(513, 1)
def test_tiles_partition_a_level_and_have_at_most_256_cells_a_side(height: int, width: int) -> None:
    grid = Grid(0, height, width)
    covered = np.zeros((grid.cell_height, grid.cell_width), dtype=int)
    for tile in tiles(grid):
        assert 1 <= tile.height <= TILE_CELLS == 256
        assert 1 <= tile.width <= TILE_CELLS
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (covered == 1).all()
    fewest = -(-grid.cell_height // TILE_CELLS) * -(-grid.cell_width // TILE_CELLS)
    assert len(tiles(grid)) == max(fewest, 2 if covered.size > SINGLE_TILE_CELLS == 1 << 14 else 1)


@given(long_sides, long_sides)
@example(1, 1)
def test_segments_go_from_coarse_to_fine_and_only_single_tiles_are_in_the_base(height: int, width: int) -> None:
    base, *others = segments(height, width)
    assert base.is_base
    assert not any(s.is_base for s in others)
    assert all(len(s.tiles) == 1 for s in others)
    order = [t.grid.level for s in (base, *others) for t in s.tiles]
    assert order == sorted(order, reverse=True)
    assert all(len(tiles(t.grid)) == 1 for t in base.tiles)
    assert all(len(tiles(s.tiles[0].grid)) > 1 for s in others)
    # The first tile of a level depends on all coarser levels, which come before it.
    assert set(order) == set(range(len(level_grids(height, width)) - 1))


@given(sides, sides, st.integers(1, 9))
def test_a_halo_contains_its_tile_and_stays_inside_the_level(height: int, width: int, tile_cells: int) -> None:
    with small_tiles(tile_cells):
        for segment in segments(height, width):
            for tile in segment.tiles:
                halo, grid = tile.with_halo(), tile.grid
                assert 0 <= halo.top <= tile.top < tile.bottom <= halo.bottom <= grid.cell_height
                assert 0 <= halo.left <= tile.left < tile.right <= halo.right <= grid.cell_width
                assert halo.top in (0, tile.top - HALO_CELLS)
                assert halo.right in (grid.cell_width, tile.right + HALO_CELLS)


@given(sides, sides, st.integers(1, 3), st.integers(0, 99))
@example(1, 1, 3, 0)
def test_write_cells_inverts_to_cells(height: int, width: int, channels: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    cells = to_cells(pixels)
    assert cells.shape == ((height + 1) // 2, (width + 1) // 2, 4, channels)
    restored = np.zeros_like(pixels)
    write_cells(cells, restored)
    np.testing.assert_array_equal(restored, pixels)


@given(sides, sides)
def test_presence_tells_pixels_from_padding(height: int, width: int) -> None:
    present = Grid(0, height, width).presence()
    ones = np.ones((height, width, 1), dtype=np.uint8)
    np.testing.assert_array_equal(to_cells(ones)[..., 0].astype(bool), present)
    assert present.sum() == height * width
    assert present[..., A].all()


@given(sides, sides)
def test_pyramid_levels_are_phase_a_of_the_level_below_and_share_memory(height: int, width: int) -> None:
    image = np.arange(height * width, dtype=np.int32).reshape(height, width, 1)
    levels = [level_view(image, g) for g in level_grids(height, width)]
    assert [v.shape[:2] for v in levels] == [(g.height, g.width) for g in level_grids(height, width)]
    for fine, coarse in pairwise(levels):
        np.testing.assert_array_equal(to_cells(fine)[:, :, A], coarse)
    assert all(np.shares_memory(v, image) for v in levels)


def test_phases_have_their_places_in_the_cell() -> None:
    cells = to_cells(np.arange(4, dtype=np.uint8).reshape(2, 2, 1))
    assert PHASE_NAMES == "AHVD"
    assert cells.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 3)])
def test_an_image_without_pixels_has_no_lattice(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        level_grids(*size)
