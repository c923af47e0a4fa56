"""Images for tests: photographs, patterns, noise."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from support.processes import TESTS


@cache
def _budgie() -> np.ndarray:
    with Image.open(TESTS / "images" / "budgie.png") as image:
        pixels = np.asarray(image)
    return pixels


def photo(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A crop of a photograph, mirrored where it ends: uint8 ``(height, width, 3)``, or ``(height, width)``."""
    pixels = _budgie() if channels == 3 else _budgie()[..., 1:2]
    rows, columns = height - pixels.shape[0], width - pixels.shape[1]
    pixels = np.pad(pixels, ((0, max(0, rows)), (0, max(0, columns)), (0, 0)), "symmetric")[:height, :width]
    return np.ascontiguousarray(pixels if channels == 3 else pixels[..., 0])


def smooth(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A gradient with waves and a little noise, made of integers only: shapes as for :func:`photo`."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(0, 4, (height, width, channels))
    planes = [(3 + k) * x + (5 - k) * y + (x * y + 40 * seed) // (9 + k) for k in range(channels)]
    waves = np.abs(np.stack(planes, 2) % 400 - 200) + noise
    pixels = waves.astype(np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


def deep(height: int, width: int, channels: int = 1, bits: int = 12, seed: int = 0) -> np.ndarray:
    """A photograph of ``bits`` bits with noise in the lowest ones: uint16, shapes as for :func:`photo`."""
    pixels = photo(height, width, 3)[..., np.arange(channels) % 3].astype(np.uint16) << bits - 8
    pixels += np.random.default_rng(seed).integers(0, 1 << bits - 8, pixels.shape, dtype=np.uint16)
    return np.ascontiguousarray(pixels if channels > 1 else pixels[..., 0])


def jpeg_colours(planes: np.ndarray) -> np.ndarray:
    """RGB as JPEG decoders make it from brightness and small chroma differences.

    Args:
        planes: uint8 ``(height, width, 3)``.
    """
    luma, blue, red = (planes[..., i].astype(np.int64) for i in range(3))
    blue, red = (plane // 4 - 25 for plane in (blue, red))
    shifts = (91881 * red + 32768 >> 16, -22554 * blue - 46802 * red + 32768 >> 16, 116130 * blue + 32768 >> 16)
    return np.stack([(luma + shift).clip(0, 255) for shift in shifts], 2).astype(np.uint8)


def brightened(pixels: np.ndarray) -> np.ndarray:
    """An image with more contrast, rounded again, so that every fifth value is missing."""
    return np.minimum(pixels.astype(np.uint16) * 5 // 4, 255).astype(np.uint8)


def drawing(height: int, width: int, seed: int = 0) -> Image.Image:
    """An image with a palette, which is stored without the model."""
    return Image.fromarray(smooth(height, width, 3, seed)).quantize(60)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Noise: shapes as for :func:`photo`."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


@st.composite
def images(draw: st.DrawFn, max_height: int = 65, max_width: int = 67) -> np.ndarray:
    """Gray and RGB images of any size and of very different content."""
    height, width = draw(st.integers(1, max_height)), draw(st.integers(1, max_width))
    channels, seed = draw(st.sampled_from((1, 3))), draw(st.integers(0, 99))
    kind = draw(st.sampled_from(("photo", "smooth", "noise", "constant", "extremes")))
    if kind == "photo":
        return photo(height, width, channels)
    if kind == "smooth":
        return smooth(height, width, channels, seed)
    pixels = noise(height, width, channels, seed)
    if kind == "constant":
        pixels[...] = draw(st.integers(0, 255))
    elif kind == "extremes":
        pixels = np.where(pixels < 128, 0, 255).astype(np.uint8)
    return pixels


def worst_values(rng: np.random.Generator, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random integers ``low..high``, half of which are ``low`` or ``high``."""
    values = rng.integers(low, high + 1, shape)
    ends = rng.integers(0, 4, shape)
    return np.where(ends == 0, low, np.where(ends == 1, high, values))
