"""Kinds of files that nothing here decodes are known, so that they are kept, and not taken for damaged ones."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from support.pictures import noise, photo

from mulanzip.errors import MulanzipError
from mulanzip.imageio.foreign import kind_of
from mulanzip.imageio.reader import read_picture
from mulanzip.keep import keep

DEEP = noise(16, 16, 1).astype(np.uint16) * 9


def jpeg(**options: bool) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo(16, 16)).save(buffer, "JPEG", comment=b"\xff\xc3 is no marker here", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("JPEG-LS", imagecodecs.jpegls_encode(DEEP)),
        ("lossless JPEG", imagecodecs.ljpeg_encode(DEEP, bitspersample=12)),
        ("12-bit JPEG", jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")),
    ],
)
def test_rare_jpeg_files_are_kept(kind: str, data: bytes) -> None:
    with pytest.raises(MulanzipError):
        read_picture(io.BytesIO(data))
    kept = keep(data)
    assert (kept.notes, kept.grade.name) == ([f"kept as it is: {kind} files are not coded by the model"], "FILE")


def test_ordinary_jpeg_files_and_others_are_not_foreign() -> None:
    for data in (jpeg(), jpeg(progressive=True)):
        assert kind_of(data) is None
        for length in range(40):
            assert kind_of(data[:length]) is None
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff\xe0\0\0\0" * 9):
        assert kind_of(data) is None
