"""Degradation of training patches, so that they resemble images from more sources than the training photographs.

Most training photographs were downscaled, which removes noise and interpolation.  Scanned film is soft and grainy; the
full resolution of a camera has noise that was demosaiced together with the picture; many pictures were sharpened, or
had chroma at half the resolution.  All steps work on float32 ``(h, w, 3)`` in 0..255, colours in coding order (green
first).
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

#: Kinds of degradation: none, or the step after which the kind is named.  "disc" is a photographic disc; if its
#: picture was rotated or cropped, chroma samples start at column 1 ("x"), at row 1 ("y"), or both.  "scanned" is a
#: medical scan.
DEGRADATIONS = ("plain", "soft", "grain", "sensor", "compressed", "disc", "disc-x", "disc-y", "disc-xy", "scanned")
#: Probability of each kind among the patches that are not "scanned".
DEGRADATION_SHARES = (0.6, 0.05, 0.08, 0.09, 0.08, 0.04, 0.02, 0.02, 0.02)

_LUMA = np.array([[0.587], [0.299], [0.114]], dtype=np.float32)
_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def augment(patch: np.ndarray, degradation: int, rng: np.random.Generator) -> np.ndarray:
    """Degrade a patch: uint8 ``(h, w, 3)`` -> the same shape and type.

    Args:
        degradation: index in :data:`DEGRADATIONS`.  Steps of earlier kinds may be applied first.
    """
    name, _, odd = DEGRADATIONS[degradation].partition("-")
    if name == "plain":
        return patch
    if name == "scanned":
        return _scanned(patch, rng)
    down, across = int("y" in odd), int("x" in odd)
    x = np.pad(patch, ((down, 0), (across, 0), (0, 0)), mode="edge").astype(np.float32)
    for step, of, share in _STEPS:
        if of == name or ((of is None or DEGRADATIONS.index(of) < degradation) and rng.random() < share):
            x = step(x, rng)
    return np.clip(np.rint(x[down:, across:]), 0, 255).astype(np.uint8)


def _scanned(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A medical scan: gray, soft and noisy, in front of a black background without noise.

    Args:
        patch: uint8 ``(h, w, 3)``; only the first colour is used.
    """
    height, width = patch.shape[:2]
    x = np.repeat(patch[..., :1], 3, 2).astype(np.float32)
    x = _grain(_enlarge(x, rng) * rng.uniform(0.2, 1) + rng.uniform(0, 50), rng)
    x[...] = x[..., :1]
    y, across = np.mgrid[:height, :width].astype(np.float32)
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(-0.7, 0.7)
    edge = np.cos(angle) * (across / width - 0.5) + np.sin(angle) * (y / height - 0.5)
    x[edge < distance] = 0
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _resized(x: np.ndarray, size: tuple[int, int], kernel: Image.Resampling) -> np.ndarray:
    planes = [np.asarray(Image.fromarray(x[..., c]).resize(size, kernel)) for c in range(x.shape[2])]
    return np.stack(planes, -1)


def _blurred(x: np.ndarray, side: float) -> np.ndarray:
    """Convolve rows and columns with ``(side, 1, side) / (1 + 2 side)``."""
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    x = x[1:-1] + side * (x[:-2] + x[2:])
    blurred: np.ndarray = (x[:, 1:-1] + side * (x[:, :-2] + x[:, 2:])) / (1 + 2 * side) ** 2
    return blurred


