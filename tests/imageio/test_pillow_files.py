"""Pillow's limits hold neither for files that are read nor for the stored form, and nothing of Pillow's is changed."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import GifImagePlugin, Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from support.image_files import pillow_image
from support.pictures import smooth

from mulanzip.errors import LimitError, UnreadableImageError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import ICC
from mulanzip.image.picture import Picture
from mulanzip.imageio import png, reader, stored
from mulanzip.imageio.pillow_files import open_image
from mulanzip.imageio.reader import FORMATS, read_picture
from mulanzip.limits import Limits

PROFILE = bytes(3 << 20)


def encoded(file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow_image("P" if file_format == "GIF" else "RGB").save(buffer, file_format, **options)
    return buffer.getvalue()


def gif_of_a_small_screen(disposal: int) -> bytes:
    """A GIF file whose frame is larger than its screen: Pillow checks the sizes of frames as well."""
    data = bytearray(encoded("GIF", disposal=disposal))
    data[6:10] = b"\1\0\1\0"
    return bytes(data)


#: Files in which Pillow checks limits, in ``open`` and elsewhere.
FILES = {
    "png": encoded("PNG", icc_profile=PROFILE),
    "webp": encoded("WEBP", lossless=True),
    "tiff": encoded("TIFF"),
    "lzw": encoded("TIFF", compression="tiff_lzw"),
    "gif": gif_of_a_small_screen(0),
    "gif2": gif_of_a_small_screen(2),
    "bmp": encoded("BMP"),
    "jpeg": encoded("JPEG"),
}


@pytest.fixture
def strict_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses nearly everything."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 10)


@pytest.fixture
def changes() -> Iterator[list[str]]:
    """Names of the global variables of Pillow and of ``warnings`` that are set while a test runs, by any thread."""
    found: list[str] = []

    class Watched(ModuleType):
        def __setattr__(self, name: str, value: object) -> None:
            found.append(f"{self.__name__}.{name}")
            super().__setattr__(name, value)

    Image.init()
    modules = [warnings, *(module for name, module in sys.modules.items() if name.startswith("PIL."))]
    modules = [module for module in modules if type(module) is ModuleType]
    for module in modules:
        module.__class__ = Watched
    yield found
    for module in modules:
        module.__class__ = ModuleType


@pytest.mark.usefixtures("strict_pillow")
@pytest.mark.parametrize("name", FILES)
def test_pillows_limits_do_not_hold(name: str) -> None:
    picture, _ = read_picture(io.BytesIO(FILES[name]))
    assert picture.pixels.shape[:2] == (13, 17)
    assert picture.metadata.get(ICC) == (PROFILE if name == "png" else None)
    with pytest.raises((Image.DecompressionBombError, ValueError)), Image.open(io.BytesIO(FILES[name])):
        pass


@pytest.mark.usefixtures("strict_pillow")
@pytest.mark.parametrize("form", ["_jpeg_xl", "_webp"])
def test_pillows_limits_do_not_hold_for_the_stored_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = smooth(40, 30)
    for other in {"_jpeg_xl", "_webp"} - {form}:
        monkeypatch.setattr(stored, other, lambda *_, **__: bytes(1 << 20))
    for data in (stored.store(Picture(Mode.RGB, pixels)), png.encode(Picture(Mode.RGB, pixels))):
        np.testing.assert_array_equal(stored.restore(data, Kind(Mode.RGB, 8), 30, 40)[0], pixels)


def test_our_own_limits_hold() -> None:
    for data in FILES.values():
        with pytest.raises(LimitError, match="--max-pixels"):
            read_picture(io.BytesIO(data), Limits(pixels=13 * 17 - 1))


@pytest.mark.usefixtures("strict_pillow")
def test_nothing_of_pillow_changes_while_threads_read(changes: list[str]) -> None:
    def state() -> tuple[object, ...]:
        filters = list(warnings.filters)
        loading = GifImagePlugin.LOADING_STRATEGY, ImageFile.LOAD_TRUNCATED_IMAGES
        return Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, loading, Image.OPEN.copy(), filters

    before = state()
    damaged = [data[: len(data) // 2] for data in FILES.values()]

    def read(data: bytes) -> bool:
        try:
            read_picture(io.BytesIO(data))
        except UnreadableImageError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, list(FILES.values()) * 3))
        assert not all(threads.map(read, damaged))
    assert changes == []
    assert state() == before


def test_threads_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two threads waits for the other one while its file is open."""
    both, read = threading.Barrier(2, timeout=600), reader._read

    def read_together(*arguments: Any) -> Any:
        both.wait()
        return read(*arguments)

    monkeypatch.setattr(reader, "_read", read_together)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(read_picture, (io.BytesIO(FILES["png"]), io.BytesIO(FILES["webp"])))
    np.testing.assert_array_equal(first[0].pixels, second[0].pixels)


@pytest.mark.parametrize("data", [b"", b"P", b"\n", b"nothing that Pillow knows"])
def test_files_of_other_formats(data: bytes) -> None:
    with pytest.raises(UnidentifiedImageError):
        open_image(io.BytesIO(data), FORMATS)


def test_formats_that_are_not_asked_for() -> None:
    with pytest.raises(UnidentifiedImageError):
        open_image(io.BytesIO(FILES["webp"]), ["PNG"])
    with open_image(io.BytesIO(FILES["webp"]), ["PNG", "WEBP"]) as image:
        assert image.format == "WEBP"


@pytest.mark.parametrize("name", FILES)
def test_the_file_stays_open(name: str) -> None:
    file = io.BytesIO(FILES[name])
    with open_image(file, FORMATS) as image:
        image.load()
    assert not file.closed
