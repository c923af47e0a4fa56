"""Pictures -> Pillow images."""

from __future__ import annotations

from PIL import Image

from mulanzip.container import Mode
from mulanzip.picture import Picture

PILLOW_MODES = {
    Mode.GRAY: "L",
    Mode.GRAY_ALPHA: "LA",
    Mode.RGB: "RGB",
    Mode.RGBA: "RGBA",
    Mode.PALETTE: "P",
    Mode.BILEVEL: "1",
}


def to_pillow(picture: Picture) -> Image.Image:
    """The picture's pixels (and palette) as a Pillow image of the same mode."""
    pixels = picture.pixels[..., 0] if picture.pixels.shape[2] == 1 else picture.pixels
    if picture.mode is Mode.BILEVEL:
        return Image.fromarray(pixels.astype(bool))
    if picture.mode is Mode.PALETTE:
        image = Image.frombytes("P", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
        image.putpalette(picture.palette, "RGB")
        return image
    return Image.fromarray(pixels)
