"""Pillow's plugin, functions in the manner of imagecodecs, and the desktop's file type."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from support.pictures import deep, photo, smooth
from support.processes import run_python

import mulanzip
from mulanzip import limits, picture_encoder
from mulanzip.cli.main import main
from mulanzip.clients import pillow
from mulanzip.clients.imagecodecs import mzp_check, mzp_decode, mzp_encode, mzp_version
from mulanzip.clients.pillow import MIME_TYPE, MzpImageFile, MzpModeError, MzpReadError
from mulanzip.errors import CorruptFileError, LimitError, ModelError, MulanzipError
from mulanzip.format.container import HEADER_SIZE, SIGNATURE, Chunk, Container, unpack
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio.png_original import original
from mulanzip.options import EncodeOptions, Execution, Grade

EXIF = Image.Exif()
EXIF[274] = 6


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    """Pillow knows the format in these tests, and as before after them."""
    Image.init()  # Else the restored tables would lack formats, which Pillow would not load again.
    tables = (Image.ID, Image.OPEN, Image.SAVE, Image.EXTENSION, Image.MIME)
    before = [table.copy() for table in tables]
    mulanzip.register_pillow()
    yield
    for table, old in zip(tables, before, strict=True):
        table.clear()
        table.extend(old) if isinstance(table, list) else table.update(old)


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "MZP", **options)
    return buffer.getvalue()


def opened(data: bytes) -> MzpImageFile:
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, MzpImageFile)
    return image


class TestPillow:
    def test_files_are_saved_and_opened(self, tmp_path: Path) -> None:
        pixels = photo(40, 50)
        Image.fromarray(pixels).save(tmp_path / "a.mzp", effort=3, model="photo", threads=1)
        with Image.open(tmp_path / "a.mzp") as image:
            assert (image.format, image.mode, image.size) == ("MZP", "RGB", (50, 40))
            assert image.get_format_mimetype() == "image/x-mulanzip"
            np.testing.assert_array_equal(np.asarray(image), pixels)
        np.testing.assert_array_equal(mulanzip.decode((tmp_path / "a.mzp").read_bytes()), pixels)
        assert (tmp_path / "a.mzp").read_bytes() == mulanzip.encode(pixels)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_every_mode_comes_back(self, mode: str) -> None:
        image = Image.fromarray(smooth(30, 31, 4)).convert(mode)
        copy = opened(saved(image))
        assert copy.mode == mode
        assert copy.tobytes() == image.tobytes()
        assert copy.getpalette() == image.getpalette()
        assert copy.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()
        assert copy.crop((3, 4, 9, 9)).tobytes() == image.crop((3, 4, 9, 9)).tobytes()

    @pytest.mark.slow
    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])
    @pytest.mark.parametrize("loaded", [False, True])
    @pytest.mark.parametrize("mode", ["1", "LA", "P", "RGB", "I;16"])
    def test_copies_and_pickles_are_the_same_image(self, mode: str, loaded: bool, duplicate: Any) -> None:
        source = Image.fromarray(deep(9, 12)) if mode == "I;16" else Image.fromarray(smooth(9, 12, 4)).convert(mode)
        source.info["Title"] = "words"
        image = opened(saved(source))
        if loaded:
            image.load()
        twin = duplicate(image)
        assert (twin.mode, twin.size, twin.info) == (mode, (12, 9), image.info)
        assert np.asarray(twin).tobytes() == np.asarray(source).tobytes()
        assert twin.getpalette() == source.getpalette()
        if isinstance(twin, MzpImageFile):
            assert twin.text == {"Title": "words"}
        with twin:
            assert saved(twin) == saved(source)

    @pytest.mark.slow
    def test_opening_decodes_nothing(self, tmp_path: Path) -> None:
        Image.fromarray(photo(30, 40)).save(tmp_path / "a.mzp", icc_profile=b"profile")
        done = run_python(
            "-c",
            "import sys, mulanzip, PIL.Image as I\n"
            "assert 'MZP' not in I.OPEN\n"
            "mulanzip.register_pillow(); mulanzip.register_pillow()\n"
            f"image = I.open({str(tmp_path / 'a.mzp')!r})\n"
            "print(image.size, image.mode, image.info, 'torch' in sys.modules, I.ID.count('MZP'))\n"
            "image.verify()\n"
            "print('torch' in sys.modules)",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "(40, 30) RGB {'icc_profile': b'profile'} False 1\nFalse\n"

    def test_opening_reads_only_the_front(self) -> None:
        data = saved(Image.fromarray(photo(30, 40)), xmp=b"<x/>")
        front = data[: len(data) - 200]
        image = opened(front)
        assert (image.size, image.info) == ((40, 30), {"xmp": b"<x/>"})
        with pytest.raises(OSError, match="truncated"):
            image.load()

    def test_metadata_go_both_ways(self) -> None:
        image = Image.fromarray(smooth(9, 12))
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Title", "grün")
        texts.add_itxt("Titel", "日本", "ja", "Titel")
        first = opened(
            saved(image, exif=EXIF, icc_profile=b"profile", xmp=b"<x/>", dpi=(72.5, 96), pnginfo=texts, quality=3)
        )
        assert first.info == {
            "Title": "grün",
            "Titel": "日本",
            "exif": EXIF.tobytes(),
            "icc_profile": b"profile",
            "xmp": b"<x/>",
            "dpi": (72.5, 96.0),
        }
        assert first.text == {"Title": "grün", "Titel": "日本"}
        assert first.getexif()[274] == 6
        second = opened(saved(first))
        assert second.info == first.info
        assert second.text["Titel"].lang == "ja"  # type: ignore[attr-defined]
        assert opened(saved(first.copy())).info == first.info
        bare = opened(saved(first, exif=None, icc_profile=None, xmp=None, dpi=None, pnginfo=PngImagePlugin.PngInfo()))
        assert bare.info.keys() <= {"Title", "Titel"}

    def test_files_and_pillow_agree_on_metadata(self, tmp_path: Path) -> None:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Title", "words")
        source = tmp_path / "a.png"
        Image.fromarray(smooth(9, 12)).save(source, pnginfo=texts, exif=EXIF, icc_profile=b"profile", dpi=(72, 72))
        output = mulanzip.compress_file(source).output
        with Image.open(source) as expected, Image.open(output) as found:
            expected.load()
            assert found.info == expected.info
            # Pillow's client does not see the file that the pixels come from.
            file = unpack(output.read_bytes())
            chunks = tuple(chunk for chunk in file.chunks if chunk.kind != original.KIND)
            header = replace(file.header, grade=Grade.SAMPLES)  # It saves an array, and no file.
            assert saved(expected) == Container(header, chunks).pack()

    @pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.bmp", "tiny.tif"])
    def test_files_that_are_kept_are_images(self, name: str, tmp_path: Path) -> None:
        pixels = smooth(9, 12) if name == "tiny.tif" else smooth(40, 50)
        Image.fromarray(pixels).save(tmp_path / name, dpi=(72, 72))
        output = mulanzip.compress_file(tmp_path / name, effort=1).output
        with Image.open(tmp_path / name) as expected, Image.open(output) as found:
            assert (found.size, found.mode) == (expected.size, "RGB")
            assert found.info["dpi"] == pytest.approx((72, 72), abs=0.1)
            assert found.tobytes() == expected.tobytes()

    @pytest.mark.parametrize(
        ("mode", "value"), [("P", 3), ("P", b"\x00\x80\xff"), ("L", 7), ("1", 255), ("RGB", (1, 2, 3)), ("RGBA", 3)]
    )
    def test_transparency(self, mode: str, value: object) -> None:
        image = Image.fromarray(smooth(9, 12)).convert(mode)
        image.info["transparency"] = value
        copy = opened(saved(image))
        if mode == "RGBA":  # It has no such thing; a conversion left it behind.
            assert copy.info == {}
        else:
            assert copy.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()

    @pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "I", "I;16B", "F", "PA", "La", "RGBa", "RGBX"])
    def test_other_modes_are_value_errors_and_leave_no_file(self, mode: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="convert to one of L, LA, RGB, RGBA, P, 1") as caught:
            Image.new(mode, (5, 5)).save(tmp_path / "a.mzp")
        assert isinstance(caught.value, MulanzipError)
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_be_saved_is_an_error(self, tmp_path: Path) -> None:
        image = Image.fromarray(smooth(9, 9))
        for options in ({"effort": 99}, {"schedule": "no"}, {"exif": "text"}, {"icc_profile": 1.5}):
            with pytest.raises(ValueError):  # noqa: PT011
                image.save(tmp_path / "a.mzp", **options)
        with pytest.raises(MzpModeError, match="no pixels"):
            Image.new("RGB", (0, 5)).save(tmp_path / "a.mzp")
        with pytest.raises(ModelError):
            image.save(tmp_path / "a.mzp", model="nosuch")
        assert list(tmp_path.iterdir()) == []

    def test_a_flip_anywhere_is_an_os_error(self) -> None:
        data = saved(Image.fromarray(smooth(16, 16)), icc_profile=b"profile", stored=False, threads=1)
        for position in range(len(data)):
            damaged = bytearray(data)
            damaged[position] ^= 0x10
            with pytest.raises(OSError) as caught, Image.open(io.BytesIO(damaged)) as image:  # noqa: PT011
                image.load()
            assert isinstance(caught.value, UnidentifiedImageError if position < len(SIGNATURE) else MzpReadError)
            assert str(caught.value)

    @pytest.mark.parametrize("length", [8, 16, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 4, HEADER_SIZE + 12])
    def test_truncation_is_an_os_error(self, length: int) -> None:
        data = saved(Image.fromarray(smooth(16, 16)), icc_profile=b"profile" * 9)
        with pytest.raises(MzpReadError):
            opened(data[:length])

    def test_a_failed_decoding_can_be_tried_again(self) -> None:
        data = saved(Image.fromarray(smooth(16, 16)))
        image = opened(data[:-1])
        for _ in range(2):
            with pytest.raises(MzpReadError) as caught:
                image.load()
            assert isinstance(caught.value.__cause__, CorruptFileError)

    def test_verify_checks_without_decoding(self) -> None:
        data = saved(Image.fromarray(smooth(16, 16)))
        image = opened(data)
        image.verify()
        with pytest.raises(RuntimeError, match="directly after open"):
            image.verify()
        with pytest.raises(MzpReadError, match="truncated"):
            opened(data[:-1]).verify()

    def test_damaged_metadata_that_checksums_do_not_show(self) -> None:
        file = unpack(saved(Image.fromarray(smooth(16, 16)), icc_profile=b"profile"))
        chunks = (Chunk(b"iccp", b"no zlib"), *file.chunks[1:])
        with pytest.raises(MzpReadError, match="iccp is damaged"):
            opened(Container(file.header, chunks).pack())
        gamma = {b"pngc": b"\0\0\0\1gAMA\0"}
        with pytest.raises(MzpReadError, match="metadata are damaged"):
            opened(picture_encoder.encode_picture(Picture(Mode.RGB, smooth(9, 9), b"", gamma)).pack())

    def test_limits_of_pixels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = saved(Image.fromarray(smooth(16, 16)))
        mulanzip.register_pillow(limits=mulanzip.Limits(pixels=255))
        image = opened(data)
        assert image.size == (16, 16)
        with pytest.raises(MzpReadError, match=r"16x16 pixels is larger than register_pillow\(limits"):
            image.load()
        mulanzip.register_pillow(limits=mulanzip.Limits())
        opened(data).load()
        mulanzip.register_pillow()
        assert MzpImageFile.limits == pillow.LIMITS
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(Image.DecompressionBombError):
            opened(data)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        monkeypatch.setattr(limits, "available_memory", lambda: 1)
        with pytest.raises(MzpReadError, match="MiB") as caught:
            opened(data).load()
        assert isinstance(caught.value.__cause__, LimitError)


class TestImagecodecs:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_there_and_back(self, channels: int) -> None:
        image = smooth(20, 21, channels)
        data = mzp_encode(image, effort=3, numthreads=1)
        assert mzp_check(data)
        assert mzp_check(memoryview(data)[:8])
        np.testing.assert_array_equal(mzp_decode(memoryview(data), numthreads=1), image)
        np.testing.assert_array_equal(mzp_decode(bytearray(data), scale=2), image[::2, ::2])
        out = np.zeros_like(image)
        assert mzp_decode(data, out=out) is out
        np.testing.assert_array_equal(out, image)
        for wrong in (np.zeros((20, 22, channels), np.uint8), np.zeros_like(image, dtype=np.uint16)):
            with pytest.raises(ValueError, match="the image is uint8 of shape"):
                mzp_decode(data, out=wrong)

    def test_check_and_version(self) -> None:
        assert not mzp_check(b"")
        assert not mzp_check(b"\x89PNG\r\n\x1a\n")
        assert mzp_version() == f"mulanzip {mulanzip.__version__}"


def test_defaults_are_those_of_the_library() -> None:
    names = {"numthreads": "threads"}
    library = vars(EncodeOptions()) | vars(Execution()) | {"scale": 1, "out": None}
    for function in (mzp_encode, mzp_decode):
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and (function, name) != (mzp_decode, "model"):
                assert parameter.default == library[names.get(name, name)], name


def test_the_desktop_knows_files_by_their_signature() -> None:
    text = (resources.files("mulanzip.clients") / "mulanzip-mime.xml").read_text(encoding="utf-8")
    space = "{http://www.freedesktop.org/standards/shared-mime-info}"
    (kind,) = ElementTree.fromstring(text)
    assert kind.get("type") == MIME_TYPE
    (match,) = kind.iter(f"{space}match")
    assert (match.get("type"), match.get("offset")) == ("string", "0")
    assert str(match.get("value")).encode().decode("unicode_escape").encode("latin-1") == SIGNATURE
    (glob,) = kind.iter(f"{space}glob")
    assert (glob.get("pattern"), int(str(glob.get("weight"))) < 50) == ("*.mzp", True)


def test_the_thumbnailer_runs_a_command_that_makes_small_pictures(tmp_path: Path) -> None:
    entry = ConfigParser(interpolation=None)
    entry.read_string((resources.files("mulanzip.clients") / "mulanzip.thumbnailer").read_text(encoding="utf-8"))
    (section,) = entry.sections()
    assert section == "Thumbnailer Entry"
    assert entry[section]["MimeType"] == f"{MIME_TYPE};"
    source, thumbnail = tmp_path / "photo.mzp", tmp_path / "thumbnail.png"
    array = photo(40, 48)
    source.write_bytes(mulanzip.encode(array, effort=1))
    places = {"%i": str(source), "%o": str(thumbnail)}
    program, *arguments = [places.get(word, word) for word in entry[section]["Exec"].split()]
    assert program == "mulanzip"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.asarray(Image.open(thumbnail)), array[::8, ::8])
