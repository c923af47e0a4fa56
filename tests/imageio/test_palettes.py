"""Palettes come back with their length and transparency, in files and in the stored form."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.image_files import assert_same, pillow_image, restored, saved
from support.pictures import noise, smooth

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import TRANSPARENCY
from mulanzip.image.picture import MAX_PALETTE, Picture
from mulanzip.imageio import png, stored
from mulanzip.imageio.reader import read_picture


@pytest.mark.parametrize("colours", [1, 2, 3, 16, 17, 255, 256])
def test_length_survives(colours: int, tmp_path: Path) -> None:
    pixels = (noise(9, 9, 1).astype(int) % colours).astype(np.uint8)
    picture = Picture(Mode.PALETTE, pixels[..., None], noise(1, colours, 3).tobytes())
    assert_same(restored(picture, tmp_path), picture)
    assert stored.restore(stored.store(picture), Kind(Mode.PALETTE, 8), 9, 9)[1] == picture.palette


def test_colours_that_spell_the_name_of_a_chunk(tmp_path: Path) -> None:
    picture = Picture(Mode.PALETTE, np.array([[[0], [1]]], dtype=np.uint8), b"\0\0IDAT")
    assert_same(restored(picture, tmp_path), picture)


@pytest.mark.parametrize("colours", [1, 2, 5, 16, 17, 255])
@pytest.mark.parametrize("highest", [1, 3, 15, 16, 255])
def test_indices_outside_it(colours: int, highest: int, tmp_path: Path) -> None:
    pixels = np.array([[0, highest]], dtype=np.uint8)
    picture = Picture(Mode.PALETTE, pixels[..., None], noise(1, colours, 3).tobytes())
    assert_same(restored(picture, tmp_path), picture)
    back, palette = stored.restore(stored.store(picture), Kind(Mode.PALETTE, 8), 2, 1)
    np.testing.assert_array_equal(back[..., 0], pixels)
    assert palette == picture.palette
    assert picture.to_array().shape == (1, 2, 3)


@pytest.mark.parametrize("transparency", [3, bytes([0, 255, 17])])
def test_transparency(transparency: int | bytes, tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("P"), "a.png", transparency=transparency))
    expected = b"\xff\xff\xff\0" if transparency == 3 else transparency
    assert picture.metadata == {TRANSPARENCY: expected}
    assert_same(restored(picture, tmp_path), picture)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(picture.to_array(), np.asarray(image.convert("RGBA")))


def test_transparency_of_gif(tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("P"), "a.gif", transparency=2, optimize=False))
    assert picture.mode is Mode.PALETTE
    copy = restored(picture, tmp_path)
    with Image.open(tmp_path / "a.gif") as image:
        np.testing.assert_array_equal(copy.to_array(), np.asarray(image.convert("RGBA")))


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="this Pillow does not read it")
def test_alpha_in_a_tga_palette(tmp_path: Path) -> None:
    header = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 2, 32, 0, 0, 2, 1, 8, 0x20)
    path = tmp_path / "a.tga"
    path.write_bytes(header + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + b"\0\1")
    picture, _ = read_picture(path)
    np.testing.assert_array_equal(picture.to_array(), [[[3, 2, 1, 4], [7, 6, 5, 8]]])
    assert_same(restored(picture, tmp_path), picture)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.binary(min_size=1, max_size=256), st.integers(1, 256))
def test_any_indices_and_colours_come_back(height: int, width: int, colours: bytes, count: int) -> None:
    """Also repeated colours, colours that nothing has, and indices of none."""
    pixels = smooth(height, width, 1).astype(int)[..., None] % count
    picture = Picture(Mode.PALETTE, pixels.astype(np.uint8), colours * 3)
    back, palette = stored.restore(stored.store(picture), picture.kind, width, height)
    np.testing.assert_array_equal(back, picture.pixels)
    assert palette == picture.palette


def test_a_drawing_takes_less_than_png_makes_of_it() -> None:
    pixels = np.kron(noise(30, 40, 1) % 200, np.ones((4, 4), dtype=np.uint8))[..., None]
    picture = Picture(Mode.PALETTE, pixels, noise(1, 200).tobytes())
    assert len(stored.store(picture)) < 0.9 * len(png.encode(picture))


@pytest.mark.parametrize("palette", [b"", b"ab", b"abcd", bytes(MAX_PALETTE + 1), bytes(MAX_PALETTE + 3)])
def test_damaged_palettes_in_the_stored_form(palette: bytes) -> None:
    data = zlib.compress(palette) + stored.store(Picture(Mode.GRAY, noise(3, 4, 1)[..., None]))
    with pytest.raises(CorruptFileError, match="palette of the stored image"):
        stored.restore(data, Kind(Mode.PALETTE, 8), 4, 3)


def test_damaged_stored_forms() -> None:
    picture = Picture(Mode.PALETTE, noise(12, 13, 1)[..., None] % 9, noise(1, 9).tobytes())
    data = stored.store(picture)
    palette = zlib.compress(picture.palette, 9)
    assert data.startswith(palette)
    deep = png.encode_samples(np.zeros((12, 13), dtype=np.uint16))
    bilevel = png.encode(Picture(Mode.BILEVEL, np.zeros((12, 13, 1), dtype=np.uint8)))
    wrong = [b"", palette[:-1], palette, data[:-9], png.encode(picture), palette + png.encode(picture)]
    wrong += [palette * 2, palette + deep, palette + bilevel, palette + data, data[len(palette) :]]
    for damaged in wrong:
        with pytest.raises(CorruptFileError, match="stored image"):
            stored.restore(damaged, picture.kind, 13, 12)
    for size in ((12, 12), (13, 13), (12, 13), (1, 1), (1300, 1200)):
        with pytest.raises(CorruptFileError, match="stored image"):
            stored.restore(data, picture.kind, *size)


def test_a_palette_without_end_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(1 << 26))
    tracemalloc.start()
    with pytest.raises(CorruptFileError, match="palette of the stored image"):
        stored.restore(bomb, Kind(Mode.PALETTE, 8), 4, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
