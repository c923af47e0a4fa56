"""Nothing is lost in silence: a word that is put anywhere outside of the samples comes back, or its loss is named."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import photo
from support.sources import MAKERS

from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.options import Grade

PIXELS = photo(24, 48)


def _saved(file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(PIXELS)
    (image.quantize(16) if file_format == "GIF" else image).save(buffer, file_format, **options)
    return buffer.getvalue()


def _png_chunk(word: bytes, kind: bytes) -> bytes:
    data = _saved("PNG")
    chunk = len(word).to_bytes(4, "big") + kind + word + zlib.crc32(kind + word).to_bytes(4, "big")
    place = 33 if kind != b"laTe" else len(data) - 12
    return data[:place] + chunk + data[place:]


def _jpeg_segment(word: bytes, marker: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([marker]) + struct.pack(">H", len(word) + 2) + word + _saved("JPEG")[2:]


def _gif_extension(word: bytes) -> bytes:
    data = _saved("GIF")
    return data[:-1] + b"!\xff\x0bunknown 1.0" + bytes([len(word)]) + word + b"\0;"


def _webp_chunk(word: bytes, **options: Any) -> bytes:
    data = _saved("WEBP", **options) + b"wOrd" + struct.pack("<I", len(word)) + word + b"\0" * (len(word) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _tiff_tag(word: bytes, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tags = [(50001, "s", 0, word.decode(), True)]
    tifffile.imwrite(buffer, PIXELS, photometric="rgb", extratags=tags, **options)
    return buffer.getvalue()


def _tiff_page(word: bytes) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(PIXELS, photometric="rgb", metadata=None)
        writer.write(PIXELS[::-1], photometric="rgb", metadata=None, description=word.decode())
    return buffer.getvalue()


def _pnm_comment(word: bytes) -> bytes:
    return b"P6\n# " + word + b"\n48 24\n255\n" + PIXELS.tobytes()


def _bmp_gap(word: bytes) -> bytes:
    data = _saved("BMP")
    start = int.from_bytes(data[10:14], "little")
    return data[:10] + struct.pack("<I", start + len(word)) + data[14:start] + word + data[start:]


#: Sources with a word in them.
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "png private chunk": lambda word: _png_chunk(word, b"pRVT"),
    "png chunk that may be copied": lambda word: _png_chunk(word, b"pRVt"),
    "png chunk behind the pixels": lambda word: _png_chunk(word, b"laTe"),
    "png text": lambda word: _png_chunk(b"Comment\0" + word, b"tEXt"),
    "png end": lambda word: _saved("PNG") + word,
    "jpeg comment": lambda word: _jpeg_segment(word, 0xFE),
    "jpeg segment": lambda word: _jpeg_segment(word, 0xEB),
    "jpeg end": lambda word: _saved("JPEG") + word,
    "gif extension": _gif_extension,
    "gif end": lambda word: _saved("GIF") + word,
    "webp chunk": lambda word: _webp_chunk(word, lossless=True),
    "lossy webp chunk": _webp_chunk,
    "tiff tag": _tiff_tag,
    "tiff lzw tag": lambda word: _tiff_tag(word, compression="lzw"),
    "tiff page": _tiff_page,
    "tiff end": lambda word: _saved("TIFF") + word,
    "ppm comment": _pnm_comment,
    "bmp gap": _bmp_gap,
    "tga end": lambda word: _saved("TGA") + word,
    "pcx end": lambda word: _saved("PCX") + word,
}


def there_and_back(data: bytes, **options: Any) -> tuple[bytes, Grade, list[str]]:
    """The restored file, its grade, and what was lost."""
    file, restored = io.BytesIO(), io.BytesIO()
    result = compress_file(io.BytesIO(data), file, effort=1, threads=1, verify=False, **options)
    assert result.grade is not None
    file.seek(0)
    decompress_file(file, restored, threads=1)
    return restored.getvalue(), result.grade, result.lost


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=2)
@given(st.integers(0, 2**60).map(lambda number: b"w0rd" + str(number).encode()))
def test_a_word_comes_back(place: str, word: bytes) -> None:
    data = PLACES[place](word)
    assert word in data
    restored, grade, lost = there_and_back(data)
    assert word in restored
    assert not lost
    assert grade >= Grade.CONTENT
    if grade is Grade.FILE:
        assert restored == data


@pytest.mark.parametrize("place", ["jpeg segment", "webp chunk", "tiff end", "bmp gap"])
def test_what_is_asked_for_is_said(place: str) -> None:
    """Where pixels are asked for, not the file, its grade and a note say that other things may be lost."""
    file = io.BytesIO()
    result = compress_file(io.BytesIO(PLACES[place](b"w0rd")), file, effort=1, threads=1, pixels=True)
    assert result.grade is Grade.SAMPLES
    assert "only pixels and known metadata are kept, as asked" in result.notes


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=2)
@given(data=st.data())
def test_any_changed_byte_comes_back(name: str, data: st.DataObject) -> None:
    file = bytearray(MAKERS[name](Random(data.draw(st.integers(0, 99)))).data)
    place = data.draw(st.integers(0, len(file) - 1))
    file[place] ^= 1 << data.draw(st.integers(0, 7))
    restored, grade, lost = there_and_back(bytes(file), everything=True)
    assert (restored, grade, lost) == (bytes(file), Grade.FILE, [])


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_changed_sample_comes_back(file_format: str) -> None:
    changed = PIXELS.copy()
    changed[5, 6, 1] ^= 1
    buffer = io.BytesIO()
    Image.fromarray(changed).save(buffer, file_format)
    restored = there_and_back(buffer.getvalue())[0]
    assert Image.open(io.BytesIO(restored)).tobytes() == changed.tobytes()
