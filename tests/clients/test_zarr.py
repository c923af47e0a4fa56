"""Arrays of zarr whose chunks are images: both formats, and the codec of numcodecs by itself."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pictures import deep, noise, smooth

from mulanzip.errors import CorruptFileError, MulanzipError, UnsupportedImageError
from mulanzip.options import EncodeOptions

numcodecs = pytest.importorskip("numcodecs", reason="needs pip install mulanzip[zarr]")
zarr = pytest.importorskip("zarr", minversion="3", reason="needs zarr 3")

from mulanzip.clients.numcodecs import Mulanzip  # noqa: E402
from mulanzip.clients.zarr import MulanzipCodec  # noqa: E402

#: Shapes of an array and of its chunks, some of which end beyond the array.
SHAPES = {
    "gray": ((30, 41), (16, 20)),
    "colours": ((30, 20, 3), (16, 20, 3)),
    "stack": ((3, 20, 21), (1, 20, 21)),
    "stack of colours": ((2, 20, 10, 3), (1, 10, 10, 3)),
    "five axes": ((1, 2, 1, 12, 10), (1, 1, 1, 12, 10)),
    "row of colours": ((4, 30, 3), (1, 30, 3)),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Warnings of zarr are not ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="zarr")
        yield


def pixels(shape: tuple[int, ...]) -> np.ndarray:
    return noise(int(np.prod(shape)), 1, 1).reshape(shape)


def create(path: Path, array: np.ndarray, chunks: tuple[int, ...], version: int, **options: Any) -> Any:
    if version == 3:
        codec = {"serializer": MulanzipCodec(), "compressors": None}
    else:
        codec = {"compressors": Mulanzip(), "filters": None}
    return zarr.create_array(path, data=array, chunks=chunks, zarr_format=version, **codec, **options)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_arrays_are_written_and_read(name: str, version: int, tmp_path: Path) -> None:
    shape, chunks = SHAPES[name]
    array = pixels(shape)
    create(tmp_path / "a", array, chunks, version)
    opened = zarr.open_array(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(opened[...], array)
    assert opened.dtype == np.uint8
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file() and not path.name.startswith((".", "zarr"))]
    assert files
    assert all(path.read_bytes().startswith((b"\x8aMLZ", b"\x8aMLC")) for path in files)


@pytest.mark.parametrize("version", [2, 3])
def test_parts_are_written_and_read(version: int, tmp_path: Path) -> None:
    array = pixels((30, 40))
    opened = create(tmp_path / "a", array, (16, 16), version, order="C")
    opened[5:20, 7:9] = array[5:20, 7:9] = 9
    np.testing.assert_array_equal(opened[3:21, 5:33], array[3:21, 5:33])


@pytest.mark.parametrize("version", [2, 3])
def test_bilevel_arrays(version: int, tmp_path: Path) -> None:
    array = pixels((20, 30)) > 99
    create(tmp_path / "a", array, (20, 30), version)
    restored = zarr.open_array(tmp_path / "a", mode="r")[...]
    assert restored.dtype == np.bool_
    np.testing.assert_array_equal(restored, array)


def test_order_of_memory_is_kept_in_format_2(tmp_path: Path) -> None:
    array = np.asfortranarray(pixels((20, 31)))
    create(tmp_path / "a", array, (20, 31), 2, order="F")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], array)


def test_the_array_says_which_codec_it_needs(tmp_path: Path) -> None:
    array = smooth(10, 10)
    create(tmp_path / "2", array, (10, 10, 3), 2)
    described = json.loads((tmp_path / "2" / ".zarray").read_text())
    assert described["compressor"] == {"id": "mulanzip", "model": "auto", "effort": 3}
    create(tmp_path / "3", array, (10, 10, 3), 3)
    described = json.loads((tmp_path / "3" / "zarr.json").read_text())
    expected = {"name": "mulanzip", "configuration": {"model": "auto", "effort": 3}}
    assert described["codecs"] == [expected]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shape", [(4, 20, 20), (10, 20, 5), (100,), (2, 3, 4, 5), ()])
def test_arrays_of_any_rank(shape: tuple[int, ...], version: int, tmp_path: Path) -> None:
    array = pixels(shape)
    create(tmp_path / "a", array, shape, version)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], array)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["i1", "<u4", "<i4", "<f2", "<f4", "<f8", ">u2", ">f4", "<c8"])
def test_arrays_of_any_type(dtype: str, version: int, tmp_path: Path) -> None:
    array = (pixels((20, 30)) * np.float64(0.5) - 30).astype(dtype)
    create(tmp_path / "a", array, (16, 20), version)
    found = zarr.open_array(tmp_path / "a", mode="r")[...]
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_samples_of_other_types_are_refused(tmp_path: Path) -> None:
    array = np.zeros((10, 10), dtype="M8[s]")
    for version in (2, 3):
        with pytest.raises(UnsupportedImageError, match="datetime64"):
            create(tmp_path / str(version), array, array.shape, version)
    assert not (tmp_path / "3" / "zarr.json").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_damaged_chunks_are_noticed(version: int, tmp_path: Path) -> None:
    create(tmp_path / "a", smooth(20, 20), (20, 20, 3), version)
    (chunk,) = (p for p in (tmp_path / "a").rglob("*") if p.is_file() and p.name.startswith("0"))
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(CorruptFileError):
        zarr.open_array(tmp_path / "a", mode="r")[...]


@pytest.mark.parametrize("other", [smooth(20, 19), smooth(20, 20).astype("u2"), smooth(20, 20).astype("f4")])
def test_a_chunk_of_another_array_is_noticed(other: np.ndarray, tmp_path: Path) -> None:
    create(tmp_path / "a", smooth(20, 20), (20, 20, 3), 3)
    (chunk,) = (p for p in (tmp_path / "a").rglob("*") if p.is_file() and p.name.startswith("0"))
    chunk.write_bytes(Mulanzip().encode(other))
    with pytest.raises(CorruptFileError, match=r"no chunk of shape|is in an array of uint8"):
        zarr.open_array(tmp_path / "a", mode="r")[...]


# numcodecs alone.


def test_the_codec_is_in_the_registry() -> None:
    codec = numcodecs.get_codec({"id": "mulanzip", "effort": 3})
    assert codec == Mulanzip(effort=3)
    assert numcodecs.get_codec(json.loads(json.dumps(codec.get_config()))) == codec


@pytest.mark.parametrize("codec", [Mulanzip, MulanzipCodec])
def test_defaults_are_those_of_the_library(codec: Any) -> None:
    assert (codec().model, codec().effort) == (EncodeOptions.model, EncodeOptions.effort)


def test_decoding_into_a_buffer() -> None:
    image, codec = smooth(12, 10), Mulanzip()
    data = codec.encode(image)
    for out in (np.zeros_like(image), np.zeros((1, 12, 30), dtype=np.uint8), bytearray(360)):
        assert codec.decode(memoryview(data), out) is out
        assert bytes(out) == image.tobytes()
    for size in (359, 361, 720):
        with pytest.raises(CorruptFileError, match="no chunk of shape"):
            codec.decode(data, bytearray(size))
    with pytest.raises(ValueError, match="read-only"):
        codec.decode(data, bytes(360))
    with pytest.raises(ValueError, match="contiguous"):
        codec.decode(data, np.zeros((12, 20, 3), dtype=np.uint8)[:, ::2])


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 2), (5, 6, 4), (1, 5, 6), (1, 5, 3), (1, 1, 1, 1, 5, 6)])
def test_every_chunk_that_is_an_image_comes_back(shape: tuple[int, ...]) -> None:
    chunk = pixels(shape)
    assert Mulanzip().decode(Mulanzip().encode(chunk)).tobytes() == chunk.tobytes()


def test_errors_are_mulanzips(tmp_path: Path) -> None:
    with pytest.raises(MulanzipError):
        Mulanzip().decode(b"nothing")
    with pytest.raises(MulanzipError, match="no model 'nosuch'"):
        Mulanzip(model="nosuch").encode(smooth(9, 9))
    with pytest.raises(NotImplementedError):
        MulanzipCodec().compute_encoded_size(9, None)


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["<u2", "<i2"])
def test_deep_arrays_are_written_and_read(dtype: str, version: int, tmp_path: Path) -> None:
    array = (deep(30, 41, bits=14).astype(np.int32) - 900).astype(dtype)
    create(tmp_path / "a", array, (16, 20), version)
    found = zarr.open_array(tmp_path / "a", mode="r")[:]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_chunks_of_the_other_byte_order_come_back_in_it() -> None:
    chunk = deep(5, 5).astype(">u2")
    assert Mulanzip().decode(Mulanzip().encode(chunk)).tobytes() == chunk.tobytes()
