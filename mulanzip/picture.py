"""A picture in memory: pixels, their meaning, and metadata.  Files are :mod:`mulanzip.imageio`'s business."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from mulanzip.container import MAX_PIXELS, MAX_SIDE, Mode
from mulanzip.errors import LimitError, UnsupportedImageError

#: Samples per pixel by mode; palette images hold indices.
CHANNELS = {Mode.GRAY: 1, Mode.GRAY_ALPHA: 2, Mode.RGB: 3, Mode.RGBA: 4, Mode.PALETTE: 1, Mode.BILEVEL: 1}
_MODE_BY_CHANNELS = {1: Mode.GRAY, 2: Mode.GRAY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}
#: Bytes of a palette at most.
MAX_PALETTE = 3 * 256


def check_size(height: int, width: int) -> None:
    """Check that the format holds images of this size.

    Raises:
        UnsupportedImageError: if there is no pixel.
        LimitError: if there are too many.
    """
    if height < 1 or width < 1:
        raise UnsupportedImageError("the image has no pixels")
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise LimitError(f"images of {width}x{height} pixels are too large for the format")


@dataclass(frozen=True)
class Picture:
    """An 8-bit image.

    Attributes:
        mode: meaning of the samples.
        pixels: uint8 ``(H, W, channels)``; bilevel images hold 0 and 1.
        palette: RGB triples, 3 to 768 bytes; palette images only.
        metadata: payloads by kind, see :mod:`mulanzip.imageio.metadata`.
        lost: names of metadata that the source has and that cannot be kept.
    """

    mode: Mode
    pixels: np.ndarray
    palette: bytes = b""
    metadata: dict[bytes, bytes] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @classmethod
    def from_array(cls, array: np.ndarray) -> Picture:
        """Wrap ``(H, W)`` or ``(H, W, 1..4)`` uint8, or bool ``(H, W)``.

        Raises:
            UnsupportedImageError: for any other shape or type.
            LimitError: if the array is too large for the format.
        """
        array = np.asarray(array)
        if array.dtype == np.bool_ and array.ndim == 2:
            check_size(*array.shape)
            return cls(Mode.BILEVEL, array.astype(np.uint8)[..., None])
        if array.dtype != np.uint8:
            raise UnsupportedImageError(f"arrays of type {array.dtype} are not supported; use uint8 (or bool)")
        pixels = array[..., None] if array.ndim == 2 else array
        if pixels.ndim != 3 or pixels.shape[2] not in _MODE_BY_CHANNELS:
            raise UnsupportedImageError(f"arrays of shape {array.shape} are not images; use (H, W) or (H, W, 1 to 4)")
        check_size(*pixels.shape[:2])
        return cls(_MODE_BY_CHANNELS[pixels.shape[2]], pixels)

    def to_array(self) -> np.ndarray:
        """The inverse of :meth:`from_array`; palette images become RGB, or RGBA if a colour is transparent."""
        if self.mode is Mode.BILEVEL:
            return self.pixels[..., 0].astype(bool)
        if self.mode is Mode.PALETTE:
            colours = np.zeros((256, 3), dtype=np.uint8)
            given = np.frombuffer(self.palette, dtype=np.uint8).reshape(-1, 3)
            colours[: len(given)] = given
            alpha = self.metadata.get(b"trns")
            if alpha is None:
                return colours[self.pixels[..., 0]]
            opacity = np.full((256, 1), 255, dtype=np.uint8)
            opacity[: len(alpha), 0] = np.frombuffer(alpha, dtype=np.uint8)
            return np.concatenate((colours, opacity), 1)[self.pixels[..., 0]]
        return self.pixels[..., 0] if self.pixels.shape[2] == 1 else self.pixels

    def pixel_hash(self) -> bytes:
        """BLAKE2b-128 of mode, size, palette and samples in raster order."""
        state = hashlib.blake2b(digest_size=16)
        state.update(bytes([self.mode]) + self.pixels.shape[1].to_bytes(4, "little"))
        state.update(self.pixels.shape[0].to_bytes(4, "little"))
        state.update(self.palette)
        state.update(np.ascontiguousarray(self.pixels).data)
        return state.digest()
