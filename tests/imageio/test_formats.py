"""Image files: pixels of every format and mode that is read come back exactly."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.image_files import assert_same, picture_only, pillow_image, restored, saved
from support.pictures import smooth
from support.png import png_file

from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import EXIF, TRANSPARENCY
from mulanzip.image.picture import Picture
from mulanzip.imageio import stored
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import WRITERS, write_picture

#: Suffixes, and modes with up to 8 bits per sample that Pillow knows.
EIGHT_BIT = [(suffix, mode) for suffix, form in WRITERS.items() for mode in sorted(form.modes - {Mode.BANDS})]
SIZES = [(1, 1), (1, 40), (31, 1), (13, 17)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_every_mode_comes_back_from_every_form(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    source = saved(tmp_path, pillow_image(mode, *size), "a.png")
    picture, notes = read_picture(source)
    assert not notes
    assert not picture.metadata
    assert_same(restored(picture, tmp_path), picture)
    pixels, palette = stored.restore(stored.store(picture), picture.kind, size[1], size[0])
    np.testing.assert_array_equal(pixels, picture.pixels)
    assert palette == picture.palette
    with Image.open(source) as original, Image.open(tmp_path / "restored.png") as copy:
        assert original.mode == copy.mode == mode
        assert original.tobytes() == copy.tobytes()
        assert original.getpalette() == copy.getpalette()


@pytest.mark.parametrize(("suffix", "mode"), EIGHT_BIT)
def test_every_format_keeps_the_modes_that_it_is_said_to(suffix: str, mode: Mode, tmp_path: Path) -> None:
    names = {Mode.BILEVEL: "1", Mode.GRAY: "L", Mode.GRAY_ALPHA: "LA", Mode.PALETTE: "P"}
    picture, _ = read_picture(saved(tmp_path, pillow_image(names.get(mode, mode.name)), "a.png"))
    copy = restored(picture, tmp_path, suffix)
    assert copy.mode is mode
    np.testing.assert_array_equal(copy.pixels, picture.pixels)
    assert copy.palette.startswith(picture.palette)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.tif", "1", {"compression": "group4"}),
        ("a.tif", "L", {"compression": "tiff_lzw"}),
        ("a.tif", "LA", {}),
        ("a.tif", "RGBA", {"compression": "tiff_adobe_deflate"}),
        ("a.tif", "P", {}),
        ("a.tif", "RGB", {"big_tiff": True}),
        ("a.bmp", "1", {}),
        ("a.bmp", "P", {}),
        ("a.bmp", "RGB", {}),
        ("a.dib", "L", {}),
        ("a.gif", "P", {}),
        ("a.tga", "LA", {}),
        ("a.tga", "RGBA", {"compression": "tga_rle"}),
        ("a.pcx", "RGB", {}),
        ("a.pcx", "P", {}),
        ("a.pbm", "1", {}),
        ("a.pgm", "L", {}),
        ("a.ppm", "RGB", {}),
        ("a.webp", "RGBA", {"lossless": True, "exact": True}),
    ],
)
def test_reads_what_pillow_reads(name: str, mode: str, options: dict[str, Any], tmp_path: Path) -> None:
    image = pillow_image(mode)
    picture, notes = read_picture(saved(tmp_path, image, name, **options))
    assert not notes
    pixels = np.asarray(image, dtype=np.uint8)
    np.testing.assert_array_equal(picture.pixels, pixels.reshape(*pixels.shape[:2], -1))
    assert EXIF not in picture.metadata
    assert_same(restored(Picture(picture.mode, picture.pixels, picture.palette), tmp_path), picture_only(picture))


def test_alpha_that_is_opaque_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """WebP drops it."""
    monkeypatch.setattr(stored, "_jpeg_xl", lambda pixels: bytes(1 << 20))
    pixels = smooth(40, 40, 4)
    pixels[..., 3] = 255
    picture = Picture(Mode.RGBA, pixels)
    data = stored.store(picture)
    assert data[8:12] == b"WEBP"
    np.testing.assert_array_equal(stored.restore(data, Kind(Mode.RGBA, 8), 40, 40)[0], pixels)
    assert write_picture(picture, PurePath("a.webp"))[1] == ["an alpha channel that is opaque everywhere"]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_of_few_bits_is_scaled_with_its_transparency(depth: int, tmp_path: Path) -> None:
    top = (1 << depth) - 1
    rows = b"".join(b"\0" + bytes([value]) for value in (0, 0xFF))
    path = tmp_path / "a.png"
    path.write_bytes(png_file(8 // depth, 2, depth, 0, rows, (b"tRNS", bytes([0, top])), (b"bKGD", bytes([0, top]))))
    picture, _ = read_picture(path)
    full = 1 if depth == 1 else 255
    assert picture.mode is (Mode.BILEVEL if depth == 1 else Mode.GRAY)
    assert set(picture.pixels.ravel()) == {0, full}
    assert picture.metadata[TRANSPARENCY] == bytes([0, full])
    assert_same(restored(picture, tmp_path), picture)
    with Image.open(tmp_path / "restored.png") as copy:
        alpha = np.asarray(copy.convert("RGBA"))[..., 3]
    assert alpha[0].all()
    assert depth == 1 or not alpha[1].any()


def test_transparent_colour(tmp_path: Path) -> None:
    path = saved(tmp_path, pillow_image("RGB"), "a.png", transparency=(1, 2, 3))
    picture, _ = read_picture(path)
    assert picture.metadata[TRANSPARENCY] == bytes([0, 1, 0, 2, 0, 3])
    restored(picture, tmp_path)
    with Image.open(tmp_path / "restored.png") as copy:
        assert copy.info["transparency"] == (1, 2, 3)
