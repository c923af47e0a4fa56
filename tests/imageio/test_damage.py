"""Files that are no images, or damaged ones, are refused in one line."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.image_files import pillow_image, read, saved
from support.pictures import noise
from support.png import png_file

from mulanzip.errors import MulanzipError, UnreadableImageError
from mulanzip.format import container
from mulanzip.imageio import png
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture

#: How files begin for which there are readers beside Pillow.
HEADS = (b"P7\n", b"P5 ", b"P6 2 2 65535\n", b"\x93NUMPY\1\0", b"II*\0\x08\0\0\0", bytes(128) + b"DICM")


def refusal(folder: Path, data: bytes) -> str:
    path = folder / "a.png"
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_image(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"") == "the file is empty"
    assert "not an image that mulanzip reads (PNG, " in refusal(tmp_path, b"Dear diary,\n" * 99)
    assert "damaged" in refusal(tmp_path, png.SIGNATURE)
    assert "in this gzip file" in refusal(tmp_path, gzip.compress(b"a NIfTI file"))
    assert "already" in refusal(tmp_path, container.SIGNATURE + bytes(99))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".ppm", ".pcx"])
def test_truncated(suffix: str, tmp_path: Path) -> None:
    data = saved(tmp_path, Image.fromarray(noise(20, 20)), "b" + suffix).read_bytes()
    for length in (len(data) // 2, 30, 9):
        message = refusal(tmp_path, data[:length])
        assert "damaged" in message or "not an image" in message


def test_damaged_pixels(tmp_path: Path) -> None:
    data = bytearray(png_file(20, 20, 8, 0, bytes(20 * 21)))
    data[data.index(b"IDAT") + 6] ^= 0xFF
    assert "damaged" in refusal(tmp_path, bytes(data))


def test_promises_that_the_file_cannot_keep(tmp_path: Path) -> None:
    data = png_file(30000, 30000, 8, 2, bytes(99))
    tracemalloc.start()
    try:
        assert "promises 30000x30000 pixels" in refusal(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(data=st.data())
def test_damage_never_surprises(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    suffix = data.draw(st.sampled_from((".png", ".webp", ".tif", ".bmp", ".gif", ".tga", ".pcx", ".ppm")))
    buffer = io.BytesIO()
    name = {".tif": "TIFF", ".ppm": "PPM"}.get(suffix, suffix[1:].upper())
    pillow_image("RGB").save(buffer, name)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(damaged) - 1, 300)))
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(damaged)
    with suppress(MulanzipError):
        write_picture(read_picture(path)[0], PurePath("a.png"))


@settings(max_examples=200)
@given(st.binary(max_size=60), st.sampled_from(HEADS))
def test_any_bytes_after_a_signature(data: bytes, head: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = read(head + data)
        except MulanzipError:
            return
    assert picture.pixels.size
