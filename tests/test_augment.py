"""Patches that look like other cameras: shapes stay, colours at half the resolution are interpolated as files do it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import photo
from hypothesis import given, settings
from hypothesis import strategies as st

from mulanzip.training import augment
from mulanzip.training.augment import _doubled, _halved, _soften_colour


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(8, 40), st.integers(8, 40))
def test_looks_keep_shape_and_type_and_depend_on_the_random_source_alone(seed: int, height: int, width: int) -> None:
    patch = photo(height, width)
    for look in (augment.augment, augment.scanned):
        one, other = (look(patch.copy(), np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == patch.shape
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)


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


def test_soft_colours_are_smoother_than_they_were_and_brightness_is_not() -> None:
    rough = np.random.default_rng(0).integers(60, 190, (64, 64, 3)).astype(np.float32)
    weights = np.array([0.587, 0.299, 0.114], dtype=np.float32)

    def roughness(x: np.ndarray) -> float:
        return float(np.diff(x, axis=1).std())

    for seed in range(20):
        soft = _soften_colour(rough, np.random.default_rng(seed))
        assert soft.dtype == np.float32
        assert roughness(soft[..., 1] - soft[..., 0]) < 0.5 * roughness(rough[..., 1] - rough[..., 0])
        assert roughness(soft @ weights) == pytest.approx(roughness(rough @ weights), rel=0.35)
