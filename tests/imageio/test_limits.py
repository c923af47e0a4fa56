"""Limits of size and memory hold before memory is taken."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.image_files import pillow_image, saved

from mulanzip import limits
from mulanzip.errors import LimitError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.image.picture import Picture, check_size
from mulanzip.imageio.reader import read_picture


def test_headers_that_announce_too_much(tmp_path: Path) -> None:
    path = saved(tmp_path, pillow_image("RGB"), "a.bmp")
    data = bytearray(path.read_bytes())
    data[18:26] = struct.pack("<ii", 3_000_000, 2_000_000)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="images of 3000000x2000000 pixels are too large"):
            read_picture(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [(1, container.MAX_SIDE + 1), (1 << 17, 1 << 17)])
def test_more_than_the_format_holds(size: tuple[int, int]) -> None:
    with pytest.raises(LimitError, match="too large for the format"):
        check_size(*size)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_no_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        check_size(*size)
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        Picture.from_array(np.zeros((*size, 3), np.uint8))


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, pillow_image("RGB", 500, 500), "a.png")
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 20)
    with pytest.raises(LimitError, match="1 MiB are available"):
        read_picture(path)
