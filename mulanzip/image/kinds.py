"""The kinds of images: mode, bit depth, sign and number of bands of the samples; and the maximum size of an image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

#: Maximum width and height, and maximum number of pixels of an image.
MAX_SIDE = 1 << 24
MAX_PIXELS = 1 << 32
#: Maximum number of bands.
MAX_BANDS = 255


class Mode(IntEnum):
    """The meaning of the samples of a pixel."""

    GRAY = 0
    GRAY_ALPHA = 1
    RGB = 2
    RGBA = 3
    PALETTE = 4
    BILEVEL = 5
    BANDS = 6


#: Samples per pixel by mode.  Samples of palette images are indices.  The number of bands is no matter of the mode.
CHANNELS = {Mode.GRAY: 1, Mode.GRAY_ALPHA: 2, Mode.RGB: 3, Mode.RGBA: 4, Mode.PALETTE: 1, Mode.BILEVEL: 1}
#: Modes that allow more than 8 bits per sample, and those of them that allow signed samples as well.
DEEP_MODES = (Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA, Mode.BANDS)
SIGNED_MODES = (Mode.GRAY, Mode.BANDS)


@dataclass(frozen=True)
class Kind:
    """The kind of an image.

    Attributes:
        mode: the meaning of the samples.
        depth: bits per sample, 1 to 16.
        signed: whether samples are ``-2**(depth - 1) .. 2**(depth - 1) - 1``, not ``0 .. 2**depth - 1``.
        bands: samples per pixel with :attr:`Mode.BANDS`, else 0.
    """

    mode: Mode
    depth: int
    signed: bool = False
    bands: int = 0

    @property
    def is_deep(self) -> bool:
        """Whether samples have more than 8 bits."""
        return self.depth > 8

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return self.bands or CHANNELS[self.mode]

    @property
    def groups(self) -> int:
        """Number of channel groups, see :func:`mulanzip.image.channels.channel_groups`."""
        return self.channels - 2 if self.mode in (Mode.RGB, Mode.RGBA) else self.channels

    @property
    def of_slice(self) -> Kind:
        """The kind of one band or slice of the image; the same kind where it has none."""
        return Kind(Mode.GRAY, self.depth, self.signed) if self.bands else self

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the array that holds the samples."""
        if not self.is_deep:
            return np.dtype(np.uint8)
        return np.dtype(np.int16 if self.signed else np.uint16)

    def __str__(self) -> str:
        name = self.mode.name.lower().replace("_", "+")
        sign = "signed " if self.signed else ""
        return f"{sign}{self.depth}-bit {name}" if self.is_deep else name


def is_kind(mode: Mode, depth: int, signed: bool, bands: int) -> bool:
    """Whether images of this kind exist."""
    if bool(bands) != (mode is Mode.BANDS):
        return False
    if 8 < depth <= 16:
        return mode in SIGNED_MODES if signed else mode in DEEP_MODES
    return not signed and depth == (1 if mode is Mode.BILEVEL else 8)
