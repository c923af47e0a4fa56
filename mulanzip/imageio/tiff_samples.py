"""TIFF files of more than 8 bits per sample, or of bands.  They are read and written with tifffile."""

from __future__ import annotations

import io
import logging
from typing import Any, BinaryIO

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import MAX_BANDS, Mode
from mulanzip.image.metadata import ICC, RESOLUTION, XMP
from mulanzip.image.picture import MAX_PALETTE, Picture, check_size
from mulanzip.imageio import metadata, second_reader
from mulanzip.limits import Limits

# Errors of mulanzip report damage; without a handler, tifffile's messages would go to stderr as well.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PREMULTIPLIED, _ALPHA = 1, 2
_REDUCED, _MASK = 1, 4
_NAMES: dict[int, str] = {PHOTOMETRIC.SEPARATED: "CMYK colour"}
_KINDS = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE)
_ICC, _XMP = 34675, 700
_PER_INCH = {2: 1.0, 3: 2.54}
_LOSSY = {COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.JPEG_LOSSY, COMPRESSION.WEBP}
#: Maximum number of bytes of samples that one byte of a file can encode.
_MAX_RATIO = 2048


def read(file: BinaryIO, limits: Limits) -> tuple[Picture, list[str]]:
    """The picture with ICC, XMP and resolution, and notes on it.

    Raises:
        UnreadableImageError, UnsupportedImageError, LimitError
        Exception: any error of tifffile, for damaged files.
    """
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        if len(tiff.pages) > 2 * MAX_BANDS:
            raise UnsupportedImageError(f"{len(tiff.pages)} pages are too many ({MAX_BANDS} bands at most)")
        first = tiff.pages.first
        pages = [tiff.pages[i].aspage() for i in range(len(tiff.pages))]
        shown = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)]
        if any(page.subfiletype & _MASK for page in pages):
            raise UnsupportedImageError("TIFF files with a mask beside the picture are not supported yet")
        if first not in shown or not _are_bands(shown):
            raise UnsupportedImageError(f"files of several pictures are not supported yet (this one has {len(pages)})")
        mode = _mode(first, len(shown))
        _check(first, limits, len(shown), file)
        data = _all(file) if _is_read_twice(shown) else b""
        parts = []
        for number, page in enumerate(pages):
            if page in shown:
                parts.append(_samples(page))
                if data:
                    second_reader.check_tiff(data, number, parts[-1])
        pixels = np.concatenate(parts, axis=2)
        if mode is Mode.BILEVEL:
            pixels = (pixels ^ (first.photometric == PHOTOMETRIC.MINISWHITE)).astype(np.uint8)
        notes = []
        if len(shown) > 1:
            notes.append(f"its {len(shown)} pages are kept as bands of one picture")
        if first.compression in _LOSSY:
            notes.append("decoded from JPEG in TIFF: the result keeps these pixels, and is usually larger")
        palette = _palette(first) if mode is Mode.PALETTE else b""
        return Picture(
            mode, pixels, palette, _metadata(first), _lost(first, pages, shown), max(9, _depth(first))
        ), notes


def _lost(first: TiffPage, pages: list[TiffPage], shown: list[TiffPage]) -> tuple[str, ...]:
    """What the picture of the first page, or of bands, does not hold, apart from tags of the first page."""
    lost = []
    if len(shown) < len(pages):
        lost.append("overviews (smaller copies)")
    if len(shown) > 1:
        lost.append("tags of all pages but the first")
    images = int((first.parent.imagej_metadata or {}).get("images", 1)) if len(pages) == 1 else 1
    if images > 1:
        lost.append(f"all images but the first of {images} of an ImageJ stack")
    if first.photometric == PHOTOMETRIC.MINISWHITE and first.dtype != np.bool_:
        lost.append("that white is 0 (samples are kept as they are stored)")
    return tuple(lost)


def _palette(page: TiffPage) -> bytes:
    colours = np.asarray(page.colormap, np.uint16)
    low, high = colours & 255, colours >> 8
    if colours.size > MAX_PALETTE or not ((low == 0) | (low == high)).all():
        raise UnsupportedImageError("palettes of 16-bit colours are not supported yet")
    return np.ascontiguousarray(high.astype(np.uint8).T).tobytes()


def _all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _is_read_twice(pages: list[TiffPage]) -> bool:
    """Whether libtiff has the compression of all pages, and all their blocks are in the file.

    It does not unpack samples of PackBits that are no whole bytes, where runs reach from row to row.
    """
    return all(
        page.compression in second_reader.COMPRESSIONS
        and all(page.databytecounts)
        and not (page.compression == COMPRESSION.PACKBITS and page.bitspersample % 8)
        for page in pages
    )


def _are_bands(pages: list[TiffPage]) -> bool:
    """Whether the pages are bands of one picture: of one sample per pixel, and alike; true of a single page."""
    first = pages[0]
    alike = [(page.shape, page.dtype, page.bitspersample) for page in pages]
    return len(pages) == 1 or (first.samplesperpixel == 1 and alike.count(alike[0]) == len(pages))


