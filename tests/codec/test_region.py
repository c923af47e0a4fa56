"""Parts of images: the segments that a region takes, and no others, are decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import photo, smooth

import mulanzip
from mulanzip.codec.region import Rectangle, segments_of_region
from mulanzip.format import container
from mulanzip.format.container import SEGMENT
from mulanzip.lattice.geometry import segments

#: Two tiles at both finest levels.
LARGE = np.tile(smooth(60, 70, 1), (5, 9))[:260, :530]
DATA = mulanzip.encode(LARGE, effort=1, stored=False)
STACK = np.stack([np.roll(LARGE[:260, :280], i, 1) for i in range(3)])
STACKED = mulanzip.encode(STACK, effort=1, stored=False, stack=True)


@pytest.mark.parametrize("scale", [1, 2, 8])
@pytest.mark.parametrize(
    "region", [(slice(5, 9), slice(520, None)), (slice(-3, None), slice(-1, None)), (slice(80, 90), slice(264, 266))]
)
def test_regions_of_images(region: tuple[slice, slice], scale: int) -> None:
    marked = np.zeros(LARGE.shape[:2], dtype=bool)
    marked[region] = True
    inside = marked[::scale, ::scale]
    if not inside.any():
        with pytest.raises(IndexError):
            mulanzip.decode(DATA, region=region, scale=scale)
        return
    wanted = LARGE[::scale, ::scale][inside.any(1)][:, inside.any(0)]
    np.testing.assert_array_equal(mulanzip.decode(DATA, region=region, scale=scale), wanted)


def test_regions_of_stacks_and_slices() -> None:
    region = (slice(10, 20), slice(260, 265))
    np.testing.assert_array_equal(mulanzip.decode(STACKED, region=region), STACK[:, 10:20, 260:265])
    np.testing.assert_array_equal(mulanzip.decode(STACKED, region=region, index=2), STACK[2, 10:20, 260:265])
    everything = (slice(None), slice(None))
    np.testing.assert_array_equal(mulanzip.decode(STACKED, region=everything, index=1, scale=2), STACK[1, ::2, ::2])


@pytest.mark.parametrize("data", [DATA, STACKED])
def test_other_segments_may_be_damaged(data: bytes) -> None:
    """Those of the last tiles are."""
    file = container.unpack(data)
    each = len(segments(file.header.height, file.header.width))
    whole = mulanzip.decode(data)
    positions = [i for i, chunk in enumerate(file.chunks) if chunk.kind == SEGMENT]
    chunks = list(file.chunks)
    for position in positions[each - 1 :: each]:
        chunks[position] = replace(chunks[position], payload=b"damaged!")
    damaged = replace(file, chunks=tuple(chunks)).pack()
    region = (slice(0, 30), slice(0, 40))
    wanted = whole[:, :30, :40] if data is STACKED else whole[:30, :40]
    np.testing.assert_array_equal(mulanzip.decode(damaged, region=region), wanted)
    with pytest.raises(mulanzip.CorruptFileError):
        mulanzip.decode(damaged, region=(slice(-5, None), slice(-5, None)))


def test_regions_of_stored_and_small_images() -> None:
    flat = np.full((40, 50, 3), 7, dtype=np.uint8)
    np.testing.assert_array_equal(
        mulanzip.decode(mulanzip.encode(flat), region=(slice(3, 9), slice(4, None))), flat[3:9, 4:]
    )
    tiny = photo(3, 5)
    data = mulanzip.encode(tiny, effort=1, stored=False)
    np.testing.assert_array_equal(mulanzip.decode(data, region=(slice(0, 3), slice(1, 5)), scale=4), tiny[::4, 4::4])


@pytest.mark.parametrize("region", [(slice(0, 9, 2), slice(None)), (slice(None), slice(9, None, -1))])
def test_steps_are_refused(region: tuple[slice, slice]) -> None:
    with pytest.raises(ValueError, match="without steps"):
        mulanzip.decode(DATA, region=region)


@pytest.mark.parametrize("region", [(slice(260, None), slice(None)), (slice(9, 9), slice(None))])
def test_empty_regions_are_refused(region: tuple[slice, slice]) -> None:
    with pytest.raises(IndexError, match="no pixel"):
        mulanzip.decode(DATA, region=region)


@settings(max_examples=30)
@given(st.integers(1, 3000), st.integers(1, 3000), st.data())
def test_a_pixel_takes_few_segments(height: int, width: int, data: st.DataObject) -> None:
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    parts = segments(height, width)
    (found,) = segments_of_region(parts, {0: Rectangle(y, y + 1, x, x + 1)}, ((),)).values()
    assert 0 in found
    levels = [parts[number].tiles[0].grid.level for number in found if number]
    # A tile, and at coarser levels what its halo meets.
    assert all(levels.count(level) <= 4 for level in levels)
    assert not levels or levels.count(0) == 1
