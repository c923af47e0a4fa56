"""The stored form: pixels as lossless WebP or PNG, whichever is smaller."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mulanzip.container import Mode
from mulanzip.errors import CorruptFileError
from mulanzip.imageio import pillow_limits, png
from mulanzip.imageio.pillow_image import PILLOW_MODES, to_pillow
from mulanzip.picture import MAX_PALETTE, Picture

_WEBP_SIDE = 16383
_DRAWN_SHARE = 0.45
#: Modes for which WebP, which knows RGB and RGBA only, is tried beside PNG.
_WEBP_MODES = {Mode.GRAY: "RGB", Mode.GRAY_ALPHA: "RGBA", Mode.RGB: "RGB", Mode.RGBA: "RGBA"}
#: Which of WebP's channels make up the pixels: gray was stored as three equal colours.
_WEBP_CHANNELS = {Mode.GRAY: [0], Mode.GRAY_ALPHA: [0, 3], Mode.RGB: [0, 1, 2], Mode.RGBA: [0, 1, 2, 3]}


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, exact=True, quality=100, method=6)
    return buffer.getvalue()


def _webp_source(picture: Picture) -> Image.Image | None:
    if picture.mode not in _WEBP_MODES or max(picture.pixels.shape[:2]) > _WEBP_SIDE:
        return None
    return to_pillow(picture).convert(_WEBP_MODES[picture.mode])


def store(picture: Picture) -> bytes:
    """The smallest stored form of the pixels; metadata is not in it."""
    forms = [png.encode(picture)]
    source = _webp_source(picture)
    if source is not None:
        forms.append(_webp(source))
    return min(forms, key=len)


def looks_drawn(picture: Picture) -> bool:
    """Whether many pixels equal a neighbour, as in screenshots and drawings, where WebP may beat the model.

    On photographs the share is 0.05 in the median (colour; 0.27 in gray), on screenshots 0.5 to 0.96.
    """
    pixels = picture.pixels
    inner = pixels[1:, 1:]
    if not inner.size:
        return True
    repeats = (inner == pixels[1:, :-1]).all(2) | (inner == pixels[:-1, 1:]).all(2)
    return bool(repeats.mean() > _DRAWN_SHARE)


def restore(data: bytes, mode: Mode, width: int, height: int) -> tuple[np.ndarray, bytes]:
    """Pixels ``(H, W, C)`` and palette from a stored form.

    Raises:
        CorruptFileError: if it is damaged or contradicts the header.
    """
    try:
        with pillow_limits.lifted(), Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as image:
            if image.size != (width, height) or not _may_hold(image, mode):
                raise CorruptFileError("the stored image contradicts the header")
            image.load()
            palette = bytes(image.getpalette("RGB") or b"") if mode is Mode.PALETTE else b""
            if image.format == "WEBP":
                pixels = np.asarray(image.convert(_WEBP_MODES[mode]))[..., _WEBP_CHANNELS[mode]]
            else:
                pixels = np.asarray(image, dtype=np.uint8).reshape(height, width, -1)
    except (CorruptFileError, MemoryError):
        raise
    except Exception as error:  # Pillow raises whatever comes.
        raise CorruptFileError(f"the stored image is damaged: {error}") from None
    if mode is Mode.PALETTE and (len(palette) % 3 or not 3 <= len(palette) <= MAX_PALETTE):
        raise CorruptFileError("the palette of the stored image is damaged")
    return np.ascontiguousarray(pixels), palette


def _may_hold(image: Image.Image, mode: Mode) -> bool:
    if image.format == "WEBP":  # It drops alpha where everything is opaque.
        return mode in _WEBP_MODES and image.mode in ("RGB", _WEBP_MODES[mode])
    return image.mode == PILLOW_MODES[mode]
