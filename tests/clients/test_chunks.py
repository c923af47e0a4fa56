"""Chunks of any number of axes and any type of numbers come back with every bit."""

from __future__ import annotations

import zlib
from functools import cache

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import deep, noise, smooth

import mulanzip
from mulanzip.clients import arrays, chunks
from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import STACK
from mulanzip.options import EncodeOptions

FAST = EncodeOptions(effort=1)
TYPES = "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"
#: Bytes that a chunk may take beyond Zstandard: signature, checksum, type, shape, method.
FEW = 40


def same(restored: np.ndarray, chunk: np.ndarray) -> bool:
    """Whether the bits are those of the chunk, in a type of the same bytes."""
    return restored.tobytes() == chunk.tobytes() and restored.dtype == chunk.dtype


@st.composite
def any_chunk(draw: st.DrawFn) -> np.ndarray:
    """Bits of all kinds: NaNs with payloads, both zeros, steps, gaps, constants."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=5)))
    dtype = np.dtype(draw(st.sampled_from("<>")) + draw(st.sampled_from(TYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    size = int(np.prod(shape)) * dtype.itemsize
    if dtype.kind == "b":
        return rng.integers(0, draw(st.integers(1, 2)), shape).astype(bool)
    if draw(st.booleans()):
        return np.frombuffer(rng.bytes(size), dtype).reshape(shape)
    step, start = draw(st.sampled_from((1, 2, 0.25, 0.1, 300))), draw(st.sampled_from((0, -7, 100)))
    with np.errstate(all="ignore"):
        return (start + step * rng.integers(0, draw(st.integers(1, 200)), shape)).astype(dtype)


@given(any_chunk())
@settings(max_examples=200)
def test_every_chunk_comes_back(chunk: np.ndarray) -> None:
    data = chunks.encode(chunk, FAST)
    assert same(chunks.decode(data), chunk)
    assert len(data) <= len(imagecodecs.zstd_encode(chunk.tobytes())) + FEW


LARGER = {
    "labels": (smooth(60, 70, 1) // 30).astype("u4") * 70001,
    "heights": deep(60, 70).reshape(60, 70).astype("i4") - 40000,
    "whole floats": smooth(60, 70, 1).astype("f4"),
    "scaled floats": (smooth(60, 70, 1) * 0.37).astype("f8"),
    "real floats": np.random.default_rng(2).normal(0, 1, (60, 70)).cumsum(1).astype("f4"),
    "half floats": (smooth(60, 70, 1) + np.random.default_rng(2).normal(0, 1, (60, 70))).astype("f2"),
    "signed bytes": (smooth(60, 70, 1).astype("i2") - 128).astype("i1"),
    "other order": smooth(60, 70, 1).astype(">u2") * 9,
    "frames of colours": np.stack([smooth(20, 30, 3), noise(20, 30, 3)]),
    "six axes": smooth(60, 70, 1).reshape(1, 2, 1, 3, 10, 70),
}


@pytest.mark.parametrize("name", LARGER)
def test_larger_chunks_come_back_and_are_smaller_than_by_zstandard(name: str) -> None:
    chunk = LARGER[name]
    data = chunks.encode(chunk, FAST)
    assert same(chunks.decode(data), chunk)
    assert len(data) < len(imagecodecs.zstd_encode(chunk.tobytes(), level=19))


def test_floats_that_come_from_integers_take_no_more_than_these() -> None:
    image = smooth(60, 70, 1).astype("u2") * 3
    plain = len(chunks.encode(image, FAST))
    listed = len(np.unique(image))
    assert len(chunks.encode(image.astype("f4"), FAST)) < plain + 100
    assert len(chunks.encode((image * 0.1).astype("f4"), FAST)) < plain + 100 + 4 * listed


def test_bits_of_nan_and_zero_are_kept() -> None:
    bits = np.array(
        [[0x7FC00000, 0xFFC12345, 0x7FA00001], [0, 0x80000000, 0x7F800000], [1, 0x80000001, 0x3F800000]], "u4"
    )
    for chunk in (np.tile(bits, (10, 10)).view("f4"), np.tile(bits, (10, 10)).view("f4").astype(">f4")):
        assert same(chunks.decode(chunks.encode(chunk, FAST)), chunk)


def test_frames_are_slices_of_a_stack() -> None:
    volume = np.stack([deep(128, 130, bits=12).reshape(128, 130) + i for i in range(3)]).astype("u2")
    for chunk in (volume, volume.reshape(1, 3, 1, 128, 130)):
        data = chunks.encode(chunk, FAST)
        assert container.unpack(data).of_kind(STACK)
        np.testing.assert_array_equal(mulanzip.decode(data, index=1), volume[1])
        assert same(chunks.decode(data), chunk)


def test_long_stacks_are_several() -> None:
    slices = np.random.default_rng(0).integers(0, 4, (257, 1, 1), dtype=np.uint8) + smooth(128, 128, 1)[None] // 2
    pictures = arrays.pictures_of(slices)
    assert [picture.bands for picture in pictures] == [255, 2]
    joined = np.concatenate([picture.to_array().reshape(-1) for picture in pictures])
    assert joined.tobytes() == slices.tobytes()


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((20, 30), (1, 20, 30, 1)),
        ((20, 30, 4), (1, 20, 30, 4)),
        ((20, 30, 5), (20, 30, 5, 1)),
        ((7, 20, 30), (7, 20, 30, 1)),
        ((7, 20, 30, 3), (7, 20, 30, 3)),
        ((2, 7, 20, 30), (14, 20, 30, 1)),
        ((30,), None),
        ((), None),
        ((5, 0, 3), None),
    ],
)
def test_axes_are_read_as_the_jpegxl_codec_of_zarr_reads_them(
    shape: tuple[int, ...], frames: tuple[int, int, int, int] | None
) -> None:
    assert arrays.frames_of(shape) == frames


@pytest.mark.parametrize("chunk", [np.array(["a"]), np.array([None]), np.zeros(3, "M8[s]"), np.zeros(2, [("a", "u1")])])
def test_other_types_are_refused(chunk: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError, match="are not supported; use numbers"):
        chunks.encode(chunk)


@pytest.mark.parametrize("name", LARGER)
def test_damage_is_noticed(name: str) -> None:
    data = bytearray(chunks.encode(LARGER[name], FAST))
    for place in range(0, len(data), 97):
        data[place] ^= 4
        with pytest.raises(CorruptFileError):
            chunks.decode(bytes(data))
        data[place] ^= 4
    with pytest.raises(CorruptFileError):
        chunks.decode(bytes(data[:-1]))


@given(st.data())
@settings(max_examples=150)
def test_chunks_behind_a_right_checksum_may_be_anything(data: st.DataObject) -> None:
    """They give an array or an error of mulanzip."""
    name = data.draw(st.sampled_from(["half floats", "scaled floats", "real floats", "whole floats", "labels"]))
    body = bytearray(_coded()[name])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, min(len(body) - 1, 60)))] = data.draw(st.integers(0, 255))
    chunk = chunks.SIGNATURE + zlib.crc32(body).to_bytes(4, "little") + bytes(body)
    try:
        chunks.decode(chunk)
    except mulanzip.MulanzipError:
        return


@cache
def _coded() -> dict[str, bytes]:
    """Without signature and checksum."""
    return {name: chunks.encode(chunk[:8, :9], FAST)[8:] for name, chunk in LARGER.items()}
