"""The stored form: pixels as lossless JPEG XL, WebP or PNG, whichever is smallest.

A palette is stored before its indices.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import imagecodecs
import numpy as np
from PIL import Image

from mulanzip.errors import CorruptFileError
from mulanzip.image.crops import sample_crops
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.picture import MAX_PALETTE, Picture
from mulanzip.imageio import png
from mulanzip.imageio.pillow_files import open_image, saved
from mulanzip.imageio.pillow_image import PILLOW_MODES, to_pillow
from mulanzip.inflate import Outcome, inflate
from mulanzip.row_blocks import row_blocks

#: Maximum width and height of a WebP image.
_WEBP_SIDE = 16383
#: Images look drawn if more than this share of their pixels equals a neighbour.
_DRAWN_SHARE = 0.45
#: WebP is tried for images of up to this number of samples, if others are less than this multiple of a rival form: on
#: 61 images and tiles that do not look drawn, it was at most 3 % smaller than the smallest other.
_SMALL, _WEBP_REACH = 1 << 18, 1.04
#: Modes for which WebP is tried, as long as samples have 8 bits or fewer: the mode that WebP stores them in.
_WEBP_MODES = {Mode.BILEVEL: "RGB", Mode.GRAY: "RGB", Mode.GRAY_ALPHA: "RGBA", Mode.RGB: "RGB", Mode.RGBA: "RGBA"}
#: The channels of the WebP image that are the pixels; gray is stored as three equal colours.
_WEBP_CHANNELS = {
    Mode.BILEVEL: [0],
    Mode.GRAY: [0],
    Mode.GRAY_ALPHA: [0, 3],
    Mode.RGB: [0, 1, 2],
    Mode.RGBA: [0, 1, 2, 3],
}
#: The kind that indices of palettes are stored as.
_INDICES = Kind(Mode.GRAY, 8)
#: Signatures of JPEG XL files and codestreams.
_JPEG_XL = (b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a")
_EFFORT = 7
#: Effort of a second trial, which takes five times as long, and the maximum number of samples that it is made for.
_HIGH_EFFORT, _HIGH_EFFORT_SAMPLES = 9, 1 << 20
#: Efforts of quick estimates: one without and one with a prediction from neighbours that adapts to them, and the ratio
#: of sizes from which on the image is one that more effort makes little smaller.
_QUICK_EFFORTS = (2, 3)
_PREDICTION_PAYS = 0.97
#: Side in pixels of the crops that :func:`quick_size` encodes, and their number down and across.
_QUICK_SIDE, _QUICK_GRID = 64, (4, 4)


def _webp(image: Image.Image, quality: int = 100, method: int = 6) -> bytes:
    return saved(image, "WEBP", lossless=True, exact=True, quality=quality, method=method)


def _webp_source(picture: Picture) -> Image.Image | None:
    if picture.mode not in _WEBP_MODES or picture.is_deep or max(picture.pixels.shape[:2]) > _WEBP_SIDE:
        return None
    mode = Mode.GRAY if picture.mode is Mode.BILEVEL else picture.mode
    return to_pillow(replace(picture, mode=mode)).convert(_WEBP_MODES[mode])


def _jpeg_xl(pixels: np.ndarray, effort: int = _EFFORT) -> bytes:
    """``(H, W)``, or ``(H, W, 2 to 4)``."""
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=effort, numthreads=1))


def _stored_shape(kind: Kind, width: int, height: int) -> tuple[int, ...]:
    """The shape of the array that is stored: bands are stacked vertically."""
    if kind.mode is Mode.BANDS:
        return kind.bands * height, width
    return (height, width, kind.channels)[: 2 if kind.channels == 1 else 3]


def _to_stored(picture: Picture) -> np.ndarray:
    """Pixels as the array that is stored: unsigned samples of :func:`_stored_shape`."""
    pixels = picture.pixels
    if picture.is_signed:
        pixels = pixels.view(np.uint16) ^ np.uint16(1 << 15)
    if picture.mode is Mode.BANDS:
        pixels = pixels.transpose(2, 0, 1).reshape(-1, pixels.shape[1])
    return np.ascontiguousarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _from_stored(stored: np.ndarray, kind: Kind, width: int, height: int) -> np.ndarray:
    """The inverse of :func:`_to_stored`: ``(H, W, channels)``."""
    if kind.mode is Mode.BANDS:
        stored = stored.reshape(kind.bands, height, width).transpose(1, 2, 0)
    if kind.signed:
        stored = (stored ^ np.uint16(1 << 15)).view(np.int16)
    return np.ascontiguousarray(stored.reshape(height, width, kind.channels))


def store(picture: Picture, rival: int | None = None) -> bytes:
    """The smallest stored form of the pixels (and palette), without metadata.

    Args:
        rival: bytes of another form.  WebP is not tried where it could hardly be smaller than that.
    """
    if picture.mode is Mode.PALETTE:
        return zlib.compress(picture.palette, 9) + store(Picture(Mode.GRAY, picture.pixels))
    flat = _to_stored(picture)
    by_pillow = picture.mode in _WEBP_MODES and not picture.is_deep
    forms = [png.encode(picture) if by_pillow else png.encode_samples(flat), _jpeg_xl(flat)]
    # On photographs, WebP takes ten times as long as JPEG XL and is 8 to 10 % larger.
    is_near = rival is None or min(map(len, forms)) < _WEBP_REACH * rival
    if (flat.size <= _SMALL and is_near) or looks_drawn(picture):
        source = _webp_source(picture)
        forms += [] if source is None else [_webp(source)]
    return min(forms, key=len)


def refined(picture: Picture, data: bytes) -> bytes:
    """A stored form that is as small as one of :func:`store`, or smaller."""
    if picture.mode is Mode.PALETTE or picture.pixels.size > _HIGH_EFFORT_SAMPLES or not data.startswith(_JPEG_XL):
        return data
    return min(data, _jpeg_xl(_to_stored(picture), _HIGH_EFFORT), key=len)


def quick_size(picture: Picture) -> float:
    """Estimate of the size of the stored form in bytes, a little too large.

    It is extrapolated from crops, for which WebP is tried at its lowest effort.
    """
    sample = replace(picture, pixels=sample_crops(picture.pixels, _QUICK_SIDE, _QUICK_GRID))
    source = _webp_source(sample)
    forms = [] if source is None else [_webp(source, quality=0, method=0)]
    flat = _to_stored(sample)
    simple, predicted = (_jpeg_xl(flat, effort) for effort in _QUICK_EFFORTS)
    # Where prediction pays, as in photographs, the usual effort saves 3 % more and takes ten times as long.
    forms.append(predicted if len(predicted) < _PREDICTION_PAYS * len(simple) else _jpeg_xl(flat))
    size = min(map(len, forms))
    return size * picture.pixels.size / sample.pixels.size


def bytes_to_restore(kind: Kind, width: int, height: int) -> int:
    """Memory that restoring takes: the array, a copy, and four bytes per sample in the JPEG XL decoder."""
    return width * height * kind.channels * (4 + 2 * kind.dtype.itemsize)


def looks_drawn(picture: Picture) -> bool:
    """Whether many pixels equal their left or upper neighbour, as in screenshots and drawings.

    WebP may be smaller than JPEG XL and the model there.  The share of equal pixels is 0.5 to 0.96 on screenshots; its
    median on photographs is 0.05 in colour, 0.27 in gray.
    """
    pixels = picture.pixels
    inner, left, above = pixels[1:, 1:], pixels[1:, :-1], pixels[:-1, 1:]
    if not inner.size:
        return True
    repeats = 0
    for rows in row_blocks(inner):
        same = (inner[rows] == left[rows]).all(2) | (inner[rows] == above[rows]).all(2)
        repeats += int(same.sum())
    return repeats > _DRAWN_SHARE * inner.shape[0] * inner.shape[1]


def restore(data: bytes, kind: Kind, width: int, height: int) -> tuple[np.ndarray, bytes]:
    """Pixels ``(H, W, channels)`` and palette from a stored form.

    Raises:
        CorruptFileError: if the stored form is damaged, or contradicts the header.
    """
    mode = kind.mode
    if mode is Mode.PALETTE:
        palette, indices = _split_palette(data)
        return restore(indices, _INDICES, width, height)[0], palette
    try:
        if data.startswith(_JPEG_XL):
            pixels = _decoded(partial(imagecodecs.jpegxl_decode, numthreads=1), data, kind, width, height)
        elif kind.is_deep or mode is Mode.BANDS:
            pixels = _decoded(imagecodecs.png_decode, data, kind, width, height)
        else:
            pixels = _by_pillow(data, mode, width, height)
    except (CorruptFileError, MemoryError):
        raise
    except Exception as error:  # Pillow and imagecodecs raise errors of any type.
        raise CorruptFileError(f"the stored image is damaged: {error}") from None
    if mode is Mode.BILEVEL and pixels.max() > 1:
        raise CorruptFileError("the stored image has more than two values")
    return pixels, b""


def _split_palette(data: bytes) -> tuple[bytes, bytes]:
    """The palette, and the data behind it."""
    inflated = inflate(data, MAX_PALETTE)
    palette = inflated.content
    if inflated.outcome not in (Outcome.CLEAN, Outcome.DATA_BEHIND) or not palette or len(palette) % 3:
        raise CorruptFileError("the palette of the stored image is damaged")
    return palette, inflated.behind


def _decoded(decode: Callable[..., np.ndarray], data: bytes, kind: Kind, width: int, height: int) -> np.ndarray:
    """Decode with imagecodecs, which compares the file's header with the output array before it decodes."""
    stored = np.zeros(_stored_shape(kind, width, height), dtype=np.uint16 if kind.is_deep else np.uint8)
    try:
        return _from_stored(decode(data, out=stored), kind, width, height)
    except ValueError as error:
        raise CorruptFileError(f"the stored image contradicts the header, or is damaged: {error}") from None


def _by_pillow(data: bytes, mode: Mode, width: int, height: int) -> np.ndarray:
    """Decode PNG of up to 8 bits per sample, or WebP."""
    with open_image(io.BytesIO(data), ("PNG", "WEBP")) as image:
        if image.size != (width, height) or not _may_hold(image, mode):
            raise CorruptFileError("the stored image contradicts the header")
        image.load()
        if image.format == "WEBP":
            return np.ascontiguousarray(np.asarray(image.convert(_WEBP_MODES[mode]))[..., _WEBP_CHANNELS[mode]])
        return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).reshape(height, width, -1))


def _may_hold(image: Image.Image, mode: Mode) -> bool:
    """Whether the pixels of ``image`` can be those of an image of this mode."""
    if image.format == "WEBP":  # WebP drops an alpha channel that is opaque everywhere.
        return mode in _WEBP_MODES and image.mode in ("RGB", _WEBP_MODES[mode])
    return image.mode == PILLOW_MODES[mode]
