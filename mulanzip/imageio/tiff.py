"""TIFF files that Pillow reads: their descriptive tags, and which ones Pillow would not read exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from mulanzip.errors import UnsupportedImageError
from mulanzip.imageio import tiff_tags

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Pillow's names of lossy compressions.
LOSSY = ("jpeg", "tiff_jpeg", "webp")

_PHOTOMETRIC, _ORIENTATION, _COLORMAP, _EXTRA_SAMPLES = 262, 274, 320, 338
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT, _RESOLUTION = 258, 277, 339, 282
_WIDTH, _HEIGHT = 256, 257
_LAYOUT_TAGS = (_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _SAMPLES_PER_PIXEL, _PHOTOMETRIC, _EXTRA_SAMPLES)
_BLACK_IS_ZERO, _YCBCR, _PREMULTIPLIED, _ALPHA = 1, 6, 1, 2
_SIGNED = 2
_FORMATS = {2: "signed samples", 3: "floating-point samples", 5: "complex samples", 6: "complex samples"}


@dataclass(frozen=True)
class Tags:
    """Metadata of a TIFF file.

    Attributes:
        exif: its descriptive tags as an EXIF block, empty if there are none.
        dropped: numbers of the tags that are lost.
        has_resolution: whether the file has a resolution.  Pillow invents one for files without.
    """

    exif: bytes
    dropped: list[int]
    has_resolution: bool


def is_beyond_pillow(file: BinaryIO) -> bool:
    """Whether the file is for :mod:`mulanzip.imageio.tiff_samples`: more than 8 bits, bands, or several gray pages.

    Raises:
        UnsupportedImageError: if samples are not integers of up to 16 bits.
    """
    try:
        directory = tiff_tags.read(file, _LAYOUT_TAGS)
    except ValueError:
        return False  # Pillow says what is wrong.
    depth = max(directory.numbers(_BITS_PER_SAMPLE), default=1)
    for form in directory.numbers(_SAMPLE_FORMAT):
        if form in _FORMATS and (form != _SIGNED or depth != 16):
            raise UnsupportedImageError(f"{depth}-bit {_FORMATS[form]} are not supported")
    if depth > 16:
        raise UnsupportedImageError(f"{depth}-bit samples are not supported (16 bits at most)")
    samples = max(directory.numbers(_SAMPLES_PER_PIXEL), default=1)
    is_gray = directory.numbers(_PHOTOMETRIC) == (_BLACK_IS_ZERO,)
    has_alpha = directory.numbers(_EXTRA_SAMPLES) == (_ALPHA,)
    if depth > 8 or samples > 4 or (is_gray and samples > 1 and not (samples == 2 and has_alpha)):
        return True
    return depth == 8 and directory.has_next


def count_bytes(file: BinaryIO) -> int:
    """Bytes of the first picture's samples.

    Raises:
        ValueError: if the tags are damaged.
    """
    directory = tiff_tags.read(file, (_WIDTH, _HEIGHT, *_LAYOUT_TAGS))
    (width, *_), (height, *_) = directory.numbers(_WIDTH), directory.numbers(_HEIGHT)
    samples = max(directory.numbers(_SAMPLES_PER_PIXEL), default=1)
    return width * height * samples * (2 if max(directory.numbers(_BITS_PER_SAMPLE), default=1) > 8 else 1)


def refuse_inexact(image: Image.Image, file: BinaryIO) -> None:
    """Check that Pillow neither converts nor drops anything.

    Raises:
        UnsupportedImageError: if it would.
        ValueError: if the tags are damaged.
    """
    directory = tiff_tags.read(file, (_PHOTOMETRIC, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES, _COLORMAP))
    if image.mode == "RGBA" and _PREMULTIPLIED in directory.numbers(_EXTRA_SAMPLES):
        raise UnsupportedImageError("premultiplied alpha is not supported yet")
    samples = max(directory.numbers(_SAMPLES_PER_PIXEL), default=1)
    if samples > len(image.getbands()):
        raise UnsupportedImageError(f"{samples} samples per pixel are not supported yet for {image.mode} images")
    is_converted = image.mode == "RGB" and image.info.get("compression") not in LOSSY
    if is_converted and _YCBCR in directory.numbers(_PHOTOMETRIC):
        raise UnsupportedImageError("YCbCr colour is not supported yet")
    # Pillow keeps the high byte of a colour, which loses nothing if the low byte is 0 or equal to it.
    if image.mode == "P" and any(v & 255 not in (0, v >> 8) for v in directory.numbers(_COLORMAP)):
        raise UnsupportedImageError("palettes of 16-bit colours are not supported yet")


def read_tags(file: BinaryIO) -> Tags:
    """The metadata in the file's tags.

    Raises:
        ValueError: if the tags are damaged.
    """
    directory = tiff_tags.read(file)
    kept = {tag: entry for tag, entry in directory.entries.items() if tag in tiff_tags.DESCRIPTIVE}
    return Tags(
        exif=tiff_tags.to_block(tiff_tags.Directory(directory.order, kept)) if kept else b"",
        dropped=sorted(set(directory.entries) - tiff_tags.DESCRIPTIVE - tiff_tags.STRUCTURAL),
        has_resolution=_RESOLUTION in directory.entries,
    )


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, from the file's tag or its XMP, that Pillow will turn the image by when it loads it."""
    return int(image.getexif().get(_ORIENTATION, 1))


def as_stored(image: Image.Image, turned: int) -> Image.Image:
    """Undo the turn that Pillow makes when it loads a TIFF file of orientation ``turned``."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return image.transpose(undo[turned]) if turned in undo else image
