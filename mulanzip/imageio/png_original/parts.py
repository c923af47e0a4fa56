"""The parts of a PNG file, and what a picture says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import ICC
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png
from mulanzip.imageio.png_original import rows

#: Maximum number of chunks of pixels.
MAX_CHUNKS = 1 << 20
#: Colour types of PNG files.
_COLOURS = {Mode.GRAY: 0, Mode.BILEVEL: 0, Mode.RGB: 2, Mode.PALETTE: 3, Mode.GRAY_ALPHA: 4, Mode.RGBA: 6}
#: Bits per sample that files of a mode may have, if arrays of their samples have 8 bits; by default 8.
_DEPTHS = {Mode.GRAY: (2, 4, 8), Mode.BILEVEL: (1,), Mode.PALETTE: (1, 2, 4, 8)}
IHDR, IDAT, IEND, ICC_CHUNK = b"IHDR", b"IDAT", b"IEND", b"iCCP"


class UnusualError(Exception):
    """A PNG file that cannot be described, or not in few bytes."""


@dataclass(frozen=True)
class Parts:
    """The parts of a PNG file: header, chunks before the pixels, pixels, chunks after them, data behind the end."""

    header: bytes
    before: list[png.Chunk]
    pixels: list[bytes]
    after: list[png.Chunk]
    rest: bytes


def split(source: bytes) -> Parts:
    """The parts of a file.

    Raises:
        UnusualError: if it is damaged, or has its chunks in an unusual order.
    """
    chunks: list[png.Chunk] = []
    position = len(png.SIGNATURE)
    while not chunks or chunks[-1][0] != IEND:
        length = int.from_bytes(source[position : position + 4], "big")
        kind, payload = source[position + 4 : position + 8], source[position + 8 : position + 8 + length]
        end = position + png.OVERHEAD + length
        if end > len(source) or png.join(kind, payload) != source[position:end]:
            raise UnusualError
        chunks.append((kind, payload))
        position = end
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != IHDR or IDAT not in kinds:
        raise UnusualError
    first = kinds.index(IDAT)
    last = len(kinds) - kinds[::-1].index(IDAT)
    if any(kind != IDAT for kind in kinds[first:last]) or chunks[-1][1]:
        raise UnusualError
    pixels = [payload for _, payload in chunks[first:last]]
    if len(pixels) > MAX_CHUNKS:
        raise UnusualError
    return Parts(chunks[0][1], chunks[1:first], pixels, chunks[last:-1], source[position:])


def header_of(picture: Picture, depth: int, interlaced: bool) -> bytes:
    """Payload of the first chunk, IHDR."""
    height, width = picture.pixels.shape[:2]
    numbers = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return numbers + bytes([depth, _COLOURS[picture.mode], 0, 0, interlaced])


def depths_of(picture: Picture) -> tuple[int, ...]:
    """Bits per sample that a PNG file of the picture may have; empty if PNG files cannot hold it."""
    if picture.mode not in _COLOURS or picture.is_signed:
        return ()
    return (16,) if picture.is_deep else _DEPTHS.get(picture.mode, (8,))


def samples_of(picture: Picture, depth: int) -> np.ndarray:
    """Samples as in the file.  Those of a picture are scaled to 8 bits if they are gray."""
    return picture.pixels >> (8 - depth) if depth < 8 and picture.mode is Mode.GRAY else picture.pixels


def row_step(picture: Picture, depth: int) -> int:
    """Bytes that a writer passes to its library in one call: a row."""
    return 1 + rows.row_bytes(picture.pixels.shape[1], picture.pixels.shape[2], depth)


class KnownChunks:
    """Chunks that follow from the picture.  Each can be taken once: no damaged description gives a huge file."""

    def __init__(self, picture: Picture):
        self.chunks: list[png.Chunk | None] = []
        self.chunks += [chunk for chunk in metadata.png_chunks(picture.metadata) if chunk[0] != ICC_CHUNK]
        if picture.palette:
            self.chunks.append((b"PLTE", picture.palette))
        self._profile = picture.metadata.get(ICC, b"")

    def take(self, index: int) -> png.Chunk:
        """Raises ValueError or IndexError if the chunk does not exist, or was taken before."""
        chunk, self.chunks[index] = self.chunks[index], None
        if chunk is None:
            raise ValueError
        return chunk

    def take_profile(self) -> bytes:
        """The ICC profile; empty if the picture has none, or if it was taken before."""
        profile, self._profile = self._profile, b""
        return profile
