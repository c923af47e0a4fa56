"""Degraded patches keep their shape, and chroma at half the resolution is interpolated as decoders do it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import photo

from mulanzip.training.augment import DEGRADATION_SHARES, DEGRADATIONS, _doubled, _halved, augment


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(8, 40), st.integers(8, 40), st.sampled_from(range(len(DEGRADATIONS))))
def test_degradations_keep_shape_and_type_and_depend_on_the_random_source_alone(
    seed: int, height: int, width: int, degradation: int
) -> None:
    patch = photo(height, width)
    one, other = (augment(patch.copy(), degradation, np.random.default_rng(seed)) for _ in range(2))
    assert one.shape == patch.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, other)
    assert np.array_equal(one, patch) == (DEGRADATIONS[degradation] == "plain")


def test_every_kind_but_gray_scans_has_its_share() -> None:
    assert len(DEGRADATION_SHARES) == len(DEGRADATIONS) - 1
    assert sum(DEGRADATION_SHARES) == pytest.approx(1)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("on_samples", [False, True])
@pytest.mark.parametrize("size", [2, 7, 16])
def test_what_is_smooth_survives_half_the_resolution(axis: int, on_samples: bool, size: int) -> None:
    shape = (size, 5, 2) if axis == 0 else (5, size, 2)
    flat = np.full(shape, 3.0, dtype=np.float32)
    ramp = np.moveaxis(np.broadcast_to(np.arange(size, dtype=np.float32)[:, None, None], (size, 5, 2)), 0, axis)
    for x, inside in ((flat, slice(None)), (ramp, slice(2, -2))):
        half = _halved(x, axis, on_samples)
        assert half.shape[axis] == -(-size // 2)
        found = _doubled(half, axis, on_samples, size)
        kept = (slice(None),) * axis + (inside,)
        np.testing.assert_allclose(found[kept], x[kept])


def test_colours_on_pixels_are_those_pixels_and_their_means_between_them() -> None:
    half = np.arange(12, dtype=np.float32).reshape(4, 3, 1) ** 2
    found = _doubled(half, 0, True, 7)
    np.testing.assert_array_equal(found[::2], half)
    np.testing.assert_array_equal(found[1::2], (half[1:] + half[:-1]) / 2)


@pytest.mark.parametrize("name", ["disc", "disc-x", "disc-y", "disc-xy"])
def test_a_disc_has_colours_of_half_the_resolution_where_its_name_says(name: str) -> None:
    """Between the pixels that have samples, differences of colours are means: rough at those, smooth between."""
    across, down = int("x" in name.split("-")[-1]), int("y" in name)
    bends = []
    for seed in range(12):
        disc = augment(photo(128, 128), DEGRADATIONS.index(name), np.random.default_rng(seed)).astype(float)
        colour = (disc[..., 1] - disc[..., 0])[down::2]
        bend = np.square(colour[:, 2:] - 2 * colour[:, 1:-1] + colour[:, :-2])  # Around columns 1, 2, 3 and so on.
        bends.append((bend[:, 1 - across :: 2].mean(), bend[:, across::2].mean()))
    on_samples, between = np.mean(bends, 0)
    assert on_samples > 1.5 * between
