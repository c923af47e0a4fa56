"""Image files: what is read comes back exactly, everything else is refused and says why."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from support.pictures import noise, smooth
from support.png import png_chunk, png_file

from mulanzip import limits
from mulanzip.errors import CorruptFileError, LimitError, MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.image.picture import MAX_PALETTE, Picture, check_size
from mulanzip.imageio import metadata, pillow_limits, png, stored, tiff_tags
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import WRITERS, write_picture

#: Suffixes, and modes with up to 8 bits per sample that Pillow knows.
EIGHT_BIT = [(suffix, mode) for suffix, form in WRITERS.items() for mode in sorted(form.modes - {Mode.BANDS})]
SIZES = [(1, 1), (1, 40), (31, 1), (13, 17)]


def pillow_image(mode: str, height: int = 13, width: int = 17) -> Image.Image:
    """An image of any of the six modes, with all kinds of alpha and colours where nothing is seen."""
    if mode == "1":
        return Image.fromarray(noise(height, width, 1) > 127)
    if mode == "P":
        image = Image.fromarray(noise(height, width, 1) % 20).convert("P")
        image.putpalette(noise(1, 20).tobytes())
        return image
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = noise(height, width, channels)
    if mode in ("LA", "RGBA"):
        pixels[..., -1] = np.where(pixels[..., -1] < 100, 0, pixels[..., -1])
    return Image.fromarray(pixels)


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def restored(picture: Picture, folder: Path, suffix: str = ".png") -> Picture:
    """The picture after it was written and read again."""
    path = folder / f"restored{suffix}"
    path.write_bytes(write_picture(picture, path)[0])
    return read_picture(path)[0]


def assert_same(a: Picture, b: Picture) -> None:
    assert a.mode is b.mode
    assert a.palette == b.palette
    np.testing.assert_array_equal(a.pixels, b.pixels)
    assert a.pixel_hash() == b.pixel_hash()
    assert a.metadata == b.metadata


def tiff_file(tags: dict[int, tuple[int, list[int] | bytes]], pixels: bytes, order: str = "<") -> bytes:
    """A TIFF file of one strip; tags are pairs of a type and its values."""
    tags = {**tags, 273: (4, [8]), 279: (4, [len(pixels)])}
    entries = {}
    for tag, (kind, values) in tags.items():
        code = {1: "B", 3: "H", 4: "I"}.get(kind, "")
        data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
        entries[tag] = tiff_tags.Entry(kind, data)
    pixels += bytes(len(pixels) % 2)
    directory = tiff_tags.to_block(tiff_tags.Directory(order, entries))
    # The directory's offsets count from 8: those to values move with it.
    block = bytearray(directory[8:])
    for i in range(len(entries)):
        at = 2 + 12 * i
        _, kind, count, value = struct.unpack(order + "HHII", block[at : at + 12])
        if count * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}[kind] > 4:
            block[at + 8 : at + 12] = struct.pack(order + "I", value + len(pixels))
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8 + len(pixels)) + pixels + bytes(block)


def layout(width: int, height: int, bits: list[int], photometric: int, **more: Any) -> dict[int, Any]:
    """Tags of an uncompressed TIFF image."""
    return {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [len(bits)]),
        278: (4, [height]),
        **more.get("tags", {}),
    }


class TestPixels:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
    def test_every_mode_comes_back_from_every_form(self, mode: str, size: tuple[int, int], tmp_path: Path) -> None:
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
    def test_every_format_keeps_the_modes_that_it_is_said_to(self, suffix: str, mode: Mode, tmp_path: Path) -> None:
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
    def test_reads_what_pillow_reads(self, name: str, mode: str, options: dict[str, Any], tmp_path: Path) -> None:
        image = pillow_image(mode)
        picture, notes = read_picture(saved(tmp_path, image, name, **options))
        assert not notes
        pixels = np.asarray(image, dtype=np.uint8)
        np.testing.assert_array_equal(picture.pixels, pixels.reshape(*pixels.shape[:2], -1))
        assert EXIF not in picture.metadata
        assert_same(restored(Picture(picture.mode, picture.pixels, picture.palette), tmp_path), picture_only(picture))

    def test_alpha_that_is_opaque_everywhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_gray_of_few_bits_is_scaled_with_its_transparency(self, depth: int, tmp_path: Path) -> None:
        top = (1 << depth) - 1
        rows = b"".join(b"\0" + bytes([value]) for value in (0, 0xFF))
        path = tmp_path / "a.png"
        path.write_bytes(
            png_file(8 // depth, 2, depth, 0, rows, (b"tRNS", bytes([0, top])), (b"bKGD", bytes([0, top])))
        )
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

    def test_transparent_colour(self, tmp_path: Path) -> None:
        path = saved(tmp_path, pillow_image("RGB"), "a.png", transparency=(1, 2, 3))
        picture, _ = read_picture(path)
        assert picture.metadata[TRANSPARENCY] == bytes([0, 1, 0, 2, 0, 3])
        restored(picture, tmp_path)
        with Image.open(tmp_path / "restored.png") as copy:
            assert copy.info["transparency"] == (1, 2, 3)


def picture_only(picture: Picture) -> Picture:
    return Picture(picture.mode, picture.pixels, picture.palette)


class TestPalette:
    @pytest.mark.parametrize("colours", [1, 2, 3, 16, 17, 255, 256])
    def test_length_survives(self, colours: int, tmp_path: Path) -> None:
        pixels = (noise(9, 9, 1).astype(int) % colours).astype(np.uint8)
        picture = Picture(Mode.PALETTE, pixels[..., None], noise(1, colours, 3).tobytes())
        assert_same(restored(picture, tmp_path), picture)
        assert stored.restore(stored.store(picture), Kind(Mode.PALETTE, 8), 9, 9)[1] == picture.palette

    def test_colours_that_spell_the_name_of_a_chunk(self, tmp_path: Path) -> None:
        picture = Picture(Mode.PALETTE, np.array([[[0], [1]]], dtype=np.uint8), b"\0\0IDAT")
        assert_same(restored(picture, tmp_path), picture)

    @pytest.mark.parametrize("colours", [1, 2, 5, 16, 17, 255])
    @pytest.mark.parametrize("highest", [1, 3, 15, 16, 255])
    def test_indices_outside_it(self, colours: int, highest: int, tmp_path: Path) -> None:
        pixels = np.array([[0, highest]], dtype=np.uint8)
        picture = Picture(Mode.PALETTE, pixels[..., None], noise(1, colours, 3).tobytes())
        assert_same(restored(picture, tmp_path), picture)
        back, palette = stored.restore(stored.store(picture), Kind(Mode.PALETTE, 8), 2, 1)
        np.testing.assert_array_equal(back[..., 0], pixels)
        assert palette == picture.palette
        assert picture.to_array().shape == (1, 2, 3)

    @pytest.mark.parametrize("transparency", [3, bytes([0, 255, 17])])
    def test_transparency(self, transparency: int | bytes, tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("P"), "a.png", transparency=transparency))
        expected = b"\xff\xff\xff\0" if transparency == 3 else transparency
        assert picture.metadata == {TRANSPARENCY: expected}
        assert_same(restored(picture, tmp_path), picture)
        with Image.open(tmp_path / "a.png") as image:
            np.testing.assert_array_equal(picture.to_array(), np.asarray(image.convert("RGBA")))

    def test_transparency_of_gif(self, tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("P"), "a.gif", transparency=2, optimize=False))
        assert picture.mode is Mode.PALETTE
        copy = restored(picture, tmp_path)
        with Image.open(tmp_path / "a.gif") as image:
            np.testing.assert_array_equal(copy.to_array(), np.asarray(image.convert("RGBA")))

    @pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="this Pillow does not read it")
    def test_alpha_in_a_tga_palette(self, tmp_path: Path) -> None:
        header = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 2, 32, 0, 0, 2, 1, 8, 0x20)
        path = tmp_path / "a.tga"
        path.write_bytes(header + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + b"\0\1")
        picture, _ = read_picture(path)
        np.testing.assert_array_equal(picture.to_array(), [[[3, 2, 1, 4], [7, 6, 5, 8]]])
        assert_same(restored(picture, tmp_path), picture)

    @settings(max_examples=25)
    @given(st.integers(1, 40), st.integers(1, 40), st.binary(min_size=1, max_size=256), st.integers(1, 256))
    def test_any_indices_and_colours_come_back(self, height: int, width: int, colours: bytes, count: int) -> None:
        """Also repeated colours, colours that nothing has, and indices of none."""
        pixels = smooth(height, width, 1).astype(int)[..., None] % count
        picture = Picture(Mode.PALETTE, pixels.astype(np.uint8), colours * 3)
        back, palette = stored.restore(stored.store(picture), picture.kind, width, height)
        np.testing.assert_array_equal(back, picture.pixels)
        assert palette == picture.palette

    def test_a_drawing_takes_less_than_png_makes_of_it(self) -> None:
        pixels = np.kron(noise(30, 40, 1) % 200, np.ones((4, 4), dtype=np.uint8))[..., None]
        picture = Picture(Mode.PALETTE, pixels, noise(1, 200).tobytes())
        assert len(stored.store(picture)) < 0.9 * len(png.encode(picture))

    @pytest.mark.parametrize("palette", [b"", b"ab", b"abcd", bytes(MAX_PALETTE + 1), bytes(MAX_PALETTE + 3)])
    def test_damaged_palettes_in_the_stored_form(self, palette: bytes) -> None:
        data = zlib.compress(palette) + stored.store(Picture(Mode.GRAY, noise(3, 4, 1)[..., None]))
        with pytest.raises(CorruptFileError, match="palette of the stored image"):
            stored.restore(data, Kind(Mode.PALETTE, 8), 4, 3)

    def test_damaged_stored_forms(self) -> None:
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

    def test_a_palette_without_end_is_not_inflated(self) -> None:
        bomb = zlib.compress(bytes(1 << 26))
        tracemalloc.start()
        with pytest.raises(CorruptFileError, match="palette of the stored image"):
            stored.restore(bomb, Kind(Mode.PALETTE, 8), 4, 3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


class TestPngMetadata:
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

    def test_chunks_come_back_byte_for_byte(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png_file(1, 1, 8, 2, bytes(4), *self.CHUNKS))
        picture, notes = read_picture(path)
        assert not notes
        assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == list(self.CHUNKS)
        data, lost = write_picture(picture, PurePath("b.png"))
        assert not lost
        for chunk in self.CHUNKS:
            assert png_chunk(*chunk) in data
        assert_same(restored(picture, tmp_path), picture)

    def test_text_as_pillow_sees_it(self, tmp_path: Path) -> None:
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

    def test_text_after_the_pixels(self, tmp_path: Path) -> None:
        data = png_file(1, 1, 8, 0, bytes(2))
        path = tmp_path / "a.png"
        path.write_bytes(data[:-12] + png_chunk(b"tEXt", b"Late\0text") + data[-12:])
        picture, _ = read_picture(path)
        assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == [(b"tEXt", b"Late\0text")]

    def test_what_depends_on_the_old_file_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png_file(1, 1, 8, 0, bytes(2), (b"prIV", b"unsafe"), (b"hIST", b"\0\1"), (b"tRNS", b"odd")))
        picture, _ = read_picture(path)
        assert picture.metadata == {}
        assert picture.lost == ("PNG prIV, hIST",)

    def test_kinds_that_are_no_letters_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "image.png"
        data = png_file(1, 1, 8, 0, b"\0\x07")
        path.write_bytes(data[:-12] + png_chunk(b"t\x7fXt", b"what?") + data[-12:])
        picture, _ = read_picture(path)
        assert not picture.metadata
        assert len(picture.lost) == 1

    def test_profiles(self, tmp_path: Path) -> None:
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

    def test_large_profiles_are_read(self, tmp_path: Path) -> None:
        """Pillow takes them for an attack from 1 MiB on."""
        picture = Picture(Mode.GRAY, noise(3, 3, 1)[..., None], metadata={ICC: bytes(3 << 20)})
        assert_same(restored(picture, tmp_path), picture)

    @pytest.mark.parametrize("packed", [b"\0", b"\0\0\0\5tEXtab", b"\0\0\0\1te1tx", b"\0\0\0\1IDATx", b"\0\0\0\0acTL"])
    def test_damaged_chunks_in_a_container(self, packed: bytes) -> None:
        with pytest.raises(CorruptFileError, match="chunks"):
            metadata.check({PNG_CHUNKS: packed}, Mode.RGB)


class TestOtherMetadata:
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
    def test_payloads_of_a_container_are_checked(self, found: dict[bytes, bytes], mode: Mode) -> None:
        with pytest.raises(CorruptFileError):
            metadata.check(found, mode)

    @pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".png"])
    def test_no_exif_out_of_nothing(self, suffix: str, tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("RGB"), "a" + suffix))
        assert EXIF not in picture.metadata

    @pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
    def test_exif_and_xmp_are_kept_and_not_applied(self, suffix: str, tmp_path: Path) -> None:
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
    def test_comments_become_text(self, suffix: str, comment: bytes, chunk: png.Chunk, tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("L"), "a" + suffix, comment=comment))
        assert picture.lost == ()
        assert png.unpack_chunks(picture.metadata[PNG_CHUNKS]) == [chunk]
        assert_same(restored(picture, tmp_path), picture)
        assert PNG_CHUNKS not in metadata.stripped(picture.metadata, ["text"])

    def test_several_comments_of_a_jpeg(self, tmp_path: Path) -> None:
        path = saved(tmp_path, pillow_image("L"), "a.jpg")
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\xff\xfe\0\x05one" + b"\xff\xfe\0\x05two" + b"\xff\xfe\0\x02" + data[2:])
        chunks = png.unpack_chunks(read_picture(path)[0].metadata[PNG_CHUNKS])
        assert chunks == [(b"tEXt", b"Comment\0one"), (b"tEXt", b"Comment\0two")]

    def test_comments_that_are_no_text(self, tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("L"), "a.jpg", comment=b"a\0b"))
        assert (picture.lost, picture.metadata.get(PNG_CHUNKS)) == (("comment",), None)

    @pytest.mark.parametrize("with_exif", [False, True])
    @pytest.mark.parametrize("suffix", [".tif", ".png", ".webp"])
    def test_iptc_of_a_jpeg_is_kept_as_tiff_has_it(self, suffix: str, with_exif: bool, tmp_path: Path) -> None:
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

    def test_what_an_exif_block_has_stays_where_it_is(self) -> None:
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
    def test_iptc_beside_damaged_exif_is_lost(self, block: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            tiff_tags.extended(block, {tiff_tags.IPTC: b"caption"})

    @pytest.mark.parametrize("dpi", [(72, 72), (300, 150.5)])
    @pytest.mark.parametrize("suffix", [".tif", ".bmp", ".png"])
    def test_resolution(self, suffix: str, dpi: tuple[float, float], tmp_path: Path) -> None:
        picture, _ = read_picture(saved(tmp_path, pillow_image("RGB"), "a" + suffix, dpi=dpi))
        found = metadata.resolution(picture.metadata[RESOLUTION])
        assert found == pytest.approx(dpi, rel=1e-3)
        assert restored(picture, tmp_path, suffix).metadata == picture.metadata

    def test_what_a_format_does_not_hold_is_named(self) -> None:
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


class TestTiff:
    @pytest.mark.parametrize("compression", [None, "tiff_lzw"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_is_kept_and_not_applied(
        self, orientation: int, compression: str | None, tmp_path: Path
    ) -> None:
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
    def test_descriptive_tags(self, order: str, tmp_path: Path) -> None:
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

    def test_exif_and_gps_below_the_tags(self, tmp_path: Path) -> None:
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
    def test_damaged_exif_is_left_out(self, exif: bytes, tmp_path: Path) -> None:
        picture = Picture(Mode.RGB, noise(3, 3), metadata={EXIF: exif, XMP: b"<xmp/>"})
        data, lost = write_picture(picture, PurePath("a.tif"))
        assert lost == (["EXIF, which is damaged"] if exif else [])
        path = tmp_path / "a.tif"
        path.write_bytes(data)
        assert read_picture(path)[0].metadata == {XMP: b"<xmp/>"}

    def test_directories_that_contain_themselves(self) -> None:
        loop = tiff_tags.Entry(4, struct.pack("<I", 8))
        block = tiff_tags.to_block(tiff_tags.Directory("<", {34665: loop, 34853: loop}))
        assert set(tiff_tags.read(io.BytesIO(block)).entries) == {34665, 34853}

    @given(st.binary(max_size=80), st.sampled_from(("II*\0\x08\0\0\0", "MM\0*\0\0\0\x08")))
    def test_any_bytes_are_a_directory_or_an_error(self, data: bytes, head: str) -> None:
        try:
            directory = tiff_tags.read(io.BytesIO(head.encode() + data))
        except ValueError:
            return
        block = tiff_tags.to_block(directory)
        assert tiff_tags.read(io.BytesIO(block)) == directory

    @pytest.mark.parametrize(
        ("bits", "photometric", "tags", "pixels", "message"),
        [
            ([32], 1, {}, bytes(4), "32-bit"),
            ([16], 0, {}, bytes(2), "white at 0"),
            ([16, 16, 16, 16], 5, {}, bytes(8), "CMYK"),
            ([16, 16, 16, 16], 2, {338: (3, [1])}, bytes(8), "premultiplied alpha"),
            ([32], 1, {339: (3, [3])}, bytes(4), "floating-point"),
            ([16], 1, {339: (3, [3])}, bytes(2), "floating-point"),
            ([8], 1, {339: (3, [2])}, bytes(1), "signed"),
            ([8, 8, 8, 8], 5, {}, bytes(4), "CMYK"),
            ([8, 8, 8], 8, {}, bytes(3), "Lab"),
            ([8, 8, 8], 6, {}, bytes(3), "YCbCr"),
            ([8, 8, 8, 8], 2, {338: (3, [0])}, bytes(4), "4 samples per pixel"),
            ([8, 8, 8, 8], 2, {338: (3, [1])}, bytes(4), "premultiplied alpha"),
            ([8, 8], 1, {338: (3, [1])}, bytes(2), "premultiplied alpha"),
            ([8], 3, {320: (3, [0x1234] * 768)}, bytes(1), "palettes of 16-bit colours"),
        ],
    )
    def test_what_pillow_would_change_is_refused(
        self, bits: list[int], photometric: int, tags: dict[int, Any], pixels: bytes, message: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiff_file(layout(1, 1, bits, photometric, tags=tags), pixels))
        # Older versions of Pillow do not know all of these.
        with pytest.raises((UnsupportedImageError, UnreadableImageError), match=f"{message}|Pillow does not know"):
            read_picture(path)

    def test_palettes_of_8_bit_colours_in_16_bits(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(tiff_file(layout(1, 1, [8], 3, tags={320: (3, [v * 257 for v in range(256)] * 3)}), b"\7"))
        assert read_picture(path)[0].palette[:6] == bytes([0, 0, 0, 1, 1, 1])


class TestRefused:
    """Nothing that Pillow would change in silence gets through."""

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"P5 1 1 1000\n\1\2", "maximum 1000"),
            (b"P6 1 1 65534\n\1\2\1\2\1\2", "maximum 65534"),
            (b"P5 1 1 65535\n\1\2\3", "behind the first"),
            (b"P2 1 1 65535\n300", "16-bit"),
            (b"P3 1 1 300\n300 1 2", "9-bit"),
            (b"P5 # comment\n1 1\n# more\n100\n\1", "maximum 100"),
            (b"P6 1 1 254\n\1\2\3", "maximum 254"),
            (b"Pf 1 1 -1.0\n\0\0\0\0", "floating-point"),
        ],
    )
    def test_pnm(self, data: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "a.pnm"
        path.write_bytes(data)
        with pytest.raises(UnsupportedImageError, match=message):
            read_picture(path)

    @pytest.mark.parametrize("data", [b"P5 1 1 255\n\7", b"P2 1 1 255\n7\n", b"P5\n#c\n1\n1\n255\n\7"])
    def test_pnm_of_8_bits(self, data: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.pnm"
        path.write_bytes(data)
        assert read_picture(path)[0].pixels.tolist() == [[[7]]]

    @pytest.mark.parametrize("suffix", [".jpg", ".tif"])
    def test_cmyk(self, suffix: str, tmp_path: Path) -> None:
        path = saved(tmp_path, Image.new("CMYK", (3, 3)), "a" + suffix)
        with pytest.raises(UnsupportedImageError, match="CMYK colour is not supported"):
            read_picture(path)

    @pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
    def test_animations(self, suffix: str, tmp_path: Path) -> None:
        frames = [Image.fromarray(noise(5, 5, seed=seed)) for seed in range(3)]
        path = saved(tmp_path, frames[0], "a" + suffix, save_all=True, append_images=frames[1:])
        with pytest.raises(UnsupportedImageError, match=r"animated images are not supported yet .*3 frames"):
            read_picture(path)

    @pytest.mark.parametrize("name", ["a.tif", "a.mpo"])
    def test_several_pictures(self, name: str, tmp_path: Path) -> None:
        frames = [Image.fromarray(noise(5, 5, seed=seed)) for seed in range(2)]
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
        with pytest.raises(UnsupportedImageError, match=r"several pictures are not supported yet .*has 2"):
            read_picture(path)

    @pytest.mark.parametrize("name", ["a.jpg", "b.gif", "c", "d.txt"])
    def test_formats_that_lose_are_not_written(self, name: str) -> None:
        picture = Picture(Mode.RGB, noise(3, 3))
        with pytest.raises(UnsupportedImageError, match=rf"without loss as {name}; use one of \.png"):
            write_picture(picture, PurePath(name))

    def test_formats_without_alpha(self) -> None:
        with pytest.raises(UnsupportedImageError, match="rgba"):
            write_picture(Picture(Mode.RGBA, noise(3, 3, 4)), PurePath("a.bmp"))

    def test_images_too_wide_for_webp(self) -> None:
        with pytest.raises(UnsupportedImageError, match=r"WEBP cannot hold this image .*use \.png"):
            write_picture(Picture(Mode.RGB, np.zeros((1, 17000, 3), np.uint8)), PurePath("a.webp"))


class TestUnreadable:
    def read(self, folder: Path, data: bytes) -> str:
        path = folder / "a.png"
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError) as caught:
            read_picture(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_no_image(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, b"") == "the file is empty"
        assert "not an image that mulanzip reads (PNG, " in self.read(tmp_path, b"Dear diary,\n" * 99)
        assert "damaged" in self.read(tmp_path, png.SIGNATURE)
        assert "already" in self.read(tmp_path, container.SIGNATURE + bytes(99))

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".ppm", ".pcx"])
    def test_truncated(self, suffix: str, tmp_path: Path) -> None:
        data = saved(tmp_path, Image.fromarray(noise(20, 20)), "b" + suffix).read_bytes()
        for length in (len(data) // 2, 30, 9):
            message = self.read(tmp_path, data[:length])
            assert "damaged" in message or "not an image" in message

    def test_damaged_pixels(self, tmp_path: Path) -> None:
        data = bytearray(png_file(20, 20, 8, 0, bytes(20 * 21)))
        data[data.index(b"IDAT") + 6] ^= 0xFF
        assert "damaged" in self.read(tmp_path, bytes(data))

    def test_promises_that_the_file_cannot_keep(self, tmp_path: Path) -> None:
        data = png_file(30000, 30000, 8, 2, bytes(99))
        tracemalloc.start()
        try:
            assert "promises 30000x30000 pixels" in self.read(tmp_path, data)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    @given(data=st.data())
    def test_damage_never_surprises(self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
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


class TestNotes:
    @pytest.mark.parametrize(
        ("name", "options", "expected"),
        [
            ("a.jpg", {}, "JPEG"),
            ("a.webp", {}, "lossy WebP"),
            ("a.webp", {"icc_profile": b"VP8L" * 9}, "lossy WebP"),
            ("a.tif", {"compression": "jpeg"}, "JPEG within TIFF"),
        ],
    )
    def test_lossy_sources(self, name: str, options: dict[str, Any], expected: str, tmp_path: Path) -> None:
        _, notes = read_picture(saved(tmp_path, Image.fromarray(smooth(30, 30)), name, **options))
        assert [note.split(":")[0] for note in notes] == [f"decoded from {expected}"]

    def test_lossless_webp(self, tmp_path: Path) -> None:
        path = saved(tmp_path, pillow_image("RGB"), "a.webp", lossless=True, icc_profile=b"VP8 " * 9)
        assert read_picture(path)[1] == []


class TestLimits:
    def test_headers_that_announce_too_much(self, tmp_path: Path) -> None:
        path = saved(tmp_path, pillow_image("RGB"), "a.bmp")
        data = bytearray(path.read_bytes())
        data[18:26] = struct.pack("<ii", 3_000_000, 2_000_000)
        path.write_bytes(data)
        tracemalloc.start()
        try:
            with pytest.raises(LimitError, match="images of 3000000x2000000 pixels are too large"):
                read_picture(path)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("size", [(1, container.MAX_SIDE + 1), (1 << 17, 1 << 17)])
    def test_more_than_the_format_holds(self, size: tuple[int, int]) -> None:
        with pytest.raises(LimitError, match="too large for the format"):
            check_size(*size)

    @pytest.mark.parametrize("size", [(0, 5), (5, 0)])
    def test_no_pixels(self, size: tuple[int, int]) -> None:
        with pytest.raises(UnsupportedImageError, match="no pixels"):
            check_size(*size)
        with pytest.raises(UnsupportedImageError, match="no pixels"):
            Picture.from_array(np.zeros((*size, 3), np.uint8))

    def test_memory_is_asked_for_before_it_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = saved(tmp_path, pillow_image("RGB", 500, 500), "a.png")
        monkeypatch.setattr(limits, "available_memory", lambda: 1 << 20)
        with pytest.raises(LimitError, match="1 MiB are available"):
            read_picture(path)

    @pytest.mark.parametrize("make", [lambda p: read_picture(p)[0], lambda p: restored(read_picture(p)[0], p.parent)])
    def test_pillows_limit_is_none(
        self, make: Callable[[Path], Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = saved(tmp_path, pillow_image("RGB"), "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert make(path).pixels.shape == (13, 17, 3)
        assert Image.MAX_IMAGE_PIXELS == 10
        picture = make(path)
        stored.restore(stored.store(picture), Kind(Mode.RGB, 8), 17, 13)
        assert Image.MAX_IMAGE_PIXELS == 10
        with pytest.raises(Image.DecompressionBombError):
            Image.open(path)

    def test_pillows_limits_come_back_after_errors(self, tmp_path: Path) -> None:
        before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters)
        path = tmp_path / "a.png"
        path.write_bytes(b"nothing")
        with pytest.raises(UnreadableImageError):
            read_picture(path)
        with pytest.raises(UnidentifiedImageError), pillow_limits.lifted():
            Image.open(path)
        assert before == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters))


class TestStoredForm:
    @pytest.mark.parametrize("mode", [Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA])
    def test_contradictions(self, mode: Mode) -> None:
        data = stored.store(Picture(Mode.RGBA, noise(5, 4, 4)))
        for wrong in ((Kind(mode, 8), 5, 4), (Kind(Mode.PALETTE, 8), 4, 5)):
            with pytest.raises(CorruptFileError, match=r"contradicts|damaged"):
                stored.restore(data, *wrong)

    def test_two_values_are_kept_small_and_are_two(self) -> None:
        kind = Kind(Mode.BILEVEL, 1)
        pixels = (smooth(90, 100, 1) > 120).astype(np.uint8).reshape(90, 100, 1)
        data = stored.store(Picture(Mode.BILEVEL, pixels))
        np.testing.assert_array_equal(stored.restore(data, kind, 100, 90)[0], pixels)
        assert len(data) < len(png.encode(Picture(Mode.BILEVEL, pixels)))
        three = stored.store(Picture(Mode.GRAY, pixels * 2))
        with pytest.raises(CorruptFileError, match=r"more than two values|contradicts"):
            stored.restore(three, kind, 100, 90)

    def test_two_values_in_every_form(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = Kind(Mode.BILEVEL, 1)
        pixels = np.kron(noise(4, 5, 1) > 99, np.ones((9, 8), dtype=bool)).astype(np.uint8)[..., None]
        monkeypatch.setattr(stored, "_jpeg_xl", lambda pixels: bytes(1 << 20))
        data = stored.store(Picture(Mode.BILEVEL, pixels))
        assert data.startswith(b"RIFF")
        np.testing.assert_array_equal(stored.restore(data, kind, 40, 36)[0], pixels)
        with pytest.raises(CorruptFileError, match="more than two values"):
            stored.restore(stored.store(Picture(Mode.GRAY, pixels * 3)), kind, 40, 36)
        monkeypatch.setattr(stored, "_webp", lambda image: bytes(1 << 20))
        data = stored.store(Picture(Mode.BILEVEL, pixels))
        assert data.startswith(png.SIGNATURE)
        np.testing.assert_array_equal(stored.restore(data, kind, 40, 36)[0], pixels)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        with pytest.raises(CorruptFileError):
            stored.restore(data, Kind(Mode.RGB, 8), 3, 3)

    def test_colours_under_no_opacity_are_kept(self) -> None:
        pixels = smooth(30, 30, 4)
        pixels[:15, :, 3] = 0
        data = stored.store(Picture(Mode.RGBA, pixels))
        np.testing.assert_array_equal(stored.restore(data, Kind(Mode.RGBA, 8), 30, 30)[0], pixels)


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
