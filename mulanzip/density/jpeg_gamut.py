"""Colours of images that were decoded from a JPEG: they are a quarter of the RGB cube.

JPEG files hold luma and two colour differences with 8 bits each (YCbCr), and decoders convert them to RGB.  Given green
and red, most values of blue belong to no such colour.  The smooth distributions of a denoiser do not model this, so a
file says how rare other colours are in its image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.native.library import other_colours
from mulanzip.row_blocks import row_blocks

#: Maximum penalty; no mass is left after it.
MAX_LOG2_PENALTY = 31
#: Smaller images have too few pixels to tell.
_LEAST_PIXELS = 1 << 12
#: At most 1 pixel of this number has another colour.
_PIXELS_PER_OTHER = 16
#: At most 3 of 4 values of blue near those of the pixels belong to a JPEG colour.  In grayish images nearly all do, so
#: JPEG colours are no evidence there.
_NEARBY, _NEARBY_OF = 3, 4
#: Distances of these values of blue.
_STEPS = (-7, -5, -4, -3, -2, 2, 3, 4, 5, 7)


@dataclass(frozen=True)
class JpegGamut:
    """The colours that JPEG decoders produce.

    Attributes:
        log2_penalty: 1 to :data:`MAX_LOG2_PENALTY`.  The mass of other colours is multiplied by ``2**-log2_penalty``.
    """

    log2_penalty: int


def _is_other(colours: np.ndarray) -> np.ndarray:
    """Whether no JPEG decoder produces colours ``green << 16 | red << 8 | blue``: uint8, 1 or 0, in the same shape."""
    found: np.ndarray = other_colours().take(colours >> 3) >> (colours & 7).astype(np.uint8) & 1
    return found


def find(pixels: np.ndarray) -> JpegGamut | None:
    """The gamut of an image; None where it does not help.

    Args:
        pixels: ``(H, W, C)`` in coding order of colours.  Only uint8 images of three colours have a gamut.
    """
    total = pixels.shape[0] * pixels.shape[1]
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3 or total < _LEAST_PIXELS:
        return None
    others, nearby, count = 0, 0, 0
    for rows in row_blocks(pixels):
        green, red, blue = pixels[rows].reshape(-1, 3).astype(np.int32).T
        colours = (green << 16) + (red << 8)
        others += int(_is_other(colours + blue).sum())
        if others * _PIXELS_PER_OTHER > total:
            return None
        for step in _STEPS:
            values = blue + step
            inside = (values >= 0) & (values < 256)
            nearby += int(inside.sum()) - int(_is_other((colours + values)[inside]).sum())
            count += int(inside.sum())
    if nearby * _NEARBY_OF > count * _NEARBY:
        return None
    # The odds of JPEG colours among the pixels, divided by the odds near them.  Half a pixel is added: counts may be 0.
    ratio = (2 * (total - others) + 1) * max(1, count - nearby) // max(1, (2 * others + 1) * nearby)
    return JpegGamut(min(max(1, ratio.bit_length() - 1), MAX_LOG2_PENALTY)) if ratio else None
