"""Limits of size and memory hold before memory is taken."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path, PurePath

import pytest
from support.image_files import picture_of, pillow_image, read, saved

from mulanzip import limits
from mulanzip.errors import LimitError, UnsupportedImageError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture
from mulanzip.limits import Limits


def test_headers_that_announce_too_much(tmp_path: Path) -> None:
    path = saved(tmp_path, pillow_image("RGB"), "a.bmp")
    read_picture(path)  # Loads modules, which take memory once.
    data = bytearray(path.read_bytes())
    data[18:26] = struct.pack("<ii", 3_000_000, 2_000_000)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedImageError, match="images of 3000000x2000000 pixels are too large"):
            read_picture(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, pillow_image("RGB", 500, 500), "a.png")
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 20)
    with pytest.raises(LimitError, match="1 MiB are available"):
        read_picture(path)


def test_limits_hold_for_all_formats() -> None:
    for suffix in (".png", ".tif", ".npy", ".ppm", ".pam"):
        data = write_picture(picture_of(Kind(Mode.RGB, 16)), PurePath("a" + suffix))[0]
        with pytest.raises(LimitError, match="--max-pixels"):
            read(data, Limits(pixels=13 * 17 - 1))
        with pytest.raises(LimitError, match="--max-memory"):
            read(data, Limits(memory=1000))
