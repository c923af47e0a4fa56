"""DICOM files: stored pixel values are read as they are."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from support.image_files import read
from support.pictures import deep, noise

from mulanzip.errors import LimitError, MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.limits import Limits


def dicom(pixels: np.ndarray, **elements: Any) -> bytes:
    pydicom = pytest.importorskip("pydicom", reason="needs pip install mulanzip[dicom]")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    dataset = FileDataset("a.dcm", {}, file_meta=meta, preamble=bytes(128))
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def test_stored_values() -> None:
    for pixels in (deep(8, 10), deep(8, 10).astype(np.int16) - 1024, deep(8, 10, 3), noise(8, 10)):
        elements = {"RescaleSlope": 2, "RescaleIntercept": -1000} if pixels.ndim == 2 else {}
        picture = read(dicom(pixels, **elements))
        assert picture.lost == ("all DICOM elements but the pixels",)
        np.testing.assert_array_equal(picture.to_array(), pixels)
        assert picture.pixels.dtype == pixels.dtype
    assert read(dicom(deep(8, 10), BitsStored=12, HighBit=11)).depth == 12


def test_what_is_refused() -> None:
    pixels = deep(8, 10)
    for elements, message in (
        ({"NumberOfFrames": 2}, "several frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"BitsAllocated": 32}, "32 bits"),
        ({"Rows": 9}, "160 bytes of pixels instead of 180"),
    ):
        with pytest.raises((UnsupportedImageError, UnreadableImageError), match=message):
            read(dicom(pixels, **elements))
    data = dicom(pixels)
    for length in range(132, len(data), 37):
        with pytest.raises(MulanzipError):
            read(data[:length])


def test_bits_that_are_not_the_lowest_ones_stay_where_they_are() -> None:
    words = deep(8, 10) << 4
    picture = read(dicom(words, BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(picture.to_array(), words)


def test_deflated_files_are_checked_before_they_are_inflated() -> None:
    pydicom = pytest.importorskip("pydicom", reason="needs pip install mulanzip[dicom]")
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.zeros((3000, 3000), np.uint8))))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    assert len(data) < 20_000
    assert read(data).pixels.shape == (3000, 3000, 1)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="3000x3000"):
            read(data, Limits(pixels=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_frames_that_nobody_counted_are_refused() -> None:
    pydicom = pytest.importorskip("pydicom", reason="needs pip install mulanzip[dicom]")
    import imagecodecs
    from pydicom.encaps import encapsulate

    frame = bytes(imagecodecs.jpeg2k_encode(deep(8, 10), codecformat="j2k", reversible=True))
    frame += bytes(len(frame) % 2)
    for frames, message in ((1, None), (3, "several frames are not supported yet")):
        dataset = pydicom.dcmread(io.BytesIO(dicom(deep(8, 10))))
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        dataset.PixelData = encapsulate([frame] * frames)
        dataset["PixelData"].VR = "OB"
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        if message is None:
            with contextlib.suppress(UnreadableImageError):  # Without a decoder of JPEG 2000.
                read(buffer.getvalue())
        else:
            with pytest.raises(UnsupportedImageError, match=message):
                read(buffer.getvalue())