def _depth(page: TiffPage) -> int:
    return page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)


def _mode(page: TiffPage, pages: int) -> Mode:
    kind, extra = page.photometric, tuple(int(e) for e in page.extrasamples)
    if _PREMULTIPLIED in extra:
        raise UnsupportedImageError("premultiplied alpha is not supported yet")
    if kind not in _KINDS:
        name = _NAMES.get(int(kind), getattr(kind, "name", f"number {kind}"))
        raise UnsupportedImageError(f"TIFF files of this kind are not supported yet: {name} (gray and RGB are)")
    if page.dtype not in (np.bool_, np.uint8, np.uint16, np.int16) or page.imagedepth > 1:
        raise UnsupportedImageError(
            f"TIFF samples of type {page.dtype} are not supported yet (integers to 16 bits are)"
        )
    channels = page.samplesperpixel * pages
    if channels > MAX_BANDS:
        raise UnsupportedImageError(f"{channels} bands are too many ({MAX_BANDS} at most)")
    alpha = extra == (_ALPHA,)
    if page.dtype == np.bool_ and channels == 1 and kind != PHOTOMETRIC.PALETTE:
        return Mode.BILEVEL
    if kind == PHOTOMETRIC.PALETTE:
        if channels > 1 or page.dtype != np.uint8 or page.colormap is None:
            raise UnsupportedImageError("TIFF files of this kind are not supported yet: palettes but of up to 8 bits")
        return Mode.PALETTE
    if page.dtype == np.bool_:
        raise UnsupportedImageError("TIFF files of several samples of one bit are not supported yet")
    known = {1: Mode.GRAY, 2: Mode.GRAY_ALPHA} if kind != PHOTOMETRIC.RGB else {3: Mode.RGB, 4: Mode.RGBA}
    mode = known.get(channels, Mode.BANDS)
    if (extra and not alpha) or pages > 1 or (page.dtype == np.int16 and mode is not Mode.GRAY):
        mode = Mode.BANDS
    return mode


def _check(page: TiffPage, limits: Limits, pages: int, file: BinaryIO) -> None:
    """Check the size of the picture, before memory is taken for it."""
    height, width = page.imagelength, page.imagewidth
    check_size(height, width)
    limits.check_pixels(height, width)
    size = height * width * page.samplesperpixel * 2 * pages
    if size > _MAX_RATIO * file.seek(0, io.SEEK_END):
        raise UnreadableImageError(f"the image is damaged: it promises {width}x{height} pixels, the file is too small")
    limits.require(3 * size)


def _samples(page: TiffPage) -> np.ndarray:
    """The samples of a page: ``(H, W, samples)``."""
    pixels = np.asarray(page.asarray())
    if pixels.ndim == 2:
        return pixels[..., None]
    separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    return np.moveaxis(pixels, 0, 2) if separate else pixels


def _metadata(page: TiffPage) -> dict[bytes, bytes]:
    found = {
        ICC: _value(page, _ICC),
        XMP: _value(page, _XMP),
        RESOLUTION: metadata.pack_resolution(_dots_per_inch(page)),
    }
    return {kind: payload for kind, payload in found.items() if payload}


def _value(page: TiffPage, tag: int) -> bytes:
    value = page.tags.valueof(tag, b"")
    return value if isinstance(value, bytes) else bytes(value)


def _dots_per_inch(page: TiffPage) -> tuple[float, float] | None:
    scale = _PER_INCH.get(int(page.tags.valueof(296, 2)))
    pairs = [page.tags.valueof(tag) for tag in (282, 283)]
    if scale is None or any(not isinstance(pair, tuple) or len(pair) != 2 or not pair[1] for pair in pairs):
        return None
    across, down = (scale * pair[0] / pair[1] for pair in pairs)
    return across, down


def encode(picture: Picture) -> bytes:
    """A TIFF file with ICC profile and resolution, of a picture of more than 8 bits per sample, or of bands."""
    pixels, options = picture.pixels, dict[str, Any]()
    if picture.mode is Mode.BANDS:
        pixels = pixels.transpose(2, 0, 1)
        options = {"planarconfig": "separate", "extrasamples": ["unspecified"] * (picture.bands - 1)}
        if picture.bands == 1:
            pixels, options = pixels[0], {}
    elif picture.mode is Mode.GRAY:
        pixels = pixels[..., 0]
    elif picture.mode in (Mode.GRAY_ALPHA, Mode.RGBA):
        options = {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
    else:
        options = {"planarconfig": "contig"}
    if RESOLUTION in picture.metadata:
        options |= {"resolution": metadata.resolution(picture.metadata[RESOLUTION]), "resolutionunit": "INCH"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(pixels),
        photometric="rgb" if picture.mode in (Mode.RGB, Mode.RGBA) else "minisblack",
        compression="zlib",
        predictor=True,
        software=False,
        metadata=None,
        iccprofile=picture.metadata.get(ICC),
        **options,
    )
    return buffer.getvalue()
