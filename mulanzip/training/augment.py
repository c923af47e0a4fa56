"""Patches that look like other cameras: smoother, or noisier, than downscaled photographs are."""

from __future__ import annotations

import numpy as np
from PIL import Image

#: Share of patches that are smoothed, and (independently) that get noise.
SMOOTH_SHARE = 0.22
NOISE_SHARE = 0.22

_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def augment(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Maybe smooth, maybe add noise: uint8 ``(h, w, 3)`` -> the same shape and type."""
    if rng.random() < SMOOTH_SHARE:
        patch = _smooth(patch, rng)
    if rng.random() < NOISE_SHARE:
        patch = _add_noise(patch, rng)
    return patch


def _smooth(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lose detail as an enlarged or demosaiced picture does; half the time in colour only."""
    height, width = patch.shape[:2]
    factor = rng.uniform(1.1, 2.2)
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    down, up = (_KERNELS[i] for i in rng.integers(len(_KERNELS), size=2))
    smooth = np.asarray(Image.fromarray(patch).resize(small, down).resize((width, height), up))
    if rng.random() < 0.5:
        return smooth
    # Differences to the first colour, green, are what chroma subsampling smooths.
    first = patch[..., :1].astype(np.int16)
    colour = smooth.astype(np.int16) - smooth[..., :1]
    return np.clip(first + colour, 0, 255).astype(np.uint8)


def _add_noise(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of a sensor or of film: partly common to the colours, maybe blurred, stronger where it is bright."""
    height, width = patch.shape[:2]
    noise = rng.standard_normal((height + 2, width + 2, 3), dtype=np.float32)
    common = rng.uniform(0, 0.9)
    noise = np.sqrt(1 - common) * noise + np.sqrt(common) * noise[..., :1]
    if rng.random() < 0.5:
        rows = noise[:-2] + 2 * noise[1:-1] + noise[2:]
        noise = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 6
    else:
        noise = noise[1:-1, 1:-1]
    sigma = np.exp(rng.uniform(np.log(0.6), np.log(9.0)))
    floor = rng.uniform(0.1, 1)
    gain = sigma * np.sqrt(floor + (1 - floor) * patch.astype(np.float32) / 255)
    return np.clip(np.rint(patch + gain * noise), 0, 255).astype(np.uint8)
