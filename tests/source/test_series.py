"""Folders of single files as tar archives: their images are coded given each other, and every byte comes back."""

from __future__ import annotations

import io
import struct
import tarfile

import numpy as np
import pytest
from support.pictures import deep

import mulanzip
from mulanzip import keep, picture_decoder
from mulanzip.format import container
from mulanzip.format.container import IMAGE, STACK
from mulanzip.options import EncodeOptions
from mulanzip.source import dicom, spans, tar

FAST = EncodeOptions(effort=1)
SIDES = (128, 130)
NOISE = np.random.default_rng(3)
#: Slices in their places.
VOLUME = [(deep(*SIDES, bits=12) // 2 + NOISE.integers(0, 30, SIDES) + 5 * i).astype(np.uint16) for i in range(4)]


def dicom_file(pixels: np.ndarray, series: str, instance: int, across: float | None) -> bytes:
    def element(group: int, number: int, kind: str, value: bytes) -> bytes:
        value += b" " * (len(value) % 2)
        length = struct.pack("<HI", 0, len(value)) if kind == "OW" else struct.pack("<H", len(value))
        return struct.pack("<HH", group, number) + kind.encode() + length + value

    def short(number: int, value: int) -> bytes:
        return element(0x28, number, "US", struct.pack("<H", value))

    place = b"" if across is None else element(0x20, 0x32, "DS", f"-12.5\\{across}\\7".encode())
    axes = b"" if across is None else element(0x20, 0x37, "DS", b"1\\0\\0\\0\\0\\-1")
    body = element(2, 0x10, "UI", b"1.2.840.10008.1.2.1") + element(0x10, 0x10, "PN", b"Somebody")
    body += element(0x20, 0xE, "UI", series.encode()) + element(0x20, 0x13, "IS", str(instance).encode()) + place + axes
    body += short(2, 1) + element(0x28, 4, "CS", b"MONOCHROME2") + short(0x10, SIDES[0]) + short(0x11, SIDES[1])
    body += short(0x100, 16) + short(0x101, 16) + short(0x102, 15) + short(0x103, 0)
    return bytes(128) + b"DICM" + body + element(0x7FE0, 0x10, "OW", pixels.astype("<u2").tobytes())


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def files_by(place: str) -> dict[str, bytes]:
    """Two series, their slices not in order, with a text between them."""
    found = {"a/readme.txt": b"any words"}
    for i in (2, 0, 3, 1):
        instance, across = (i, None) if place == "number" else (9 - 2 * i, 3.5 * i)
        found[f"a/{(7 * i) % 4}.dcm"] = dicom_file(VOLUME[i], "1.2.3", instance, across)
    found["b/other.dcm"] = dicom_file(VOLUME[0][::-1], "1.2.4", 1, 0.0)
    return found


@pytest.mark.parametrize("place", ["number", "position"])
def test_slices_of_a_series_are_a_stack_in_their_order(place: str) -> None:
    files = files_by(place)
    source = archive_of(files)
    found = spans.find(source)
    assert found is not None
    seen = [np.moveaxis(picture.pixels, 2, 0) for picture in found.pictures]
    np.testing.assert_array_equal(np.concatenate(seen), [*VOLUME, VOLUME[0][::-1]])
    file = keep.keep(source, encoding=FAST).file
    assert container.unpack(file.of_kind(IMAGE)[0]).of_kind(STACK)
    np.testing.assert_array_equal(mulanzip.decode(file.pack(), index=3), VOLUME[3])
    restored = picture_decoder.restore_file(file)
    assert restored == source
    with tarfile.open(fileobj=io.BytesIO(restored)) as archive:
        assert {member.name: archive.extractfile(member).read() for member in archive} == files  # type: ignore[union-attr]
    assert file.size < sum(keep.keep(data, encoding=FAST).file.size for name, data in files.items() if "dcm" in name)


def test_what_a_file_does_not_say_of_its_place() -> None:
    assert dicom.place_in_series(dicom_file(VOLUME[0], "1.2", 5, None)) == (b"1.2 ", 0, 5)
    assert dicom.place_in_series(dicom_file(VOLUME[0], "1.22", 5, 2.5)) == (b"1.22", 2.5, 5)
    assert dicom.place_in_series(b"") == (b"", 0, 0)


@pytest.mark.parametrize("cut", [300, 512 + 9, 3000])
def test_damaged_archives_come_back(cut: int) -> None:
    data = archive_of(files_by("number"))
    assert len(list(tar.members(data))) == 6
    for damaged in (data[:cut], data[:-cut] + b"x" * cut, data[:130] + b"9" * 9 + data[139:]):
        spans.find(damaged)
        file = keep.keep(damaged, keep.Keeping(everything=True), FAST).file
        assert picture_decoder.restore_file(file) == damaged
