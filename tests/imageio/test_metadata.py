"""Metadata of other formats: EXIF, XMP, IPTC, comments and resolution."""

from __future__ import annotations

import io
import struct
from pathlib import Path, PurePath
from typing import Any

import pytest
from PIL import Image
from support.image_files import assert_same, pillow_image, restored, saved
from support.pictures import noise

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png, tiff_tags
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture


@pytest.mark.parametrize(
    ("found", "mode"),
    [
        ({RESOLUTION: b"short"}, Mode.RGB),
        ({RESOLUTION: struct.pack("<2d", float("nan"), 1)}, Mode.RGB),
        ({RESOLUTION: struct.pack("<2d", 72, -1)}, Mode.RGB),
        ({RESOLUTION: struct.pack("<2d", 1e300, 72)}, Mode.RGB),
        ({TRANSPARENCY: bytes(257)}, Mode.PALETTE),
        ({TRANSPARENCY: bytes(2)}, Mode.RGB),
        ({TRANSPARENCY: bytes(2)}, Mode.RGBA),
    ],
)
def test_payloads_of_a_container_are_checked(found: dict[bytes, bytes], mode: Mode) -> None:
    with pytest.raises(CorruptFileError):
        metadata.check(found, mode)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".png"])
def test_no_exif_out_of_nothing(suffix: str, tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("RGB"), "a" + suffix))
    assert EXIF not in picture.metadata


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_exif_and_xmp_are_kept_and_not_applied(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(34665)[36867] = "2020:01:02 03:04:05"
    block, xmp = exif.tobytes(), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    options: dict[str, Any] = {"exif": block, "icc_profile": b"profile"}
    if suffix != ".png":
        options["xmp"] = xmp
    picture, _ = read_picture(saved(tmp_path, pillow_image("RGB"), "a" + suffix, **options))
    assert picture.pixels.shape == (13, 17, 3)
    assert picture.metadata[EXIF] == block.removeprefix(b"Exif\0\0")
    assert picture.metadata[ICC] == b"profile"
    assert picture.metadata.get(XMP) == options.get("xmp")
    for copy_suffix in (".png", ".webp"):
        copy = restored(picture, tmp_path, copy_suffix)
        for kind in (EXIF, ICC, XMP):
            assert copy.metadata.get(kind) == picture.metadata.get(kind)


@pytest.mark.parametrize(
    ("comment", "chunk"),
    [
        (b"made here", (b"tEXt", b"Comment\0made here")),
        (b"ended by zero\0", (b"tEXt", b"Comment\0ended by zero")),
        (b"caf\xe9 \xff", (b"tEXt", b"Comment\0caf\xe9 \xff")),
        ("né ici".encode(), (b"iTXt", b"Comment\0\0\0\0\0n\xc3\xa9 ici")),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_comments_become_text(suffix: str, comment: bytes, chunk: png.Chunk, tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("L"), "a" + suffix, comment=comment))
    assert picture.lost == ()
    assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == [chunk]
    assert_same(restored(picture, tmp_path), picture)
    assert PNG_CHUNKS not in metadata.stripped(picture.metadata, ["text"])


def test_several_comments_of_a_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path, pillow_image("L"), "a.jpg")
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xfe\0\x05one" + b"\xff\xfe\0\x05two" + b"\xff\xfe\0\x02" + data[2:])
    chunks = png.unpack_chunks(read_picture(path)[0].metadata[PNG_CHUNKS])
    assert chunks == [(b"tEXt", b"Comment\0one"), (b"tEXt", b"Comment\0two")]


def test_comments_that_are_no_text(tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("L"), "a.jpg", comment=b"a\0b"))
    assert (picture.lost, picture.metadata.get(PNG_CHUNKS)) == (("comment",), None)


