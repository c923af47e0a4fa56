"""TIFF files that Pillow reads: their descriptive tags, and which ones Pillow would not read exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from mulanzip.errors import UnsupportedImageError
from mulanzip.imageio import tiff_tags

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Pillow's names of lossy compressions.
LOSSY = ("jpeg", "tiff_jpeg")
#: Numbers of the compressions that every Pillow reads, though not all variants of them.
_OF_PILLOW = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000))

_COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _COLORMAP, _EXTRA_SAMPLES = 259, 262, 274, 320, 338
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT, _RESOLUTION = 258, 277, 339, 282
_WIDTH, _HEIGHT, _TILE_WIDTH, _FILL_ORDER, _DEPTH = 256, 257, 322, 266, 32997
_RESOLUTION_UNIT, _SUB_DIRECTORIES = 296, 330
#: Offsets and sizes of strips and tiles.
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 273, 279, 324, 325
_LAYOUT_TAGS = (_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _SAMPLES_PER_PIXEL, _PHOTOMETRIC, _EXTRA_SAMPLES, _COLORMAP)
_BLOCK_TAGS = (_TILE_WIDTH, _FILL_ORDER, _STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PREMULTIPLIED, _ALPHA = 1, 2
_BIG_BIG_ENDIAN = b"MM\0+"
_PER_INCH, _REVERSED = 2, 2
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
    """Whether the file is for :mod:`mulanzip.imageio.tiff_samples`: Pillow would refuse, change or misread it.

    Pillow reads 1 and 8 bits per sample of the usual kinds, where all strips or tiles are in the file.

    Raises:
        UnsupportedImageError: if samples are not integers of up to 16 bits, or compressed in a way that is not known.
    """
    try:
        directory = tiff_tags.read(file, (*_LAYOUT_TAGS, *_BLOCK_TAGS, _DEPTH, _COMPRESSION))
    except ValueError:
        return False  # Pillow says what is wrong.
    if max(directory.numbers(_DEPTH), default=1) > 1:
        raise UnsupportedImageError("TIFF files with an ImageDepth, which are volumes, are not supported yet")
    depth = max(directory.numbers(_BITS_PER_SAMPLE), default=1)
    for form in directory.numbers(_SAMPLE_FORMAT):
        if form in _FORMATS and (form != _SIGNED or depth != 16):
            raise UnsupportedImageError(f"{depth}-bit {_FORMATS[form]} are not supported")
    if depth > 16:
        raise UnsupportedImageError(f"{depth}-bit samples are not supported (16 bits at most)")
    file.seek(0)
    is_unknown = file.read(len(_BIG_BIG_ENDIAN)) == _BIG_BIG_ENDIAN
    if is_unknown or depth not in (1, 8) or _has_rare_kind(directory, depth) or _has_rare_blocks(directory):
        return True
    for number in directory.numbers(_COMPRESSION):
        if number not in _OF_PILLOW:
            raise UnsupportedImageError(f"TIFF files of compression {number} are not supported yet")
    return False


def _has_rare_kind(directory: tiff_tags.Directory, depth: int) -> bool:
    samples = max(directory.numbers(_SAMPLES_PER_PIXEL), default=1)
    kind, extra = directory.numbers(_PHOTOMETRIC), directory.numbers(_EXTRA_SAMPLES)
    if kind == (_BLACK_IS_ZERO,) and samples > 1 and not (samples == 2 and extra == (_ALPHA,)):
        return True
    if kind == (_RGB,) and samples == 4 and not set(extra) & {_ALPHA, _PREMULTIPLIED}:
        return True
    is_coloured = bool(directory.numbers(_COLORMAP)) and kind != (_PALETTE,)
    is_inverted = kind == (_WHITE_IS_ZERO,) and depth == 8
    if depth == 1 and (_TILE_WIDTH in directory.entries or directory.numbers(_FILL_ORDER) == (_REVERSED,)):
        return True
    return samples > 4 or is_inverted or (depth == 8 and (is_coloured or directory.has_next))


def _has_rare_blocks(directory: tiff_tags.Directory) -> bool:
    """Whether blocks are not in the file, or the offsets of tiles stand where those of strips should."""
    if _TILE_WIDTH in directory.entries and _TILES not in directory.entries:
        return True
    return any(0 in directory.numbers(tag) for tag in (_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES))


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
    dropped = set(directory.entries) - tiff_tags.DESCRIPTIVE - tiff_tags.STRUCTURAL
    if _COLORMAP in directory.entries and directory.numbers(_PHOTOMETRIC) != (_PALETTE,):
        dropped.add(_COLORMAP)
    if directory.numbers(_SUB_DIRECTORIES):
        dropped.add(_SUB_DIRECTORIES)
    if directory.numbers(_RESOLUTION_UNIT) not in ((), (_PER_INCH,)) and not _is_one(directory):
        dropped.add(_RESOLUTION_UNIT)
    return Tags(
        exif=tiff_tags.to_block(tiff_tags.Directory(directory.order, kept)) if kept else b"",
        dropped=sorted(dropped | directory.unknown),
        has_resolution=_RESOLUTION in directory.entries,
    )


def compression(file: BinaryIO) -> int:
    """The number of the compression.

    Raises:
        ValueError: if the tags are damaged.
    """
    return max(tiff_tags.read(file, (_COMPRESSION,)).numbers(_COMPRESSION), default=1)


def _is_one(directory: tiff_tags.Directory) -> bool:
    """Whether the resolution is 1 in an unknown unit, as many programs write, or missing: it says nothing."""
    found = [directory.entries[tag].value for tag in (_RESOLUTION, _RESOLUTION + 1) if tag in directory.entries]
    return all(isinstance(value, bytes) and value[:4] == value[4:8] for value in found)


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
