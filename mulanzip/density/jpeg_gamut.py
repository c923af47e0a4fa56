"""The colours that an image has: once it was a JPEG file, three of four RGB colours do not occur.

JPEG files hold brightness and two differences of colours, in 8 bits each (YCbCr).  What a decoder makes of them fills
a quarter of the RGB cube: given green and red, most values of blue stand for no such colour.  A denoiser's smooth
distributions do not know, so an image says how rare other colours are in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mulanzip.row_blocks import row_blocks

#: Halvings of the mass of other colours, at most: nothing is left of it.
MAX_LOG2_PENALTY = 31
#: Smaller images do not say how rare they are.
_LEAST_PIXELS = 1 << 12
#: One pixel of so many has another colour at most.
_LEAST_SHARE = 16
#: Of values of blue around those of the pixels, so many of ``_NEARBY_OF`` stand for a colour at most: where nearly all
#: do, as in grayish images, it means little that the pixels do.
_NEARBY, _NEARBY_OF = 3, 4
_STEPS = (-7, -5, -4, -3, -2, 2, 3, 4, 5, 7)


@dataclass(frozen=True)
class JpegGamut:
    """Colours that decoders of JPEG files make.

    Attributes:
        log2_penalty: 1 to :data:`MAX_LOG2_PENALTY`.  Other colours have ``2**-log2_penalty`` of the mass that the model
            gives them.
    """

    log2_penalty: int

    def log2_penalties(self, before: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
        """How often the mass of values of the third colour is halved: 0, or :attr:`log2_penalty`.

        Args:
            before: int32 ``(N,)`` each, the first and the second colour: green and red.
            values: int32 ``(N,)``, 0..255.
        """
        first, second = before
        found: np.ndarray = _others().take((first << 16) + (second << 8) + values) * np.uint8(self.log2_penalty)
        return found


@lru_cache(1)
def _others() -> np.ndarray:
    """Whether a colour is none of a JPEG file's: uint8, 0 or 1, at ``green << 16 | red << 8 | blue``.

    Coefficients of 16 fractional bits, as decoders have them: a coarser sum gives other colours.
    """
    y = np.arange(256)[:, None]
    shifted = np.arange(256) - 128
    red_of = 91881 * shifted + 32768 >> 16
    blue_of = 116130 * shifted + 32768 >> 16
    others = np.ones((256, 256, 256), dtype=np.uint8)
    for cr in range(256):
        green_of = -22554 * shifted - 46802 * shifted[cr] + 32768 >> 16
        red, green, blue = (np.clip(y + part, 0, 255) for part in (red_of[cr], green_of, blue_of))
        others[green, red, blue] = 0
    return others.reshape(-1)


def find(planes: np.ndarray) -> JpegGamut | None:
    """The gamut of an image, where it is worth saying.

    Args:
        planes: uint8 ``(H, W, 3)`` in coding order of colours; others have none.
    """
    if planes.dtype != np.uint8 or planes.shape[2] != 3 or planes.size < 3 * _LEAST_PIXELS:
        return None
    pixels = planes.shape[0] * planes.shape[1]
    others, nearby, count = 0, 0, 0
    for rows in row_blocks(planes):
        green, red, blue = planes[rows].reshape(-1, 3).astype(np.int32).T
        colours = (green << 16) + (red << 8)
        others += int(_others().take(colours + blue).sum())
        if others * _LEAST_SHARE > pixels:
            return None
        for step in _STEPS:
            values = blue + step
            inside = (values >= 0) & (values < 256)
            nearby += int(inside.sum()) - int(_others().take((colours + values)[inside]).sum())
            count += int(inside.sum())
    if nearby * _NEARBY_OF > count * _NEARBY:
        return None
    # The odds of other colours in the image, over those around its pixels.  Half a pixel more, as there may be none.
    ratio = (2 * (pixels - others) + 1) * max(1, count - nearby) // max(1, (2 * others + 1) * nearby)
    return JpegGamut(min(max(1, ratio.bit_length() - 1), MAX_LOG2_PENALTY)) if ratio else None
