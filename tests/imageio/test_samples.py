"""All images of a folder that an environment variable names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.image_files import restored

from mulanzip.errors import MulanzipError
from mulanzip.image.metadata import RESOLUTION
from mulanzip.imageio.reader import read_picture

SAMPLES = os.environ.get("MULANZIP_SAMPLES", "")


@pytest.mark.skipif(not Path(SAMPLES).is_dir() or not SAMPLES, reason="MULANZIP_SAMPLES names no folder of images")
def test_samples(tmp_path: Path) -> None:
    """Every file of a folder is refused with a message, or restored exactly."""
    read = 0
    for path in sorted(p for p in Path(SAMPLES).rglob("*") if p.is_file()):
        try:
            picture, _ = read_picture(path)
        except MulanzipError:
            continue
        copy = restored(picture, tmp_path)
        assert (copy.mode, copy.palette, copy.pixel_hash()) == (picture.mode, picture.palette, picture.pixel_hash())
        # PNG has resolutions in pixels per metre only.
        ignored = {RESOLUTION: b""}
        assert {**copy.metadata, **ignored} == {**picture.metadata, **ignored}, path
        read += 1
    assert read
