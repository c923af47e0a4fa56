"""Metadata of PNG files: chunks come back byte for byte, or are named as lost."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path, PurePath

import pytest
from PIL import Image, PngImagePlugin
from support.image_files import assert_same, pillow_image, restored, saved
from support.pictures import noise
from support.png import png_chunk, png_file

from mulanzip.errors import CorruptFileError, UnreadableImageError
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file

CHUNKS = (
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", *range(8))),
    (b"sBIT", bytes([8, 8, 8])),
    (b"pHYs", struct.pack(">IIB", 3, 4, 0)),
    (b"tIME", bytes([7, 230, 1, 2, 3, 4, 5])),
    (b"tEXt", b"Title\0once"),
    (b"tEXt", b"Title\0and again, \xe4\xf6\xfc"),
    (b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 99)),
    (b"iTXt", b"Author\0\0\0de\0Autor\0" + "Jürgen \N{SNOWMAN}".encode()),
    (b"iTXt", b"Packed\0\1\0\0\0" + zlib.compress("größer".encode())),
    (b"prVt", b"private, safe to copy"),
    (b"bKGD", bytes(6)),
)


def test_chunks_come_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_file(1, 1, 8, 2, bytes(4), *CHUNKS))
    picture, notes = read_picture(path)
    assert not notes
    assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == list(CHUNKS)
    data, lost = write_picture(picture, PurePath("b.png"))
    assert not lost
    for chunk in CHUNKS:
        assert png_chunk(*chunk) in data
    assert_same(restored(picture, tmp_path), picture)


def test_text_as_pillow_sees_it(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "plain")
    info.add_text("Title2", "packed", zip=True)
    info.add_itxt("Author", "\N{SNOWMAN}", "en", "author", zip=True)
    path = saved(tmp_path, pillow_image("L"), "a.png", pnginfo=info)
    restored(read_picture(path)[0], tmp_path)
    with Image.open(path) as original, Image.open(tmp_path / "restored.png") as copy:
        assert original.text == copy.text
        assert copy.text["Author"].lang == "en"
        assert copy.text["Author"].tkey == "author"


def test_text_after_the_pixels(tmp_path: Path) -> None:
    data = png_file(1, 1, 8, 0, bytes(2))
    path = tmp_path / "a.png"
    path.write_bytes(data[:-12] + png_chunk(b"tEXt", b"Late\0text") + data[-12:])
    picture, _ = read_picture(path)
    assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == [(b"tEXt", b"Late\0text")]


def test_what_depends_on_the_old_file_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_file(1, 1, 8, 0, bytes(2), (b"prIV", b"unsafe"), (b"hIST", b"\0\1"), (b"tRNS", b"odd")))
    picture, _ = read_picture(path)
    assert picture.metadata == {}
    assert picture.lost == ("PNG prIV, hIST",)


def test_kinds_that_are_no_letters_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    data = png_file(1, 1, 8, 0, b"\0\x07")
    path.write_bytes(data[:-12] + png_chunk(b"t\x7fXt", b"what?") + data[-12:])
    picture, _ = read_picture(path)
    assert not picture.metadata
    assert len(picture.lost) == 1


def damaged(chunk: tuple[bytes, bytes]) -> bytes:
    """A chunk with a wrong checksum."""
    return png_chunk(*chunk)[:-1] + b"?"


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
def test_pixels_beside_damaged_metadata(place: bytes, tmp_path: Path) -> None:
    """Pillow refuses such files, or leaves out what is behind the damage; libpng and browsers show them."""
    path, rows = tmp_path / "a.png", noise(4, 13, 1).tobytes()
    data = png_file(4, 4, 8, 2, b"".join(b"\0" + rows[13 * i + 1 : 13 * i + 13] for i in range(4)), CHUNKS[0])
    bad, at = damaged((b"cLLI", bytes(8))), data.index(place) - 4
    for chunks in (bad, bad + png_chunk(b"tEXt", b"Title\0behind"), png_chunk(b"pHYs", b"short") + bad):
        path.write_bytes(data[:at] + chunks + data[at:])
        picture, notes = read_picture(path)
        assert picture.pixels.tobytes() == b"".join(rows[13 * i + 1 : 13 * i + 13] for i in range(4))
        assert not notes
        is_left_out = "all metadata, as some are damaged" in picture.lost
        assert is_left_out or "PNG cLLI, which is damaged" in picture.lost
        assert is_left_out or CHUNKS[0] in png.unpack_chunks(picture.metadata[PNG_CHUNKS])
        assert is_left_out or b"behind" not in chunks or b"behind" in picture.metadata[PNG_CHUNKS]
        assert decompress_file(compress_file(path, overwrite=True).output, tmp_path / "b.png", overwrite=True)
        assert (tmp_path / "b.png").read_bytes() == path.read_bytes()


def test_palettes_beside_damaged_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = png_file(2, 1, 8, 3, b"\0\0\1", (b"PLTE", b"abcdef"))
    at = data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + damaged((b"cLLI", bytes(8))) + data[at:])
    picture = read_picture(path)[0]
    assert (picture.palette, picture.pixels.ravel().tolist()) == (b"abcdef", [0, 1])


def test_animations_beside_damaged_metadata_are_refused(tmp_path: Path) -> None:
    """Their first frame is not all of them."""
    path = saved(
        tmp_path, Image.fromarray(noise(5, 5)), "a.png", save_all=True, append_images=[Image.new("RGB", (5, 5))]
    )
    data = path.read_bytes()
    at = data.index(b"acTL") - 4
    path.write_bytes(data[:at] + damaged((b"cLLI", bytes(8))) + data[at:])
    with pytest.raises(UnreadableImageError):
        read_picture(path)


def test_profiles(tmp_path: Path) -> None:
    exif, xmp = b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"<x:xmpmeta>\xff not UTF-8</x:xmpmeta>"
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    path = tmp_path / "a.png"
    path.write_bytes(
        png_file(
            *(1, 1, 8, 0, bytes(2)),
            *((b"iCCP", b"name\0\0" + zlib.compress(b"profile")), (b"eXIf", exif), (b"iTXt", packet)),
            (b"pHYs", struct.pack(">IIB", 2835, 5906, 1)),
        )
    )
    picture, _ = read_picture(path)
    assert picture.metadata.keys() == {ICC, EXIF, XMP, RESOLUTION}
    assert picture.metadata[ICC] == b"profile"
    assert picture.metadata[EXIF] == exif
    assert picture.metadata[XMP] == xmp
    data = write_picture(picture, PurePath("a.png"))[0]
    assert png_chunk(b"pHYs", struct.pack(">IIB", 2835, 5906, 1)) in data
    assert_same(restored(picture, tmp_path), picture)


def test_large_profiles_are_read(tmp_path: Path) -> None:
    """Pillow takes them for an attack from 1 MiB on."""
    picture = Picture(Mode.GRAY, noise(3, 3, 1)[..., None], metadata={ICC: bytes(3 << 20)})
    assert_same(restored(picture, tmp_path), picture)


@pytest.mark.parametrize("packed", [b"\0", b"\0\0\0\5tEXtab", b"\0\0\0\1te1tx", b"\0\0\0\1IDATx", b"\0\0\0\0acTL"])
def test_damaged_chunks_in_a_container(packed: bytes) -> None:
    with pytest.raises(CorruptFileError, match="chunks"):
        metadata.check({PNG_CHUNKS: packed}, Mode.RGB)
