"""Pictures <-> Pillow images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.picture import MAX_PALETTE, Picture

#: Pillow's modes, for images of up to 8 bits per sample.
PILLOW_MODES = {
    Mode.GRAY: "L",
    Mode.GRAY_ALPHA: "LA",
    Mode.RGB: "RGB",
    Mode.RGBA: "RGBA",
    Mode.PALETTE: "P",
    Mode.BILEVEL: "1",
}
MODES = {name: mode for mode, name in PILLOW_MODES.items()}
#: Pillow's mode of gray images of more than 8 bits.
DEEP_GRAY = "I;16"


def from_pillow(image: Image.Image, metadata: dict[bytes, bytes], lost: Iterable[str] = ()) -> Picture:
    """The picture of a loaded Pillow image.

    Args:
        image: its mode is one of :data:`MODES`, or :data:`DEEP_GRAY`.
        metadata: payloads by kind.
        lost: names of metadata that cannot be kept.

    Raises:
        UnreadableImageError: for a palette image without a palette.
    """
    if image.mode == DEEP_GRAY:
        return Picture(Mode.GRAY, np.asarray(image, dtype=np.uint16)[..., None], b"", metadata, tuple(lost))
    mode = MODES[image.mode]
    pixels = np.asarray(image, dtype=np.uint8)
    palette = b""
    if mode is Mode.PALETTE:
        palette = bytes(image.getpalette("RGB") or b"")[:MAX_PALETTE]
        palette = palette[: len(palette) // 3 * 3]
        if not palette:
            raise UnreadableImageError("the image is damaged: it has no palette")
    return Picture(mode, pixels.reshape(*pixels.shape[:2], -1), palette, metadata, tuple(lost))


def pillow_mode(kind: Kind) -> str:
    """Pillow's mode for images of this kind.

    Raises:
        UnsupportedImageError: if Pillow has no mode for it.
    """
    if not kind.is_deep and kind.mode in PILLOW_MODES:
        return PILLOW_MODES[kind.mode]
    if kind.mode is Mode.GRAY and not kind.signed:
        return DEEP_GRAY
    raise UnsupportedImageError(f"Pillow has no mode for {kind} images; use mulanzip.decode")


def to_pillow(picture: Picture) -> Image.Image:
    """A Pillow image of the picture's pixels and palette, without metadata.  See :func:`pillow_mode`."""
    pixels = picture.pixels[..., 0] if picture.pixels.shape[2] == 1 else picture.pixels
    if picture.mode is Mode.BILEVEL:
        return Image.fromarray(pixels.astype(bool))
    if picture.mode is Mode.PALETTE:
        image = Image.frombytes("P", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
        image.putpalette(picture.palette, "RGB")
        return image
    return Image.fromarray(pixels)
