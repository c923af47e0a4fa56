"""Reads the stored pixel values of DICOM files with pydicom (``pip install "mulanzip[dicom]"``)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture, check_size
from mulanzip.inflate import Outcome, inflate
from mulanzip.limits import Limits

#: Position of the signature in a file.
OFFSET = 128
SIGNATURE = b"DICM"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
#: Bytes of inflated elements in which those of the size are looked for, and maximum bytes of all but the pixels.
_FIRST, _MAX_ELEMENTS = 1 << 20, 1 << 26
#: The first bytes of JPEG, JPEG-LS and JPEG 2000 images.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_MODES = {"MONOCHROME2": Mode.GRAY, "MONOCHROME1": Mode.GRAY, "RGB": Mode.RGB, "YBR_RCT": Mode.RGB}
#: Parts of the names of the transfer syntaxes whose compression is lossy.
_LOSSY = ("JPEG Baseline", "JPEG Extended", "Near", "JPEG 2000 Image Compression", "JPEG XL Image", "MPEG", "HEVC")


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
    _check_deflated(file, limits)
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
    frames = max(frames, _streams(dataset))
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
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        promised = size[0] * size[1] * int(dataset.get("SamplesPerPixel", 1)) * allocated // 8
        if len(dataset.PixelData) < promised:
            found = f"{len(dataset.PixelData):,} bytes of pixels instead of {promised:,}"
            raise UnreadableImageError(f"the image is damaged: it has {found}")
    try:
        pixels = _words(dataset, size) if _has_other_bits(dataset, stored) else np.asarray(dataset.pixel_array)
    except Exception as error:  # pydicom raises errors of any type.
        hint = "pydicom cannot decode the pixels (pip install pylibjpeg[all] teaches it more formats)"
        # Nobody can tell damaged compressed pixels from a form that no decoder here knows.
        cause = UnsupportedImageError if dataset.file_meta.TransferSyntaxUID.is_encapsulated else UnreadableImageError
        raise cause(f"{hint}: {_first_line(error)}") from None
    return _picture(pixels, kind, size, stored), _notes(dataset, kind)


def _check_deflated(file: BinaryIO, limits: Limits) -> None:
    """Check the size of an image in a deflated file by its first elements, before all of it is inflated.

    Raises:
        UnreadableImageError, LimitError
    """
    from mulanzip.source import dicom as source

    data = file.read()
    file.seek(0)
    try:
        syntax, start = source.syntax_of(data)
    except ValueError:
        return  # pydicom says what is wrong.
    if syntax != _DEFLATED:
        return
    try:
        first = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], _FIRST)
    except zlib.error:
        raise UnreadableImageError("the DICOM file is damaged: its deflated elements cannot be inflated") from None
    rows, columns, size = source.promised_size(first)
    limits.check_pixels(rows, columns)
    limits.require(4 * size + _MAX_ELEMENTS)
    found = inflate(data[start:], size + _MAX_ELEMENTS, raw=True)
    if found.outcome is Outcome.TOO_LARGE:
        raise UnreadableImageError("the DICOM file is damaged: it inflates to much more than its image takes")


def _streams(dataset: Any) -> int:
    """Number of compressed images, which the number of frames may not state; 1 where they are not compressed."""
    from pydicom.encaps import generate_fragments

    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return 1
    try:
        _, *fragments = generate_fragments(dataset.PixelData)  # The first one is a table of offsets.
        return max(1, sum(fragment.startswith(_STARTS) for fragment in fragments))
    except Exception:  # pydicom raises errors of any type, and says what is wrong when it decodes.
        return 1


def _has_other_bits(dataset: Any, stored: int) -> bool:
    """Whether the stored bits are not the lowest ones of words of 16 bits: pydicom would shift them."""
    high = int(dataset.get("HighBit", stored - 1))
    is_plain = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    return is_plain and int(dataset.BitsAllocated) == 16 and high != stored - 1


def _words(dataset: Any, size: tuple[int, int]) -> np.ndarray:
    """The words of 16 bits as they are stored."""
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = "i" if dataset.get("PixelRepresentation", 0) else "u"
    count = size[0] * size[1] * int(dataset.get("SamplesPerPixel", 1))
    words = np.frombuffer(dataset.PixelData, f"{order}{kind}2", count)
    if int(dataset.get("PlanarConfiguration", 0)) == 1:
        return words.reshape(-1, *size).transpose(1, 2, 0)
    return words.reshape(*size, -1)


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
