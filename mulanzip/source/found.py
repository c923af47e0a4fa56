"""What the parser of a format finds, and what parsers share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.source.holes import ABSENT, Hole, Layout
from mulanzip.source.packing import Words
from mulanzip.streams.recipe import Recipe

#: Modes by number of channels, where the last of two or four is alpha.
WITH_ALPHA = {1: Mode.GRAY, 2: Mode.GRAY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}


@dataclass(frozen=True)
class Numbers:
    """An array with a number for each block of an image.

    Attributes:
        start: position of the first number in the file.
        size: bytes of each; 0 if they are not in the file.
        values: int64.
    """

    start: int
    size: int
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Blocks:
    """How the blocks of an image are compressed, each alone.

    Attributes:
        recipe: without settings.
        rows: that all blocks hold; 0 where the last ones hold fewer.
        positions, lengths: of the streams, as the file states them.
        is_little: whether their low bytes come first.
        skip: bytes of the content before the first row, which is not the first one where rows are stored bottom-up.
    """

    recipe: Recipe
    rows: int
    positions: Numbers
    lengths: Numbers
    is_little: bool = True
    skip: int = 0


def open_block(recipe: Recipe, start: int, end: int, skip: int = 0) -> Blocks:
    """The only block of an image: a stream between two positions, of which no number in the file speaks."""
    positions, lengths = (Numbers(0, 0, np.array([value], np.int64)) for value in (start, end - start))
    return Blocks(recipe, 0, positions, lengths, skip=skip)


@dataclass(frozen=True)
class Found:
    """An image that lies in a file.

    Attributes:
        hole: where its samples are.
        mode: their meaning.
        palette: RGB triples, 3 to 768 bytes, with :attr:`Mode.PALETTE`.
        bits: that the file says samples of two bytes have, 9 to 16.
        blocks: how the blocks of the hole are compressed; the offsets are those of their streams then.
        is_stack: whether its planes are slices of a stack.
        is_half: whether its samples are halves of those in the file.
    """

    hole: Hole
    mode: Mode
    palette: bytes = b""
    bits: int = 16
    blocks: Blocks | None = None
    is_stack: bool = False
    is_half: bool = False

    @property
    def size(self) -> int:
        """Number of samples."""
        height, width, channels = self.hole.layout.shape
        return height * width * channels


def later(image: Found, start: int) -> Found:
    """An image whose file begins at a position of a larger one."""
    offsets = np.where(image.hole.offsets == ABSENT, ABSENT, image.hole.offsets + start)
    return replace(image, hole=Hole(image.hole.layout, offsets))


def at(layout: Layout, *offsets: int) -> Hole:
    """The hole of blocks at these positions."""
    return Hole(layout, np.array(offsets, np.int64))


def mode_of(channels: int, signed: bool = False) -> Mode:
    """The mode of an array of ``channels`` channels, of which nothing more is known."""
    mode = WITH_ALPHA.get(channels, Mode.BANDS)
    return Mode.BANDS if signed and mode is not Mode.GRAY else mode


def palette_mode(palette: bytes) -> tuple[Mode, bytes]:
    """Mode and palette of indices: gray where colours are gray and their order is that of their brightness."""
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3).astype(np.int16)
    if not len(colours):
        return Mode.GRAY, b""
    steps = np.diff(colours[:, 0])
    is_gray = bool((colours == colours[:, :1]).all()) and len(colours) > 2
    return (Mode.GRAY, b"") if is_gray and ((steps >= 0).all() or (steps <= 0).all()) else (Mode.PALETTE, palette)


def words_of(size: int, order: str, signed: bool, channels: int = 1) -> Words:
    """Whole words, the channels of a pixel beside each other.  Signed bytes become unsigned ones, 128 larger."""
    flip = 128 if signed and size == 1 else 0
    return Words(size, order, signed and size == 2, flip, size * channels, tuple(range(0, size * channels, size)))


def halves_of(order: str, is_float: bool, signed: bool = False, channels: int = 1) -> Words:
    """The half of samples of 32 bits that neighbours foretell best.

    That is the high one of floats: sign, exponent and seven bits more.  Most integers need no more than their low one.

    Args:
        signed: whether integers have a sign.
    """
    place = 2 * ((order == "<") == is_float)
    return Words(2, order, signed and not is_float, 0, 4 * channels, tuple(range(place, 4 * channels, 4)))
