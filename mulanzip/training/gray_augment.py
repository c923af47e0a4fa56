"""Degradation of gray training patches: what sensors, processing and storage leave in scientific images.

All steps work on float32 ``(h, w)``.  The unit is the step of the samples as they will be stored; ``noise`` is the
median difference of a pixel from its neighbours in this unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
_LARGEST = 65535


def degrade(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrade a patch: real numbers ``(h, w)`` -> int32 of the same shape, 0 to 65535."""
    x = patch.astype(np.float32)
    for step, share in _STEPS:
        if rng.random() < share:
            x = step(x, rng)
    x = x - min(0.0, float(x.min()))
    x *= min(1.0, _LARGEST / max(1.0, float(x.max())))
    stored = np.rint(x)
    for step, share in _STORED_STEPS:
        if rng.random() < share:
            stored = step(stored, rng)
    return np.clip(stored, 0, _LARGEST).astype(np.int32)


def noise_of(x: np.ndarray) -> float:
    """Median difference of a pixel from the mean of its diagonal neighbours; at least a quarter of a step."""
    around = x[:-2, :-2] + x[2:, 2:] + x[2:, :-2] + x[:-2, 2:]
    difference = np.abs(x[1:-1, 1:-1] - around / 4)
    difference = difference[difference > 0]
    return max(0.25, float(np.median(difference))) if difference.size else 0.25


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _resized(x: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.asarray(Image.fromarray(x).resize(size, _KERNELS[rng.integers(len(_KERNELS))]))


def _enlarge(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Resampling: the middle of the patch, enlarged."""
    height, width = x.shape
    factor = rng.uniform(1.05, 2.2)
    h, w = max(2, round(height / factor)), max(2, round(width / factor))
    top, left = (height - h) // 2, (width - w) // 2
    return _resized(np.ascontiguousarray(x[top : top + h, left : left + w]), (width, height), rng)


def _blur(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A kernel of three rows, three columns or both, which blurs or sharpens."""
    side = rng.uniform(-0.15, 0.6)
    for axis in (0, 1) if rng.random() < 0.7 else (int(rng.integers(2)),):
        before, after = np.roll(x, 1, axis), np.roll(x, -1, axis)
        x = (x + side * (before + after)) / np.float32(1 + 2 * side)
    return x


def _noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of a sensor, stronger in bright areas; or speckle."""
    sigma = noise_of(x) * _log_uniform(0.3, 6, rng)
    grain = rng.standard_normal(x.shape, dtype=np.float32)
    low, high = np.percentile(x, (1, 99))
    bright = np.clip((x - low) / max(1e-6, high - low), 0, 1)
    floor = rng.uniform(0.05, 1)
    shape = np.sqrt(floor + (1 - floor) * bright) if rng.random() < 0.8 else floor + (1 - floor) * bright
    return x + np.float32(sigma) * shape * grain


def _lines(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows or columns of a sensor with offsets or gains of their own."""
    axis = int(rng.integers(2))
    shape = (x.shape[0], 1) if axis else (1, x.shape[1])
    own = rng.standard_normal(shape, dtype=np.float32)
    if rng.random() < 0.3:
        return x * (1 + np.float32(rng.uniform(0.001, 0.03)) * own)
    return x + np.float32(noise_of(x) * _log_uniform(0.1, 2, rng)) * own


def _mosaic(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour filters of a sensor: a gain for each place in squares of two rows and columns."""
    gains = rng.uniform(0.4, 1, (2, 2)).astype(np.float32)
    if rng.random() < 0.7:
        gains[1, 0] = gains[0, 1]
    return x * np.tile(gains, (-(-x.shape[0] // 2), -(-x.shape[1] // 2)))[: x.shape[0], : x.shape[1]]


def _gain(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another unit and another offset."""
    return (x - float(x.min())) * np.float32(_log_uniform(1 / 16, 8, rng)) + np.float32(_log_uniform(1, 2000, rng) - 1)


def _curve(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A power of brightness."""
    low, span = float(x.min()), max(1e-6, float(np.ptp(x)))
    return low + span * ((x - low) / span) ** np.float32(_log_uniform(0.45, 2.2, rng))


def _gaps(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rescaling of stored samples: steps of 2 to 32, or a gain that leaves gaps."""
    gain = float(rng.integers(2, 33)) if rng.random() < 0.4 else rng.uniform(0.4, 5)
    return np.rint(x * min(gain, _LARGEST / max(1.0, float(x.max()))))


def _clip(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A window of brightness, clipped at one end or both."""
    low, high = np.percentile(x, (rng.uniform(0, 40), rng.uniform(60, 100)))
    return np.clip(x, low if rng.random() < 0.7 else None, max(high, low + 1) if rng.random() < 0.6 else None)


def _pad(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Constant padding beyond a line or outside of a circle."""
    h, w = x.shape
    row, column = np.mgrid[:h, :w].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
        outside = np.cos(angle) * (column / w - 0.5) + np.sin(angle) * (row / h - 0.5) < rng.uniform(-0.6, 0.2)
    else:
        centre, radius = rng.uniform(-1, 2, 2) * (h, w), _log_uniform(0.5, 4, rng) * h
        outside = np.hypot(row - centre[0], column - centre[1]) > max(radius, float(np.hypot(*centre - (h / 2, w / 2))))
    value = 0.0 if rng.random() < 0.6 else float(rng.choice([x.min(), x.max(), np.median(x)]))
    return np.where(outside, np.float32(value), x)


def _hot_pixels(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Single pixels that are far too bright or too dark."""
    hit = rng.random(x.shape) < _log_uniform(1e-4, 3e-3, rng)
    return np.where(hit, x + np.float32(rng.choice([-1, 1]) * rng.uniform(0.1, 1) * max(1.0, float(np.ptp(x)))), x)


_Step = Callable[[np.ndarray, np.random.Generator], np.ndarray]
#: Steps in order, and their probabilities.
_STEPS: tuple[tuple[_Step, float], ...] = (
    (_enlarge, 0.3),
    (_blur, 0.25),
    (_curve, 0.15),
    (_mosaic, 0.06),
    (_gain, 0.7),
    (_noise, 0.5),
    (_lines, 0.12),
    (_hot_pixels, 0.04),
)
#: The same for samples that have been rounded.
_STORED_STEPS: tuple[tuple[_Step, float], ...] = ((_gaps, 0.25), (_clip, 0.15), (_pad, 0.2))
