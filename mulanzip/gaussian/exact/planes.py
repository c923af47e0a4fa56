"""The inputs of the Gaussian denoiser in integers, see :class:`mulanzip.gaussian.denoiser.GaussianDenoiser`."""

from __future__ import annotations

import numpy as np

from mulanzip.density.config import UNIT

#: Fractional bits of ``z``, which is clipped to 8 on either side.
Z_BITS = 16
#: Fractional bits of the differences from the neighbourhood in the 16-bit convolution.
DETAIL_BITS = 12
_Z_LIMIT = (8 << Z_BITS) - 1
_UNIT_BITS = UNIT.bit_length() - 1
HATS = 8
#: ``2**6`` steps of gamma_index make one unit of a plane.
_INDEX_BITS = 6
#: Differences enter the network 16 times enlarged.
_GAIN_BITS = 4


def cells(values: np.ndarray) -> np.ndarray:
    """``(B, C, H, W)`` -> ``(B, 4 C, H / 2, W / 2)``: 2x2 pixels as channels, like torch's ``pixel_unshuffle``."""
    b, c, h, w = values.shape
    return values.reshape(b, c, h // 2, 2, w // 2, 2).transpose(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h // 2, w // 2)


def pixels(values: np.ndarray) -> np.ndarray:
    """The inverse of :func:`cells`."""
    b, c, h, w = values.shape
    return values.reshape(b, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * w)


def clip_z(z: np.ndarray) -> np.ndarray:
    """``z`` with :data:`Z_BITS` fractional bits, clipped to its limits."""
    return z.clip(-_Z_LIMIT, _Z_LIMIT)


def neighbourhood(z: np.ndarray) -> np.ndarray:
    """Means over 3x3 cells, at borders over those inside: int64 ``(B, C, h, w)`` to the same shape."""

    def box(x: np.ndarray) -> np.ndarray:
        x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        x = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
        return x[..., :-2] + x[..., 1:-1] + x[..., 2:]

    count = box(np.ones((1, 1, *z.shape[2:]), dtype=np.int64))
    return (2 * box(z) + count) // (2 * count)


def detail_planes(detail: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences from the neighbourhood for the 16-bit convolution.

    Args:
        detail: ``(B, 12, h, w)`` with ``Z_BITS`` fractional bits.

    Returns:
        high and low bytes of the positive parts, then of the negative parts, with ``DETAIL_BITS`` fractional bits:
        uint8 ``(B, 24, h, w)`` each.
    """
    parts = np.concatenate((detail, -detail), 1).clip(min=0)
    parts = ((parts + (1 << Z_BITS - DETAIL_BITS - 1)) >> Z_BITS - DETAIL_BITS).clip(max=(1 << 16) - 1)
    return (parts >> 8).astype(np.uint8), (parts & 255).astype(np.uint8)


def value_planes(values: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """uint8 ``(B, 48, h, w)``: positive parts of values and enlarged differences, then negative parts."""
    signed = np.concatenate((values, detail << _GAIN_BITS), 1)
    parts = np.concatenate((signed, -signed), 1)
    shift = Z_BITS - _UNIT_BITS
    return ((parts + (1 << shift - 1)) >> shift).clip(0, 255).astype(np.uint8)


def noise_planes(gamma_index: np.ndarray) -> np.ndarray:
    """``(B, 12, h, w)`` -> uint8 ``(B, 12 + HATS, h, w)``: every subpixel's noise level, then the cell's in hats."""
    level = (gamma_index + (1 << _INDEX_BITS - 1)) >> _INDEX_BITS
    whole = gamma_index.shape[1] << _INDEX_BITS
    at = (2 * gamma_index.sum(1, keepdims=True) + whole) // (2 * whole)
    hats = (UNIT - abs(at - UNIT * np.arange(HATS).reshape(-1, 1, 1))).clip(min=0)
    return np.concatenate((level, hats), 1).astype(np.uint8)


def coarse(planes: np.ndarray) -> np.ndarray:
    """Means over 2x2: uint8 ``(B, C, h, w)`` -> ``(B, C, h / 2, w / 2)``."""
    b, c, h, w = planes.shape
    total = planes.reshape(b, c, h // 2, 2, w // 2, 2).sum((3, 5), dtype=np.int64)
    return ((total + 2) >> 2).astype(np.uint8)


def with_context(planes: np.ndarray, context: np.ndarray) -> np.ndarray:
    """The planes, then a constant plane for every bit of the context, bool ``(B, bits)``."""
    bits = (context * np.uint8(UNIT))[:, :, None, None]
    return np.concatenate((planes, np.broadcast_to(bits, (*context.shape, *planes.shape[2:]))), 1)
