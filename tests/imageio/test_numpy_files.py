"""Arrays in numpy's own files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from support.image_files import read
from support.pictures import deep

from mulanzip.errors import LimitError, MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.limits import Limits


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def test_orders() -> None:
    pixels = deep(7, 9, 3)
    for array in (pixels, np.asfortranarray(pixels), pixels.astype(">u2"), pixels.astype(np.int16)):
        np.testing.assert_array_equal(read(npy(array)).to_array(), array)
    assert read(npy(pixels[..., 0] > 900)).mode is Mode.BILEVEL
    assert read(npy(pixels[..., :1])).lost == ("the array's last axis, of length 1,",)


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((2, 2)), np.zeros((2, 2, 2, 2), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_arrays_that_are_no_images(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError):
        read(npy(array))


def test_objects_are_never_loaded() -> None:
    with pytest.raises(MulanzipError):
        read(npy(np.array([[print]]), allow_pickle=True))


def test_promises_that_the_file_cannot_keep() -> None:
    data = npy(np.zeros((4, 4), np.uint16))
    with pytest.raises(UnreadableImageError, match="too short"):
        read(data[:-1])
    with pytest.raises(LimitError, match="--max-pixels"):
        read(data, Limits(pixels=15))
    with pytest.raises(MulanzipError):
        read(data.replace(b"(4, 4)", b"(9**9)"))
    with pytest.raises(UnreadableImageError, match="too short"):
        read(data.replace(b"(4, 4), }   ", b"(9999, 999)}"))
