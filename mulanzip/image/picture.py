"""A picture in memory: pixels, their meaning, and metadata."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from mulanzip.errors import UnsupportedImageError
from mulanzip.image.kinds import MAX_BANDS, MAX_PIXELS, MAX_SIDE, Kind, Mode
from mulanzip.image.metadata import TRANSPARENCY

_MODE_BY_CHANNELS = {1: Mode.GRAY, 2: Mode.GRAY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}
#: Maximum number of bytes of a palette.
MAX_PALETTE = 3 * 256


def check_size(height: int, width: int) -> None:
    """Check that a ``.mzp`` file can hold an image of this size.

    Raises:
        UnsupportedImageError: if the image has no pixels, or too many.
    """
    if height < 1 or width < 1:
        raise UnsupportedImageError("the image has no pixels")
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise UnsupportedImageError(f"images of {width}x{height} pixels are too large for the format")


@dataclass(frozen=True)
class Picture:
    """An image.

    Attributes:
        mode: the meaning of the samples.
        pixels: uint8, uint16 or int16 ``(H, W, channels)``; those of bilevel images are 0 or 1.
        palette: RGB triples, 3 to 768 bytes; empty unless the mode is :attr:`Mode.PALETTE`.
        metadata: payloads by kind, see :mod:`mulanzip.imageio.metadata`.
        lost: names of metadata of the source that cannot be kept.
        bits: bits per sample of the source, 9 to 16, where ``pixels`` has 16.
        is_stack: whether bands are slices of a stack: arrays have them first.
    """

    mode: Mode
    pixels: np.ndarray
    palette: bytes = b""
    metadata: dict[bytes, bytes] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    bits: int = 16
    is_stack: bool = False

    @property
    def depth(self) -> int:
        """Bits per sample."""
        if self.pixels.dtype == np.uint8:
            return 1 if self.mode is Mode.BILEVEL else 8
        return self.bits

    @property
    def kind(self) -> Kind:
        return Kind(self.mode, self.depth, self.is_signed, self.bands)

    @property
    def is_deep(self) -> bool:
        """Whether samples have more than 8 bits."""
        return self.pixels.dtype != np.uint8

    @property
    def is_signed(self) -> bool:
        return self.pixels.dtype == np.int16

    @property
    def bands(self) -> int:
        """Samples per pixel with :attr:`Mode.BANDS`, else 0."""
        return self.pixels.shape[2] if self.mode is Mode.BANDS else 0

    @classmethod
    def from_array(cls, array: np.ndarray) -> Picture:
        """Wrap ``(H, W)`` or ``(H, W, channels)`` uint8, uint16 or int16, or bool ``(H, W)``.

        One to four channels are gray, gray and alpha, RGB, RGBA.  More channels, and several signed ones, are bands.

        Raises:
            UnsupportedImageError: for any other shape or type, or if the array is too large for the format.
        """
        array = np.asarray(array)
        if array.dtype == np.bool_ and array.ndim == 2:
            check_size(*array.shape)
            return cls(Mode.BILEVEL, array.astype(np.uint8)[..., None])
        kind = array.dtype.newbyteorder("=")
        if kind not in (np.uint8, np.uint16, np.int16):
            known = "uint8, uint16, int16 (or bool)"
            raise UnsupportedImageError(f"arrays of type {array.dtype} are not supported; use {known}")
        pixels = (array[..., None] if array.ndim == 2 else array).astype(kind, copy=False)
        if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= MAX_BANDS:
            known = f"(H, W) or (H, W, 1 to {MAX_BANDS})"
            raise UnsupportedImageError(f"arrays of shape {array.shape} are not images; use {known}")
        check_size(*pixels.shape[:2])
        mode = _MODE_BY_CHANNELS.get(pixels.shape[2], Mode.BANDS)
        return cls(Mode.BANDS if kind == np.int16 and mode is not Mode.GRAY else mode, pixels)

    @classmethod
    def from_stack(cls, array: np.ndarray) -> Picture:
        """Wrap slices ``(Z, H, W)`` of uint8, uint16 or int16.

        Raises:
            UnsupportedImageError: for any other shape or type, and for more than :data:`MAX_BANDS` slices.
            LimitError: if slices are too large for the format.
        """
        array = np.asarray(array)
        kind = array.dtype.newbyteorder("=")
        if array.ndim != 3 or not 1 <= len(array) <= MAX_BANDS or kind not in (np.uint8, np.uint16, np.int16):
            known = f"uint8, uint16 or int16 (1 to {MAX_BANDS}, H, W)"
            raise UnsupportedImageError(f"{array.dtype} arrays of shape {array.shape} are not stacks; use {known}")
        check_size(*array.shape[1:])
        return cls(Mode.BANDS, np.moveaxis(array, 0, 2).astype(kind, copy=False), is_stack=True)

    def to_array(self) -> np.ndarray:
        """The inverse of :meth:`from_array` and :meth:`from_stack`.

        Palette images become RGB, or RGBA if they have transparency.
        """
        if self.mode is Mode.BILEVEL:
            return self.pixels[..., 0].astype(bool)
        if self.mode is Mode.PALETTE:
            colours = np.zeros((256, 3), dtype=np.uint8)
            given = np.frombuffer(self.palette, dtype=np.uint8).reshape(-1, 3)
            colours[: len(given)] = given
            alpha = self.metadata.get(TRANSPARENCY)
            if alpha is None:
                return colours[self.pixels[..., 0]]
            opacity = np.full((256, 1), 255, dtype=np.uint8)
            opacity[: len(alpha), 0] = np.frombuffer(alpha, dtype=np.uint8)
            return np.concatenate((colours, opacity), 1)[self.pixels[..., 0]]
        if self.is_stack:
            return np.ascontiguousarray(np.moveaxis(self.pixels, 2, 0))
        return self.pixels[..., 0] if self.pixels.shape[2] == 1 else self.pixels

    def pixel_hash(self) -> bytes:
        """BLAKE2b-128 of mode, size, type of the samples, palette, and samples in raster order."""
        state = hashlib.blake2b(digest_size=16)
        state.update(bytes([self.mode]) + self.pixels.shape[1].to_bytes(4, "little"))
        state.update(self.pixels.shape[0].to_bytes(4, "little"))
        if self.is_deep or self.bands:
            state.update(bytes([self.bands, self.pixels.dtype.itemsize, self.is_signed]))
        state.update(self.palette)
        samples = np.ascontiguousarray(self.pixels)
        state.update(samples.astype(samples.dtype.newbyteorder("<"), copy=False).view(np.uint8).data)
        return state.digest()
