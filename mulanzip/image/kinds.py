"""What the samples of an image are: mode, depth, sign, bands; and the sizes that the format allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

#: Sides and pixels of an image at most.
MAX_SIDE = 1 << 24


MAX_PIXELS = 1 << 32


class Mode(IntEnum):
    """What the pixels are."""

    GRAY = 0
    GRAY_ALPHA = 1
    RGB = 2
    RGBA = 3
    PALETTE = 4
    BILEVEL = 5
    BANDS = 6


#: Samples per pixel by mode; palette images hold indices, the header says how many bands there are.
CHANNELS = {Mode.GRAY: 1, Mode.GRAY_ALPHA: 2, Mode.RGB: 3, Mode.RGBA: 4, Mode.PALETTE: 1, Mode.BILEVEL: 1}


#: Bands of an image at most.
MAX_BANDS = 255


#: Modes that may have more than 8 bits per sample, and those that may have signed ones then.
DEEP_MODES = (Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA, Mode.BANDS)


SIGNED_MODES = (Mode.GRAY, Mode.BANDS)


@dataclass(frozen=True)
class Kind:
    """What an image's samples are.

    Attributes:
        depth: bits per sample, 1 to 16.
        signed: whether samples are ``-2**(depth - 1) .. 2**(depth - 1) - 1``.
        bands: samples per pixel where the mode does not tell, else 0.
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
        """Groups of channels that are coded together: three colours, and everything else alone."""
        return self.channels - 2 if self.mode in (Mode.RGB, Mode.RGBA) else self.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array that the image is."""
        if not self.is_deep:
            return np.dtype(np.uint8)
        return np.dtype(np.int16 if self.signed else np.uint16)

    def __str__(self) -> str:
        name = self.mode.name.lower().replace("_", "+")
        sign = "signed " if self.signed else ""
        return f"{sign}{self.depth}-bit {name}" if self.is_deep else name


def is_kind(mode: Mode, depth: int, signed: bool, bands: int) -> bool:
    """Whether there are such images."""
    if bool(bands) != (mode is Mode.BANDS):
        return False
    if 8 < depth <= 16:
        return mode in SIGNED_MODES if signed else mode in DEEP_MODES
    return not signed and depth == (1 if mode is Mode.BILEVEL else 8)
