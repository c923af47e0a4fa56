"""Image files -> pictures.  Images that Pillow would change without a warning are refused."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from mulanzip.errors import CompressedError, LimitError, MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.image.metadata import EXIF, RESOLUTION
from mulanzip.image.picture import Picture, check_size
from mulanzip.imageio import bmp_rle, dicom, metadata, numpy_file, png, pnm, second_reader, tiff
from mulanzip.imageio.lossy import lossy_format
from mulanzip.imageio.pillow_files import open_image
from mulanzip.imageio.pillow_image import MODES, from_pillow
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.streams import gzip_member

#: Formats of which Pillow reads images of up to 8 bits per sample exactly.
FORMATS = ("PNG", "WEBP", "TIFF", "BMP", "DIB", "PPM", "GIF", "TGA", "PCX", "JPEG")
_NAMES = "png webp tif tiff bmp dib ppm pgm pbm pnm pam gif tga pcx jpg jpeg dcm"
#: Usual suffixes of image files.  ``.npy`` is left out: most arrays in files are not images.
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
#: Bytes at the start of a file that suffice to recognize its format.
_START = 1 << 10
#: Maximum number of bytes of samples that one byte of a file can encode, by format and Pillow's decoder.
_MAX_RATIOS = {("PNG", "zip"): 1032, ("PPM", "raw"): 1, ("BMP", "raw"): 1, ("TGA", "raw"): 1}
_SIGNATURES = (*tiff.SIGNATURES, b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")
_REASONS = {
    "CMYK": "CMYK colour is",
    "YCbCr": "YCbCr colour is",
    "LAB": "Lab colour is",
    "F": "floating-point samples are",
    "PA": "a palette with a separate alpha channel is",
    "La": "premultiplied alpha is",
    "RGBa": "premultiplied alpha is",
}


def read_picture(source: str | os.PathLike[str] | BinaryIO, limits: Limits = NO_LIMITS) -> tuple[Picture, list[str]]:
    """Read an image file.

    Args:
        source: a path, or an open file that can seek.
        limits: pixels and memory that the image may take.

    Returns:
        the picture, and notes for the user, a sentence each.

    Raises:
        UnreadableImageError: if the file is not an image, or is damaged.
        UnsupportedImageError: if the image cannot be kept exactly, or is too large for the format.
        LimitError: if it is too large for the limits, or the available memory.
        OSError: if the file cannot be opened or read.
    """
    with open(source, "rb") if isinstance(source, str | os.PathLike) else nullcontext(source) as file:
        start = file.read(_START)
        if not start:
            raise UnreadableImageError("the file is empty")
        if start.startswith(container.SIGNATURE):
            raise CompressedError("this is a .mzp file already; mulanzip decompress restores it")
        if start.startswith(container.ARCHIVE_SIGNATURE):
            raise CompressedError("this is an archive of mulanzip; mulanzip unpack restores its images")
        file.seek(0)
        if gzip_member.is_mine(start):
            return read_picture(io.BytesIO(_content(file.read(), limits)), limits)
        try:
            if pnm.is_ours(start):
                return pnm.read(file, limits), []
            if start.startswith(numpy_file.SIGNATURE):
                return numpy_file.read(file, limits), []
            if dicom.is_dicom(start):
                return dicom.read(file, limits)
            if start.startswith(tiff.SIGNATURES) and tiff.is_beyond_pillow(file):
                return _read_tiff_samples(file, limits)
            return (_read_png if start.startswith(png.SIGNATURE) else _read_by_pillow)(file, limits)
        except MulanzipError:
            raise
        except UnidentifiedImageError:
            raise UnreadableImageError(_why_not(start)) from None
        except MemoryError:
            raise LimitError("not enough memory to read the image") from None
        except Exception as error:  # Pillow and other libraries raise errors of any type.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise UnreadableImageError(f"the image is damaged: {error}") from None


def _content(data: bytes, limits: Limits) -> bytes:
    """The content of a gzip file.

    Raises:
        UnreadableImageError: if it is damaged, or no image.
        LimitError: if there is not enough memory.
    """
    from mulanzip.source import spans  # Only now: parsers of many formats take time.

    if not spans.is_image(gzip_member.head(data, spans.HEAD)):
        raise UnreadableImageError(_why_not(data[:_START]))
    content = b"".join(one.content for one in gzip_member.members(data, limits))
    if not content or gzip_member.is_mine(content):
        raise UnreadableImageError("the gzip file is damaged, or has another one in it")
    return content


def count_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes of the samples of an image file, from its header alone; 0 if that cannot be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(_START)
            file.seek(0)
            if start.startswith(numpy_file.SIGNATURE):
                shape, dtype = numpy_file.header(file)
                return int(np.prod(shape, dtype=object)) * dtype.itemsize
            if pnm.is_ours(start) or dicom.is_dicom(start):
                return file.seek(0, io.SEEK_END)
            if start.startswith(tiff.SIGNATURES):
                return tiff.count_bytes(file)
            with open_image(file, FORMATS) as image:
                depth = _bits_per_sample(image, file)
                return image.width * image.height * len(image.getbands()) * (2 if depth > 8 else 1)
    except Exception:  # Pillow and other libraries raise errors of any type.
        return 0


def _why_not(start: bytes) -> str:
    """The reason why Pillow cannot identify a file that starts with these bytes."""
    if start.startswith(_SIGNATURES):
        return "the image is damaged, or of a kind that is not known here"
    if gzip_member.is_mine(start):
        return "no image that is known here is in this gzip file"
    known = ", ".join(f for f in (*FORMATS, "PAM", "NPY", "DICOM", "FITS", "NIfTI") if f != "DIB")
    return f"not an image that mulanzip reads ({known})"


def _read_png(file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    """Where metadata are damaged, the pixels alone are read: Pillow refuses such files, and other readers show them."""
    try:
        return _read_by_pillow(file, limits)
    except (MulanzipError, MemoryError):
        raise
    except Exception as error:  # Pillow raises errors of any type.
        file.seek(0)
        source = file.read()
        if png.ANIMATION in source:
            raise
        try:
            picture, notes = _read_by_pillow(io.BytesIO(png.bare(source)), limits)
        except (MulanzipError, MemoryError):
            raise
        except Exception:  # It is not the metadata that are damaged.
            raise error from None
        return replace(picture, lost=(*picture.lost, "all metadata, as some are damaged")), notes


def _read_by_pillow(file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    with open_image(file, FORMATS) as image:
        return _read(image, file, limits)


def _read(image: Image.Image, file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    limits.check_pixels(image.height, image.width)
    _refuse_inexact(image, file)
    check_size(image.height, image.width)
    _require_data(image, file)
    limits.require(_bytes_to_read(image))
    notes = []
    lossy = lossy_format(image, file)
    if lossy:
        notes.append(f"decoded from {lossy}: the result keeps these pixels, and is usually larger than the original")
    if image.format == "PNG" and png.bit_depth(file) > 8:
        image.load()  # Pillow reads the metadata behind the pixels then.
        return _read_deep_png(image, file), notes
    if image.format in ("BMP", "DIB") and _decoder(image) == "bmp_rle":
        return _read_bmp_rle(image, file), notes
    if image.format != "TIFF":
        image.load()
        return from_pillow(image, *metadata.collect(image, file)), notes
    # Before loading, which turns the image upright and removes its orientation.
    turned = tiff.orientation(image)
    found, lost = _with_tags(file, *metadata.collect(image, file))
    image.load()
    picture = from_pillow(tiff.as_stored(image, turned), found, lost)
    if tiff.compression(file) in second_reader.COMPRESSIONS:
        file.seek(0)
        second_reader.check_tiff(file.read(), 0, picture.pixels)
    return picture, notes


def _with_tags(file: BinaryIO, found: dict[bytes, bytes], lost: Iterable[str]) -> tuple[dict[bytes, bytes], list[str]]:
    """``found`` and ``lost`` with the descriptive tags of a TIFF file."""
    lost = list(lost)
    try:
        tags = tiff.read_tags(file)
    except ValueError:
        tags = tiff.Tags(b"", [], False)
        lost.append("TIFF tags, which are damaged")
    if tags.exif:
        found[EXIF] = tags.exif
    if not tags.has_resolution:
        found.pop(RESOLUTION, None)
    if tags.dropped:
        lost.append(f"TIFF tags {', '.join(map(str, tags.dropped))}")
    return found, lost


def _read_tiff_samples(file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    from mulanzip.imageio import tiff_samples

    picture, notes = tiff_samples.read(file, limits)
    found, lost = _with_tags(file, picture.metadata, picture.lost)
    return replace(picture, metadata=found, lost=tuple(lost)), notes


def _read_deep_png(image: Image.Image, file: BinaryIO) -> Picture:
    """The picture of a PNG file of 16 bits per sample, of which Pillow drops 8."""
    import imagecodecs

    found, lost = metadata.collect(image, file)
    file.seek(0)
    pixels = np.asarray(imagecodecs.png_decode(png.bare(file.read())))
    if pixels.dtype != np.uint16 or pixels.shape[:2] != (image.height, image.width):
        raise UnreadableImageError("the image is damaged: its header contradicts its pixels")
    picture = Picture.from_array(pixels)
    return replace(picture, metadata=found, lost=tuple(lost))


def _read_bmp_rle(image: Image.Image, file: BinaryIO) -> Picture:
    """The picture of a BMP file of run-length codes."""
    found, lost = metadata.collect(image, file)
    tile = image.tile[0]  # type: ignore[attr-defined]
    file.seek(tile[2])
    indices = bmp_rle.decode(file.read(), image.height, image.width, 4 if tile[3][1] else 8)
    decoded = Image.frombytes(image.mode, image.size, indices.tobytes())
    if image.palette is not None:
        mode, colours = image.palette.getdata()
        decoded.putpalette(colours, mode)
    return from_pillow(decoded, found, lost)


def _decoder(image: Image.Image) -> str:
    """Pillow's name of the decoder of the pixels."""
    return str(image.tile[0][0]) if image.tile else ""  # type: ignore[attr-defined]


