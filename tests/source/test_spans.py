"""The laws of taking a file apart: it comes back whole, whatever it is; the images in it are found."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import tifffile
from fuzz.mutation import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import noise
from support.sources import MAKERS, SourceFile, lzw_of_gif, source_files

from mulanzip.image.kinds import Mode
from mulanzip.source import dicom, gif, spans, table
from mulanzip.source.holes import restore, restored_size
from mulanzip.streams import table as streams_table
from mulanzip.streams.expanded import remake

FORMATS = pytest.mark.parametrize("name", MAKERS)


def _taken(data: bytes) -> tuple[bytes, spans.Spans]:
    """The expanded file, and all images, each alone, however small."""
    file = spans.expanded(data)
    found = spans.take(file.data, spans.choose(file.data, file.images))
    assert found is not None
    return file.data, replace(found, streams=file.streams)


def _restored(found: spans.Spans) -> bytes:
    """The file, by way of the tables' bytes."""
    holes = table.unpack(table.pack(found.holes))
    data = restore(found.skeleton, holes, [picture.pixels for picture in found.pictures])
    return remake(data, streams_table.unpack(streams_table.pack(found.streams))) if found.streams else data


def _check(data: bytes) -> None:
    """The file comes back, whether images are found or not; but for streams that are written anew."""
    file = spans.expanded(data)
    images = spans.choose(file.data, file.images)
    for found in (spans.take(file.data, images), spans.take(file.data, spans.stacked(images))):
        assert (found is None) == (not images)
        if found is not None:
            restored = _restored(replace(found, streams=file.streams))
            if file.streams is None or file.streams.is_exact:
                assert restored == data
            else:
                again = spans.expanded(restored)
                assert [image.hole.layout for image in again.images] == [image.hole.layout for image in file.images]
    spans.find(data)


@FORMATS
@given(data=st.data())
def test_images_are_found_and_the_file_comes_back(name: str, data: st.DataObject) -> None:
    file: SourceFile = data.draw(source_files(name))
    data_expanded, found = _taken(file.data)
    assert [p.pixels.shape for p in found.pictures] == [image.shape for image in file.images]
    for picture, image in zip(found.pictures, file.images, strict=True):
        np.testing.assert_array_equal(picture.pixels, image)
        assert picture.pixels.dtype == image.dtype
    if found.streams is None or found.streams.is_exact:
        assert _restored(found) == file.data
    assert restored_size(len(found.skeleton), found.holes) == len(data_expanded)
    assert found.streams is None or found.streams.source_size == len(file.data)


@FORMATS
@given(data=st.data())
def test_every_byte_comes_back_when_it_changes(name: str, data: st.DataObject) -> None:
    """Change any byte, of samples or not: the file comes back, as the parser understands it or as it is."""
    file: SourceFile = data.draw(source_files(name))
    place = data.draw(st.integers(0, len(file.data) - 1))
    changed = bytearray(file.data)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    _check(bytes(changed))


@FORMATS
@given(data=st.data())
def test_a_changed_sample_changes_the_file_there_alone(name: str, data: st.DataObject) -> None:
    file: SourceFile = data.draw(source_files(name))
    before, found = _taken(file.data)
    images = [picture.pixels.copy() for picture in found.pictures]
    number = data.draw(st.integers(0, len(images) - 1))
    index = tuple(data.draw(st.integers(0, side - 1)) for side in images[number].shape)
    images[number][index] ^= 1
    changed = restore(found.skeleton, found.holes, images)
    assert len(changed) == len(before)
    differences = [a ^ b for a, b in zip(changed, before, strict=True) if a != b]
    is_absent = bool((found.holes[number].offsets < 0).any())
    assert len(differences) == 1 or (is_absent and not differences)
    assert all(bits.bit_count() == 1 for bits in differences)


@FORMATS
@settings(max_examples=50)
@given(data=st.data())
def test_broken_files_raise_nothing(name: str, data: st.DataObject) -> None:
    file: SourceFile = data.draw(source_files(name))
    seed = data.draw(st.integers(0, 1 << 32))
    _check(damaged(Random(seed), file.data, [file.data]))


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing(data: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"BM", b"P7\n", b"P5 ", b"\x93NUMPY\1\0", b"SIMPLE  =  T", b"\x08\0\5\0CS"):
        _check(start + data)


def test_small_images_stay_in_the_file() -> None:
    data = b"P5 31 33 255\n" + bytes(31 * 33)
    assert spans.find(data) is None
    assert spans.find(b"P5 32 32 255\n" + bytes(1024)) is not None


def test_small_images_become_one() -> None:
    frames = noise(7 * 30, 40, 1).reshape(7, 30, 40)
    file = io.BytesIO()
    np.save(file, frames)
    found = spans.find(file.getvalue())
    assert found is not None
    (picture,) = found.pictures
    np.testing.assert_array_equal(picture.pixels[..., 0], frames.reshape(-1, 40))
    file = io.BytesIO()
    np.save(file, np.zeros((3, 256, 256, 3), np.uint8))
    found = spans.find(file.getvalue())
    assert found is not None
    assert len(found.pictures) == 3


def test_larger_gray_images_become_slices() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((3, 256, 200), np.uint8))
    found = spans.find(file.getvalue())
    assert found is not None
    (picture,) = found.pictures
    assert picture.is_stack
    assert picture.pixels.shape == (256, 200, 3)


def test_planes_of_small_images_become_one() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for seed in range(3):
            writer.write(noise(20, 30, 3, seed).transpose(2, 0, 1), planarconfig="separate", photometric="rgb")
    found = spans.find(buffer.getvalue())
    assert found is not None
    (picture,) = found.pictures
    np.testing.assert_array_equal(picture.pixels, np.concatenate([noise(20, 30, 3, seed) for seed in range(3)]))


def test_a_file_that_does_not_come_back_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"P5 32 32 255\n" + bytes(1024)
    monkeypatch.setattr(spans, "restore", lambda *_: data + b"x")
    assert spans.find(data) is None


def test_dicom_files_without_preamble() -> None:
    """Also where a cut left a byte before the first element; other files are no DICOM files."""
    elements = b"\x08\0\5\0CS\x0a\0ISO_IR 100\x08\0\x16\0UI\6\0" + b"1.2.3\0"
    assert dicom.is_mine(elements)
    assert dicom.is_mine(b" " + elements)
    assert not dicom.is_mine(b"x" + elements)
    assert not dicom.is_mine(elements[:18])
    assert not dicom.is_mine(elements[:18] + elements)
    found = next(file for i in range(50) if (file := MAKERS["dicom"](Random(i), 40).data)[128:132] != b"DICM")
    assert spans.find(b" " + found) is not None


def _animation(frames: int, height: int, width: int) -> bytes:
    """A GIF file whose frames have one palette."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x87, 0, 0) + bytes(range(256)) * 3
    image = struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0)
    return head + b"".join(image + lzw_of_gif(Random(i), Random(i).randbytes(height * width), 8) for i in range(frames))


def test_frames_of_one_palette_are_one_image() -> None:
    found = spans.find(_animation(2, 190, 200))
    assert found is not None
    assert [picture.pixels.shape for picture in found.pictures] == [(380, 200, 1)]
    assert found.pictures[0].mode is Mode.PALETTE


def test_frames_beyond_the_budget_stay_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gif, "_MOST_PIXELS", 2000)
    found = spans.find(_animation(3, 40, 40))
    assert found is not None
    assert [picture.pixels.shape for picture in found.pictures] == [(80, 40, 1)]
