"""TIFF files of any layout: samples come as they are stored, and what does not come is named."""

from __future__ import annotations

import io
from random import Random

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from support.image_files import layout, read, tiff_file
from support.pictures import deep, noise
from support.sources import MAKERS

from mulanzip.errors import UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.imageio.reader import read_picture


@given(st.integers(0, 1 << 32))
def test_samples_are_read_as_they_are_stored(seed: int) -> None:
    """Strips, tiles, missing blocks, planes, both byte orders and sizes of offsets, 1 to 16 bits."""
    file = MAKERS["tiff"](Random(seed))
    try:
        picture = read_picture(io.BytesIO(file.data))[0]
    except UnsupportedImageError:
        return  # Several pictures.
    except Exception as error:
        assert "unknown pixel mode" in str(error) or "not known here" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(picture.pixels, file.images[0])


def written(*pages: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bool(options.pop("bigtiff", False))) as writer:
        for page in pages:
            writer.write(page, **{"metadata": None, "software": False, **options})
    return buffer.getvalue()


def test_white_at_0_is_kept_and_named() -> None:
    pixels = noise(20, 30, 1)
    picture = read(written(pixels, photometric="miniswhite"))
    np.testing.assert_array_equal(picture.to_array(), pixels)
    assert picture.lost == ("that white is 0 (samples are kept as they are stored)",)


def test_four_bits_are_not_scaled() -> None:
    picture = read(tiff_file(layout(2, 1, [4], 1), b"\x18"))
    np.testing.assert_array_equal(picture.to_array(), [[1, 8]])


def test_a_fourth_band_is_no_alpha() -> None:
    picture = read(written(noise(9, 8, 4), photometric="rgb", extrasamples=["unspecified"]))
    assert picture.mode is Mode.BANDS
    np.testing.assert_array_equal(picture.to_array(), noise(9, 8, 4))


def test_a_colour_table_of_gray_is_named() -> None:
    picture = read(tiff_file(layout(1, 1, [8], 1, tags={320: (3, [0] * 768)}), b"\x07"))
    assert (picture.to_array(), picture.lost) == (7, ("TIFF tags 320",))


def test_palettes_with_overviews_are_read() -> None:
    colours = (noise(1, 256).transpose(2, 0, 1)[:, 0].astype(np.uint16)) * 257
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        options = {"photometric": "palette", "colormap": colours, "metadata": None}
        writer.write(noise(20, 22, 1), **options)
        writer.write(noise(10, 11, 1), subfiletype=1, **options)
    picture = read(buffer.getvalue())
    assert (picture.mode, picture.lost) == (Mode.PALETTE, ("overviews (smaller copies)",))
    np.testing.assert_array_equal(picture.pixels[..., 0], noise(20, 22, 1))
    np.testing.assert_array_equal(np.frombuffer(picture.palette, np.uint8).reshape(-1, 3), noise(1, 256)[0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_big_tiff_in_both_byte_orders(order: str) -> None:
    buffer = io.BytesIO()
    pixels = noise(16, 17)
    tifffile.imwrite(buffer, pixels, bigtiff=True, byteorder=order, metadata=None, photometric="rgb")
    np.testing.assert_array_equal(read(buffer.getvalue()).pixels, pixels)


def test_what_a_picture_does_not_hold_is_named() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(noise(20, 22), subifds=1, photometric="rgb", metadata=None)
        writer.write(noise(10, 11), photometric="rgb", metadata=None)
    assert "TIFF tags 330" in read(buffer.getvalue()).lost
    pages = read(written(deep(5, 6), deep(5, 6)))
    assert "tags of all pages but the first" in pages.lost
    unit = {282: (5, b"\x01\0\0\0\x02\0\0\0"), 283: (5, b"\x01\0\0\0\x02\0\0\0"), 296: (3, [1])}
    assert read(tiff_file(layout(1, 1, [8], 1, tags=unit), b"\x07")).lost == ("TIFF tags 296",)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep(5, 6), bigtiff=True, metadata=None, extratags=[(65000, 16, 1, 7, True)])
    assert read(buffer.getvalue()).lost == ("TIFF tags 65000",)


def test_a_stack_behind_one_directory_is_named() -> None:
    description = b"ImageJ=1.53t\nimages=6\nslices=6\n\0"
    stack = deep(5, 6)
    data = tiff_file(layout(6, 5, [16], 1, tags={270: (2, description)}), stack.astype("<u2").tobytes() * 6)
    picture = read(data)
    np.testing.assert_array_equal(picture.to_array(), stack)
    assert "all images but the first of 6 of an ImageJ stack" in picture.lost


def test_volumes_are_refused_as_such() -> None:
    data = tiff_file(layout(2, 2, [8], 1, tags={32997: (4, [3])}), bytes(12))
    with pytest.raises(UnsupportedImageError, match="ImageDepth"):
        read(data)
