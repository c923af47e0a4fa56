"""Pictures: what arrays become, what they become again, and what their hash covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.pictures import deep, noise

from mulanzip.errors import UnsupportedImageError
from mulanzip.image.kinds import MAX_BANDS, MAX_SIDE, Kind, Mode
from mulanzip.image.metadata import TRANSPARENCY
from mulanzip.image.picture import Picture, check_size


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (1 << 17, 1 << 17)])
def test_more_than_the_format_holds(size: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedImageError, match="too large for the format"):
        check_size(*size)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_no_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        check_size(*size)
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        Picture.from_array(np.zeros((*size, 3), np.uint8))


@pytest.mark.parametrize(
    ("dtype", "channels", "kind"),
    [
        (np.uint8, 1, Kind(Mode.GRAY, 8)),
        (np.uint8, 2, Kind(Mode.GRAY_ALPHA, 8)),
        (np.uint8, 3, Kind(Mode.RGB, 8)),
        (np.uint16, 4, Kind(Mode.RGBA, 16)),
        (">u2", 3, Kind(Mode.RGB, 16)),
        (np.uint8, 5, Kind(Mode.BANDS, 8, bands=5)),
        (np.int16, 1, Kind(Mode.GRAY, 16, signed=True)),
        (np.int16, 3, Kind(Mode.BANDS, 16, signed=True, bands=3)),
    ],
)
def test_arrays_come_back(dtype: str, channels: int, kind: Kind) -> None:
    array = noise(4, 5, channels).reshape(4, 5, channels).astype(dtype)
    picture = Picture.from_array(array)
    assert picture.kind == kind
    assert picture.pixels.dtype == kind.dtype
    np.testing.assert_array_equal(picture.to_array(), array[..., 0] if channels == 1 else array)


def test_bilevel_arrays_come_back() -> None:
    array = noise(4, 5, 1) > 99
    picture = Picture.from_array(array)
    assert picture.kind == Kind(Mode.BILEVEL, 1)
    assert picture.to_array().dtype == np.bool_
    np.testing.assert_array_equal(picture.to_array(), array)


@pytest.mark.parametrize("shape", [(5,), (4, 5, 0), (4, 5, MAX_BANDS + 1), (2, 2, 2, 2)])
def test_shapes_that_are_no_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedImageError, match=r"\(H, W\) or \(H, W, 1 to 255\)"):
        Picture.from_array(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint32, object])
def test_types_that_are_no_samples(dtype: type) -> None:
    with pytest.raises(UnsupportedImageError, match="use uint8, uint16, int16"):
        Picture.from_array(np.zeros((4, 5), dtype))


def test_palettes_become_colours() -> None:
    picture = Picture(Mode.PALETTE, np.array([[[0], [1], [9]]], np.uint8), bytes(range(6)))
    assert picture.to_array().tolist() == [[[0, 1, 2], [3, 4, 5], [0, 0, 0]]]
    transparent = replace(picture, metadata={TRANSPARENCY: b"\7"})
    assert transparent.to_array().tolist() == [[[0, 1, 2, 7], [3, 4, 5, 255], [0, 0, 0, 255]]]


def test_the_source_tells_the_depth() -> None:
    assert str(Picture(Mode.GRAY, deep(4, 4)[..., None], bits=12).kind) == "12-bit gray"
    assert Picture(Mode.GRAY, deep(4, 4)[..., None].astype(np.uint8), bits=12).depth == 8


def test_the_hash_covers_everything_but_metadata() -> None:
    pixels = noise(4, 6, 1)[..., None]
    pictures = [
        Picture(Mode.GRAY, pixels),
        Picture(Mode.GRAY, pixels.reshape(6, 4, 1)),
        Picture(Mode.GRAY, pixels ^ 1),
        Picture(Mode.GRAY, pixels.astype(np.uint16)),
        Picture(Mode.GRAY, pixels.astype(np.int16)),
        Picture(Mode.BANDS, pixels),
        Picture(Mode.PALETTE, pixels, b"abc"),
        Picture(Mode.PALETTE, pixels, b"abd"),
    ]
    assert len({picture.pixel_hash() for picture in pictures}) == len(pictures)
    assert replace(pictures[0], metadata={TRANSPARENCY: b"ab"}).pixel_hash() == pictures[0].pixel_hash()
    assert Picture(Mode.GRAY, np.asfortranarray(pixels)).pixel_hash() == pictures[0].pixel_hash()