@pytest.mark.parametrize("with_exif", [False, True])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp"])
def test_iptc_of_a_jpeg_is_kept_as_tiff_has_it(suffix: str, with_exif: bool, tmp_path: Path) -> None:
    iptc, exif = b"\x1c\x02\x78\0\7caption", Image.Exif()
    exif[315] = "an artist of some renown"
    exif.get_ifd(34665)[36867] = "2020:01:02 03:04:05"
    options = {"exif": exif} if with_exif else {}
    path = saved(tmp_path, pillow_image("RGB"), "a.jpg", **options)
    resources = b"8BIM\x04\x04\0\0\0\0\0\x0c" + iptc + b"8BIM\x04\x25\0\0\0\0\0\2ok"
    data = path.read_bytes()
    segment = b"Photoshop 3.0\0" + resources
    path.write_bytes(data[:2] + b"\xff\xed" + (2 + len(segment)).to_bytes(2, "big") + segment + data[2:])
    picture, _ = read_picture(path)
    assert picture.lost == ()
    block = picture.metadata[EXIF]
    found = tiff_tags.read(io.BytesIO(block)).entries
    assert (found[tiff_tags.IPTC].value, found[tiff_tags.PHOTOSHOP].value) == (iptc, resources)
    copy = restored(picture, tmp_path, suffix)
    again = tiff_tags.read(io.BytesIO(copy.metadata[EXIF])).entries
    assert {t: again[t].value for t in found if t != 34665} == {t: found[t].value for t in found if t != 34665}
    if with_exif:
        loaded = Image.Exif()
        loaded.load(block)
        assert (loaded[315], loaded.get_ifd(34665)[36867]) == (exif[315], exif.get_ifd(34665)[36867])


def test_what_an_exif_block_has_stays_where_it_is() -> None:
    for order, magic in (("<", b"II*\0"), (">", b"MM\0*")):
        row = struct.pack(order + "HHII", 37500, 7, 9, 26)  # A maker's note, that may point to itself.
        block = magic + struct.pack(order + "IH", 8, 1) + row + struct.pack(order + "I", 99) + b"a note..."
        longer = tiff_tags.extended(block, {tiff_tags.IPTC: b"long enough", 7: b"odd"})
        assert longer[8 : len(block)] == block[8:]
        place = struct.unpack_from(order + "I", longer, 4)[0]
        assert struct.unpack_from(order + "I", longer, place + 2 + 3 * 12) == (99,)
        entries = tiff_tags.read(io.BytesIO(longer)).entries
        assert [(tag, entries[tag].value) for tag in entries] == [
            (7, b"odd"),
            (tiff_tags.IPTC, b"long enough"),
            (37500, b"a note..."),
        ]


@pytest.mark.parametrize("block", [b"Exif", b"II*\0\xff\0\0\0", b"II+\0\x08\0\0\0\x10" + bytes(30)])
def test_iptc_beside_damaged_exif_is_lost(block: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        tiff_tags.extended(block, {tiff_tags.IPTC: b"caption"})


@pytest.mark.parametrize("dpi", [(72, 72), (300, 150.5)])
@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".png"])
def test_resolution(suffix: str, dpi: tuple[float, float], tmp_path: Path) -> None:
    picture, _ = read_picture(saved(tmp_path, pillow_image("RGB"), "a" + suffix, dpi=dpi))
    found = metadata.resolution(picture.metadata[RESOLUTION])
    assert found == pytest.approx(dpi, rel=1e-3)
    assert restored(picture, tmp_path, suffix).metadata == picture.metadata


def test_what_a_format_does_not_hold_is_named() -> None:
    found = {
        ICC: b"p",
        EXIF: b"e",
        XMP: b"x",
        TRANSPARENCY: bytes(6),
        RESOLUTION: struct.pack("<2d", 72, 72),
        PNG_CHUNKS: png.pack_chunks([(b"tEXt", b"a\0b"), (b"tEXt", b"c\0d"), (b"gAMA", bytes(4))]),
    }
    picture = Picture(Mode.RGB, noise(3, 3), metadata=found)
    everything = ["ICC profile", "EXIF", "XMP", "resolution", "transparency", "PNG tEXt, gAMA"]
    assert write_picture(picture, PurePath("a.ppm"))[1] == everything
    assert write_picture(picture, PurePath("a.webp"))[1] == everything[3:]
    assert write_picture(picture, PurePath("a.png"))[1] == []
