"""Sources that are lossy already are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.image_files import pillow_image, saved
from support.pictures import smooth

from mulanzip.imageio.reader import read_picture


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.jpg", {}, "JPEG"),
        ("a.webp", {}, "lossy WebP"),
        ("a.webp", {"icc_profile": b"VP8L" * 9}, "lossy WebP"),
        ("a.tif", {"compression": "jpeg"}, "JPEG within TIFF"),
    ],
)
def test_lossy_sources(name: str, options: dict[str, Any], expected: str, tmp_path: Path) -> None:
    _, notes = read_picture(saved(tmp_path, Image.fromarray(smooth(30, 30)), name, **options))
    assert [note.split(":")[0] for note in notes] == [f"decoded from {expected}"]


def test_lossless_webp(tmp_path: Path) -> None:
    path = saved(tmp_path, pillow_image("RGB"), "a.webp", lossless=True, icc_profile=b"VP8 " * 9)
    assert read_picture(path)[1] == []
