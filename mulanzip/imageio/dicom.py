"""Reads the stored pixel values of DICOM files with pydicom (``pip install "mulanzip[dicom]"``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture, check_size
from mulanzip.limits import Limits

#: Position of the signature in a file.
OFFSET = 128
SIGNATURE = b"DICM"
_MODES = {"MONOCHROME2": Mode.GRAY, "MONOCHROME1": Mode.GRAY, "RGB": Mode.RGB, "YBR_RCT": Mode.RGB}
#: Parts of the names of the transfer syntaxes whose compression is lossy.
_LOSSY = ("JPEG Baseline", "JPEG Extended", "Near", "JPEG 2000 Image Compression", "JPEG XL Image", "MPEG", "HEVC")


#: Bytes at the start of a file that suffice to recognize it.
START = OFFSET + len(SIGNATURE)


def is_dicom(start: bytes) -> bool:
    """Whether ``start``, the first bytes of a file, are those of a DICOM file."""
    return start[OFFSET : OFFSET + len(SIGNATURE)] == SIGNATURE


def read(file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    """The picture and notes on it.  All elements but the pixels are lost.

    Raises:
        UnreadableImageError, UnsupportedImageError, LimitError
    """
    try:
        import pydicom
    except ImportError:
        raise UnsupportedImageError('DICOM files need pydicom: pip install "mulanzip[dicom]"') from None
    return _read(pydicom.dcmread, file, limits)


def _read(dcmread: Callable[[BinaryIO], Any], file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    try:
        dataset = dcmread(file)
        kind = dataset.get("PhotometricInterpretation")
        size = (int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0)))
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        allocated, signed = int(dataset.get("BitsAllocated", 0)), bool(dataset.get("PixelRepresentation", 0))
        stored = int(dataset.get("BitsStored", allocated))
    except Exception as error:  # pydicom raises errors of any type.
        raise UnreadableImageError(f"the DICOM file is damaged: {_first_line(error)}") from None
    if "PixelData" not in dataset:
        raise UnsupportedImageError("the DICOM file has no pixels of integers")
    if frames != 1:
        raise UnsupportedImageError(f"DICOM files of several frames are not supported yet (this one has {frames})")
    if kind not in _MODES:
        raise UnsupportedImageError(f"DICOM images of {kind} are not supported yet ({', '.join(_MODES)} are)")
    if allocated not in (8, 16) or (signed and (allocated, _MODES[kind]) != (16, Mode.GRAY)):
        sign = "signed " if signed else ""
        raise UnsupportedImageError(f"DICOM images of {allocated} {sign}bits for a sample are not supported yet")
    check_size(*size)
    limits.check_pixels(*size)
    limits.require(4 * size[0] * size[1] * allocated // 8 * (3 if _MODES[kind] is Mode.RGB else 1))
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:  # pydicom raises errors of any type.
        hint = "pydicom cannot decode the pixels (pip install pylibjpeg[all] teaches it more formats)"
        raise UnreadableImageError(f"{hint}: {_first_line(error)}") from None
    return _picture(pixels, kind, size, stored), _notes(dataset, kind)


def _picture(pixels: np.ndarray, kind: str, size: tuple[int, int], stored: int) -> Picture:
    mode = _MODES[kind]
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype not in (np.uint8, np.uint16, np.int16) or pixels.shape[:2] != size:
        raise UnsupportedImageError(f"DICOM pixels of type {pixels.dtype} and shape {pixels.shape} are not supported")
    # The bits above the stored ones may hold overlays.
    bits = stored if 8 < stored < 16 and pixels.min() >= 0 and int(pixels.max()) >> stored == 0 else 16
    lost = ("all DICOM elements but the pixels",)
    return Picture(mode, np.ascontiguousarray(pixels.reshape(*size, -1)), b"", {}, lost, bits=bits)


def _notes(dataset: Any, kind: str) -> list[str]:
    name = dataset.file_meta.TransferSyntaxUID.name
    notes = []
    if any(part in name for part in _LOSSY) and "Lossless" not in name:
        notes.append(f"decoded from {name}: the result keeps these pixels, and is usually larger than the original")
    if kind == "MONOCHROME1":
        notes.append("small values are bright in this image (MONOCHROME1): kept as they are")
    return notes


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