def _overexpose(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretch brightness beyond 0..255 at one end, so that skies or shadows are clipped to a constant."""
    gain = rng.uniform(1.2, 3)
    return x * gain if rng.random() < 0.7 else (x - 255) * gain + 255


def _enlarge(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reduce and enlarge again, which removes detail."""
    height, width = x.shape[:2]
    factor = rng.uniform(1.1, 2.2)
    down, up = (_KERNELS[i] for i in rng.integers(len(_KERNELS), size=2))
    small = _resized(x, (max(1, round(width / factor)), max(1, round(height / factor))), down)
    return _resized(small, (width, height), up)


def _sensor(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A Bayer sensor: one noisy colour per pixel, the others interpolated."""
    height, width = x.shape[:2]
    gains = np.array([1.0, *rng.uniform(1, 2, 2)], dtype=np.float32)
    sigma = float(np.exp(rng.uniform(np.log(0.5), np.log(8.0))))
    x = _blurred(x, rng.uniform(0, 0.4))  # The lens, and the low-pass filter in front of the sensor.
    noise = sigma * np.sqrt(0.1 + 0.9 * np.clip(x, 0, 255) / 255) * gains
    x = x + noise * rng.standard_normal(x.shape, dtype=np.float32)
    rows, columns = (np.arange(n) + rng.integers(2) for n in (height, width))
    parity = rows[:, None] % 2 * 2 + columns % 2
    masks = np.stack(((parity == 1) | (parity == 2), parity == 0, parity == 3), -1)

    def filled(sparse: np.ndarray, mask: np.ndarray) -> np.ndarray:
        near = mask.astype(np.float32)
        return np.where(mask, sparse, _blurred(sparse * near, 0.5) / _blurred(near, 0.5))

    green = filled(x[..., :1], masks[..., :1])
    if rng.random() < 0.3:
        others = filled(x[..., 1:], masks[..., 1:])
    else:  # Differences to green are smoother than the colours themselves; better cameras interpolate those.
        others = green + filled(x[..., 1:] - green, masks[..., 1:])
    return np.concatenate((green, others), -1)


def _grain(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Film grain: noise that is correlated between colours, often blurred, and stronger in bright areas."""
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    common = rng.uniform(0, 0.95)
    noise = (1 - common) ** 0.5 * noise + common**0.5 * noise[..., :1]
    if rng.random() < 0.7:
        noise = _blurred(noise, rng.uniform(0.1, 0.7))
        noise /= max(noise.std(), 0.1)
    sigma = float(np.exp(rng.uniform(np.log(0.6), np.log(8.0))))
    floor = rng.uniform(0.1, 1)
    return x + sigma * np.sqrt(floor + (1 - floor) * np.clip(x, 0, 255) / 255) * noise


def _sharpen(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unsharp masking."""
    return x + rng.uniform(0.2, 1.2) * (x - _blurred(x, rng.uniform(0.3, 1)))


def _disc(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photographic disc (Photo CD).

    It stores luma beyond white, so that one of its luma or chroma steps is more than one level on the screen.
    """
    gain = rng.uniform(0.8, 1)
    x = _soft_colours(x, 1.3584 * gain, (2.2179 * gain, 1.8215 * gain), (True, True))
    return 255 * (np.clip(x, 0, 255) / 255) ** rng.uniform(0.8, 1.2)  # Tone curve of the screen.


def _compress(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG of good quality, or video whose only visible loss is the resolution of chroma."""
    if rng.random() < 0.5:
        return _soft_colours(x, 1, (1.772, 1.402), (False, rng.random() < 0.5))
    return _jpeg(x, rng)


def _soft_colours(x: np.ndarray, luma_step: float, steps: tuple[float, float], sited: tuple[bool, bool]) -> np.ndarray:
    """Quantise luma and chroma, chroma at half the resolution.

    Args:
        luma_step: quantisation step of luma, in levels.
        steps: quantisation steps of blue minus luma and red minus luma.
        sited: for rows and columns, whether chroma samples lie on pixels, or midway between two.
    """
    luma = x @ _LUMA
    sizes = np.array(steps, dtype=np.float32)
    halved = x[..., [2, 1]] - luma
    for axis, on_samples in enumerate(sited):
        halved = _halved(halved, axis, on_samples)
    halved = np.rint(halved / sizes)
    for axis, on_samples in enumerate(sited):
        halved = _doubled(halved, axis, on_samples, x.shape[axis])
    halved = np.floor(halved + 0.5)  # Decoders round halves up, which is a visible bias.
    blue, red = np.split(halved * sizes, 2, -1)
    luma = np.rint(luma / luma_step) * np.float32(luma_step)
    return np.concatenate((luma - (_LUMA[2] * blue + _LUMA[1] * red) / _LUMA[0], luma + red, luma + blue), -1)


def _halved(x: np.ndarray, axis: int, on_samples: bool) -> np.ndarray:
    """Reduce an axis to half its size: samples on every second pixel, or midway between two pixels."""
    x = np.moveaxis(x, axis, 0)
    x = np.pad(x, ((1, 2), *[(0, 0)] * (x.ndim - 1)), mode="edge")
    found = (x[:-3] + 2 * x[1:-2] + x[2:-1]) / 4 if on_samples else (x[1:-2] + x[2:-1]) / 2
    return np.moveaxis(found[::2], 0, axis)


def _doubled(x: np.ndarray, axis: int, on_samples: bool, size: int) -> np.ndarray:
    """Interpolate the result of :func:`_halved` back to ``size``."""
    x = np.moveaxis(x, axis, 0)
    after = np.concatenate((x[1:], x[-1:]))
    if on_samples:
        pair = (x, (x + after) / 2)
    else:
        before = np.concatenate((x[:1], x[:-1]))
        pair = ((3 * x + before) / 4, (3 * x + after) / 4)
    found = np.stack(pair, 1).reshape(-1, *x.shape[1:])[:size]
    return np.moveaxis(found, 0, axis)


def _jpeg(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG of quality 88 to 98."""
    rgb = np.clip(np.rint(x[..., [1, 0, 2]]), 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(rgb).save(
        file, "JPEG", quality=int(rng.integers(88, 99)), subsampling=0 if rng.random() < 0.5 else 2
    )
    return np.asarray(Image.open(file), dtype=np.float32)[..., [1, 0, 2]]


#: Steps in order: function, the kind of degradation named after it, probability that it precedes a later kind.
_STEPS = (
    (_enlarge, "soft", 0.35),
    (_sensor, "sensor", 0.3),
    (_grain, "grain", 0.3),
    (_sharpen, None, 0.2),
    (_compress, "compressed", 0.1),
    (_disc, "disc", 0.0),
    (_overexpose, None, 0.12),
)
