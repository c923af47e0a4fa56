"""Blocks of rows: every row once, and little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.codec.value_map import ValueMap, spanned, used_values
from mulanzip.density import jpeg_gamut
from mulanzip.encoder.edge_choice import _is_comb
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio.stored import looks_drawn
from mulanzip.native import library
from mulanzip.row_blocks import row_blocks

SIDE = 3000


@given(st.integers(0, 50), st.integers(0, 3_000_000), st.integers(1, 4))
def test_blocks_are_all_rows_in_order(height: int, width: int, channels: int) -> None:
    pixels = np.broadcast_to(np.uint8(0), (height, width, channels))
    found = list(row_blocks(pixels))
    assert [row for rows in found for row in range(rows.start, rows.stop)] == list(range(height))
    assert all(rows.stop - rows.start == 1 or pixels[rows].size <= 1 << 20 for rows in found)


def colours() -> np.ndarray:
    """What a JPEG file's decoder makes of gray: colours that are looked at to the end."""
    gray = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
    return np.broadcast_to(gray, (SIDE, SIDE, 3)).copy()


def deep() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 4000, (SIDE, SIDE, 1)).astype(np.uint16)


def to_indices_and_back(pixels: np.ndarray) -> None:
    code = ValueMap(spanned(used_values(pixels)))
    assert np.array_equal(code.to_values(code.to_indices(pixels), pixels.dtype), pixels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "make", "most"),
    [
        (jpeg_gamut.find, colours, 1.5),
        (lambda p: _is_comb(p[..., 0], 10), colours, 1),
        (lambda p: looks_drawn(Picture(Mode.RGB, p)), colours, 1),
        (used_values, deep, 1),
        (to_indices_and_back, deep, 3.5),
    ],
)
def test_work_on_all_samples_takes_little_memory(
    work: Callable[[np.ndarray], object], make: Callable[[], np.ndarray], most: float
) -> None:
    pixels = make()
    library.other_colours()
    tracemalloc.start()
    work(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most * pixels.nbytes