def _refuse_inexact(image: Image.Image, file: BinaryIO) -> None:
    """Raises UnsupportedImageError if Pillow would not read the image exactly."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in ("TIFF", "MPO"):
        raise UnsupportedImageError(f"files of several pictures are not supported yet (this one has {frames})")
    if frames > 1:
        raise UnsupportedImageError(f"animated images are not supported yet (this one has {frames} frames)")
    depth = _bits_per_sample(image, file)
    if depth > 8 and image.format == "PNG":
        return
    if depth > 8:
        raise UnsupportedImageError(f"{depth}-bit samples are not supported yet (8 bits at most)")
    if image.mode not in MODES:
        reason = _REASONS.get(image.mode, f"Pillow's mode {image.mode} is")
        raise UnsupportedImageError(f"{reason} not supported yet")
    if image.format == "TIFF":
        tiff.refuse_inexact(image, file)
    if image.format == "PPM" and _pnm_maximum(image) < 255:
        raise UnsupportedImageError(f"PNM files of maximum {_pnm_maximum(image)} are not supported yet (255 is)")


def _bits_per_sample(image: Image.Image, file: BinaryIO) -> int:
    """Bits per sample in the file.  Pillow may return fewer."""
    if image.format == "PNG":
        return png.bit_depth(file)
    if image.format == "PPM" and _pnm_maximum(image) > 255:
        return _pnm_maximum(image).bit_length()
    return 16 if image.mode.startswith("I") else 8


def _pnm_maximum(image: Image.Image) -> int:
    """The maximum sample value of a PNM file.  Pillow rescales samples so that it becomes 255."""
    arguments = image.tile[0][3]  # type: ignore[attr-defined]
    return int(arguments[1]) if isinstance(arguments, tuple) and image.mode != "F" else 255


def _require_data(image: Image.Image, file: BinaryIO) -> None:
    """Raises UnreadableImageError if the file is too small for the image size in its header."""
    ratio = _MAX_RATIOS.get((str(image.format), _decoder(image)))
    least_bits = image.height * image.width * (1 if len(image.getbands()) == 1 else 16)
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    if ratio is not None and least_bits > 8 * ratio * size:
        raise UnreadableImageError(
            f"the image is damaged: its header promises {image.width}x{image.height} pixels, the file is too small"
        )


def _bytes_to_read(image: Image.Image) -> int:
    """Estimate of the memory that reading takes, in bytes."""
    channels = len(image.getbands())
    # Pillow takes 4 bytes for pixels of several channels; the array, the stored form and its check take copies.
    size = 2 if image.format == "PNG" and image.mode.startswith("I") else 1
    return image.height * image.width * size * (4 * channels + (4 if channels > 1 else 1))
