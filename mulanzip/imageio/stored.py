"""The stored form: pixels as lossless WebP or PNG, whichever is smaller."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from mulanzip.container import Mode
from mulanzip.errors import CorruptFileError
from mulanzip.imageio.pillow_image import PILLOW_MODES, to_pillow
from mulanzip.picture import Picture

_WEBP_SIDE = 16383
#: Modes for which WebP, which knows RGB and RGBA only, is tried beside PNG.
_WEBP_MODES = {Mode.GRAY: "RGB", Mode.GRAY_ALPHA: "RGBA", Mode.RGB: "RGB", Mode.RGBA: "RGBA"}


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _webp(image: Image.Image, method: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, exact=True, quality=100 if method else 0, method=method)
    return buffer.getvalue()


def _webp_source(picture: Picture) -> Image.Image | None:
    if picture.mode not in _WEBP_MODES or max(picture.pixels.shape[:2]) > _WEBP_SIDE:
        return None
    return to_pillow(picture).convert(_WEBP_MODES[picture.mode])


def store(picture: Picture) -> bytes:
    """The smallest stored form of the pixels; metadata is not in it."""
    forms = [_png(to_pillow(picture))]
    source = _webp_source(picture)
    if source is not None:
        forms.append(_webp(source, 6))
    return min(forms, key=len)


def quick_size(picture: Picture) -> int:
    """Bytes of a stored form that is fast to make: an upper bound that is near enough to decide by."""
    source = _webp_source(picture)
    return len(_webp(source, 0)) if source is not None else picture.pixels.size


def restore(data: bytes, mode: Mode, width: int, height: int) -> tuple[np.ndarray, bytes]:
    """Pixels ``(H, W, C)`` and palette from a stored form.

    Raises:
        CorruptFileError: if it is damaged or contradicts the header.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as image:
                wanted = PILLOW_MODES[mode]
                if image.size != (width, height) or (image.mode != wanted and image.format == "PNG"):
                    raise CorruptFileError("the stored image contradicts the header")
                if image.format == "WEBP":
                    if mode not in _WEBP_MODES or image.mode != _WEBP_MODES[mode]:
                        raise CorruptFileError("the stored image contradicts the header")
                    image.load()
                    pixels = np.asarray(image)
                    # Gray was stored with three equal colours.
                    if mode is Mode.GRAY:
                        pixels = pixels[..., :1]
                    elif mode is Mode.GRAY_ALPHA:
                        pixels = pixels[..., [0, 3]]
                    return np.ascontiguousarray(pixels), b""
                image.load()
                pixels = np.asarray(image, dtype=np.uint8)
                palette = bytes(image.getpalette("RGB") or b"") if mode is Mode.PALETTE else b""
                return pixels.reshape(height, width, -1), palette
    except CorruptFileError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptFileError(f"the stored image is damaged: {error}") from None
