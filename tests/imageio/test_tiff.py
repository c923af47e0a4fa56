"""TIFF files: orientation, descriptive tags, directories below directories."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from support.image_files import assert_same, layout, pillow_image, restored, saved, tiff_file
from support.pictures import noise

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, RESOLUTION, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, tiff_tags
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept_and_not_applied(orientation: int, compression: str | None, tmp_path: Path) -> None:
    image = pillow_image("RGB")
    exif = Image.Exif()
    exif[274] = orientation
    picture, _ = read_picture(saved(tmp_path, image, "a.tif", exif=exif, compression=compression))
    np.testing.assert_array_equal(picture.pixels, np.asarray(image))
    for suffix in (".tif", ".png"):
        assert_same(restored(picture, tmp_path, suffix), picture)
        with Image.open(tmp_path / f"restored{suffix}") as copy:
            assert copy.getexif()[274] == orientation


@pytest.mark.parametrize("order", ["<", ">"])
def test_descriptive_tags(order: str, tmp_path: Path) -> None:
    tags = {
        270: (2, b"d\xe9scription\0"),
        271: (2, b"abc\0"),
        33550: (12, struct.pack(order + "3d", 1, 2.5, 0)),
        34735: (3, [1, 1, 0]),
        700: (1, b"<xmp/>"),
        37724: (7, b"Photoshop"),
        282: (5, struct.pack(order + "II", 300, 1)),
        283: (5, struct.pack(order + "II", 150, 1)),
        296: (3, [2]),
    }
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_file(layout(2, 1, [8], 1, tags=tags), b"\x12\x34", order))
    picture, notes = read_picture(path)
    assert (notes, picture.lost) == ([], ("TIFF tags 37724",))
    np.testing.assert_array_equal(picture.pixels, [[[0x12], [0x34]]])
    assert picture.metadata[XMP] == b"<xmp/>"
    assert metadata.resolution(picture.metadata[RESOLUTION]) == (300, 150)
    kept = tiff_tags.read(io.BytesIO(picture.metadata[EXIF]))
    assert set(kept.entries) == {270, 271, 33550, 34735}
    assert kept.entries[270].value == b"d\xe9scription\0"
    # Resolutions of PNG are in pixels per metre, and Pillow writes TIFF in the byte order of the machine.
    ignored = {RESOLUTION: b""}
    assert {**restored(picture, tmp_path).metadata, **ignored} == {**picture.metadata, **ignored}
    copy = restored(picture, tmp_path, ".tif")
    assert {**copy.metadata, EXIF: b""} == {**picture.metadata, EXIF: b""}
    with Image.open(tmp_path / "restored.tif") as image:
        assert image.tag_v2[33550] == (1, 2.5, 0)
        assert image.tag_v2[34735] == (1, 1, 0)
        assert image.tag_v2[270] == "d\xe9scription"


def test_exif_and_gps_below_the_tags(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(34665)[36867] = "2020:01:02 03:04:05"
    exif.get_ifd(34853)[2] = (1.0, 2.0, 3.5)
    picture, notes = read_picture(saved(tmp_path, pillow_image("RGB"), "a.tif", exif=exif.tobytes()))
    assert not notes
    assert_same(restored(picture, tmp_path, ".tif"), picture)
    restored(picture, tmp_path)
    for suffix in (".tif", ".png"):
        with Image.open(tmp_path / f"restored{suffix}") as copy:
            assert copy.getexif().get_ifd(34665)[36867] == "2020:01:02 03:04:05"
            assert copy.getexif().get_ifd(34853)[2] == (1.0, 2.0, 3.5)


@pytest.mark.parametrize("exif", [b"", b"nonsense", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_exif_is_left_out(exif: bytes, tmp_path: Path) -> None:
    picture = Picture(Mode.RGB, noise(3, 3), metadata={EXIF: exif, XMP: b"<xmp/>"})
    data, lost = write_picture(picture, PurePath("a.tif"))
    assert lost == (["EXIF, which is damaged"] if exif else [])
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert read_picture(path)[0].metadata == {XMP: b"<xmp/>"}


def test_directories_that_contain_themselves() -> None:
    loop = tiff_tags.Entry(4, struct.pack("<I", 8))
    block = tiff_tags.to_block(tiff_tags.Directory("<", {34665: loop, 34853: loop}))
    assert set(tiff_tags.read(io.BytesIO(block)).entries) == {34665, 34853}


def alone(directory: tiff_tags.Directory) -> tiff_tags.Directory:
    """A directory that no other one follows, as those in blocks are."""
    entries = {
        tag: replace(entry, value=alone(entry.value)) if isinstance(entry.value, tiff_tags.Directory) else entry
        for tag, entry in directory.entries.items()
    }
    return replace(directory, entries=entries, has_next=False)


@given(st.binary(max_size=80), st.sampled_from(("II*\0\x08\0\0\0", "MM\0*\0\0\0\x08")))
@example(b"\0\0\1", "II*\0\x08\0\0\0")
def test_any_bytes_are_a_directory_or_an_error(data: bytes, head: str) -> None:
    try:
        directory = tiff_tags.read(io.BytesIO(head.encode() + data))
    except ValueError:
        return
    block = tiff_tags.to_block(directory)
    assert tiff_tags.read(io.BytesIO(block)) == alone(directory)


@pytest.mark.parametrize(
    ("bits", "photometric", "tags", "pixels", "message"),
    [
        ([32], 1, {}, bytes(4), "32-bit"),
        ([16, 16, 16, 16], 5, {}, bytes(8), "CMYK"),
        ([16, 16, 16, 16], 2, {338: (3, [1])}, bytes(8), "premultiplied alpha"),
        ([32], 1, {339: (3, [3])}, bytes(4), "floating-point"),
        ([16], 1, {339: (3, [3])}, bytes(2), "floating-point"),
        ([8], 1, {339: (3, [2])}, bytes(1), "signed"),
        ([8, 8, 8, 8], 5, {}, bytes(4), "CMYK"),
        ([8, 8, 8], 8, {}, bytes(3), "Lab"),
        ([8, 8, 8], 6, {}, bytes(3), "YCbCr"),
        ([8, 8, 8, 8], 2, {338: (3, [1])}, bytes(4), "premultiplied alpha"),
        ([8, 8], 1, {338: (3, [1])}, bytes(2), "premultiplied alpha"),
        ([8], 3, {320: (3, [0x1234] * 768)}, bytes(1), "palettes of 16-bit colours"),
    ],
)
def test_what_pillow_would_change_is_refused(
    bits: list[int], photometric: int, tags: dict[int, Any], pixels: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_file(layout(1, 1, bits, photometric, tags=tags), pixels))
    # Older versions of Pillow do not know all of these.
    with pytest.raises((UnsupportedImageError, UnreadableImageError), match=f"{message}|not known here"):
        read_picture(path)


def test_palettes_of_8_bit_colours_in_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_file(layout(1, 1, [8], 3, tags={320: (3, [v * 257 for v in range(256)] * 3)}), b"\7"))
    assert read_picture(path)[0].palette[:6] == bytes([0, 0, 0, 1, 1, 1])
