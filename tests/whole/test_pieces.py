"""Files in pieces: any file comes back, JPEG files take less, sizes are checked before memory is taken."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.pictures import photo

from mulanzip.errors import CorruptFileError, LimitError
from mulanzip.format import container
from mulanzip.format.container import DATA, JPEG, Chunk
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import Grade
from mulanzip.whole import jpeg, pieces


def saved(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def exif() -> Image.Exif:
    found = Image.Exif()
    found[315] = "nobody"
    return found


#: What encoders do.
OPTIONS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "restarts": {"restart_marker_blocks": 3},
    "optimised": {"optimize": True, "quality": 60},
    "exif": {"exif": exif(), "icc_profile": b"no real profile" * 9, "comment": b"no zero"},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_files_come_back(name: str, channels: int) -> None:
    data = saved(photo(150, 170, channels).squeeze(), **OPTIONS[name])
    file = pieces.pack(data, NO_LIMITS)
    assert [chunk.kind for chunk in file.chunks] == [JPEG]
    assert (file.header.width, file.header.height) == (170, 150)
    assert file.header.grade is Grade.FILE
    assert pieces.unpack(container.unpack(file.pack()), NO_LIMITS) == data
    assert file.size < len(data)
    assert jpeg.scan(data) == (len(data), jpeg.Frame(150, 170, channels))


def test_jpeg_files_behind_others_take_less() -> None:
    first, second = saved(photo(150, 140)), saved(photo(200, 210))
    data = first + b"between" + second + b"a video"
    file = pieces.pack(data, NO_LIMITS)
    assert [chunk.kind for chunk in file.chunks] == [JPEG, DATA, JPEG, DATA]
    assert pieces.unpack(file, NO_LIMITS) == data


@pytest.mark.parametrize("cut", [3, 30, 500, -2])
def test_cut_jpeg_files_come_back(cut: int) -> None:
    data = saved(photo(40, 50))[:cut]
    assert pieces.unpack(pieces.pack(data, NO_LIMITS), NO_LIMITS) == data


@given(st.binary(max_size=200) | st.binary(max_size=99).map(lambda data: b"\xff\xd8\xff" + data))
def test_any_bytes_come_back(data: bytes) -> None:
    file = container.unpack(pieces.pack(data, NO_LIMITS).pack())
    assert pieces.unpack(file, NO_LIMITS) == data
    assert file.size <= len(data) + 84


def test_another_hash_is_damage() -> None:
    file = pieces.pack(b"some bytes", NO_LIMITS)
    with pytest.raises(CorruptFileError, match="hash"):
        pieces.unpack(replace(file, header=replace(file.header, pixel_hash=bytes(16))), NO_LIMITS)


def test_sizes_are_checked_first() -> None:
    data = saved(photo(120, 130))
    file = pieces.pack(data, NO_LIMITS)
    with pytest.raises(LimitError):
        pieces.unpack(file, Limits(pixels=120 * 130 - 1))
    with pytest.raises(LimitError):
        pieces.unpack(file, Limits(memory=1 << 14))
    with pytest.raises(LimitError):
        pieces.unpack(pieces.pack(bytes(1 << 20), NO_LIMITS), Limits(memory=1 << 19))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (150, 170), (256, 256), (300, 400), (1, 700), (513, 2)])
def test_the_size_of_a_jpeg_xl_image_is_read(size: tuple[int, int]) -> None:
    payload = jpeg.pack(saved(np.full((*size, 3), 99, np.uint8), quality=100, comment=b"." * 500), NO_LIMITS)
    assert payload is not None
    assert jpeg.image_size(jpeg._read(payload)[1]) == size


@given(st.integers(0, 5000), st.integers(0, 7))
def test_damaged_jpeg_xl_is_an_error(place: int, bit: int) -> None:
    payload = bytearray(_PAYLOAD)
    payload[place % len(payload)] ^= 1 << bit
    file = replace(_FILE, chunks=(Chunk(JPEG, bytes(payload)),))
    try:
        data = pieces.unpack(file, Limits(pixels=1 << 20, memory=1 << 30))
    except (CorruptFileError, LimitError):
        return
    assert data == _SOURCE


_SOURCE = saved(photo(60, 70))
_FILE = pieces.pack(_SOURCE, NO_LIMITS)
_PAYLOAD = _FILE.chunks[0].payload
