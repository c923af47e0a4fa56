"""The Gaussian denoiser in integers, on the backends of :mod:`mulanzip.density`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mulanzip.density.backends import Array, Backend
from mulanzip.density.model import Layer
from mulanzip.gaussian.exact.log_tables import LOG_BITS
from mulanzip.gaussian.exact.planes import (
    DETAIL_BITS,
    Z_BITS,
    cells,
    clip_z,
    coarse,
    detail_planes,
    neighbourhood,
    noise_planes,
    pixels,
    value_planes,
    with_context,
)
from mulanzip.gaussian.exact.posterior import VALUE_BITS

#: Integer units of the head per unit of its means (8 ``u``), and per unit of its log variances.
MEAN_UNIT, LOG_UNIT = 512, 64
#: Left shifts from the units of the head, and from those of the direct layer, to centred values.
_HEAD_BITS = VALUE_BITS + 7 - 12
_DETAIL_BITS = VALUE_BITS + 7 - DETAIL_BITS
#: The log variance at the head's zero, ``ln(0.25)``, and the range of the head's outputs.
_LOG_PRIOR_VARIANCE = -1_453_635
_LOG_LIMITS = (-10 * LOG_UNIT, 3 * LOG_UNIT)
SUBPIXELS = 12


def block_names(blocks: int) -> dict[str, list[str]]:
    """Names of the blocks of each part."""
    counts = {"before": blocks, "middle": 2 * blocks, "after": blocks}
    return {part: [f"{part}.{i}" for i in range(count)] for part, count in counts.items()}


def layer_shapes(channels: int, blocks: int, bits: int) -> dict[str, tuple[int, int, int, int]]:
    """Names of all layers, in order, and the shapes of their weights, as in the float denoiser."""
    c, noise = channels, SUBPIXELS + 8
    found = {"stem": (c, 4 * SUBPIXELS + noise, 3, 3), "down": (c, 4 * c, 1, 1), "up": (4 * c, c, 1, 1)}
    for names in block_names(blocks).values():
        for name in names:
            found |= {f"{name}.first": (c, c, 3, 3), f"{name}.second": (c, c, 3, 3)}
            found[f"{name}.condition"] = (c, noise + bits, 1, 1)
    return found | {"head": (2 * SUBPIXELS, c, 1, 1), "direct": (SUBPIXELS, 2 * SUBPIXELS, 3, 3)}


class IntegerDenoiser:
    """Predicts each subpixel without its own noisy value.

    Args:
        layers: as :func:`layer_shapes` lists them; ``direct`` without shift and bias.
        shift: int64 ``(12,)``, right shift of the sums of ``direct``.
        bias: int64 ``(12,)``, bias of ``direct`` as a centred value.
        blocks: number of blocks at each end.
    """

    def __init__(self, layers: Mapping[str, Layer], shift: np.ndarray, bias: np.ndarray, blocks: int, backend: Backend):
        self.backend = backend
        self.blocks = block_names(blocks)
        self.prepared = {name: backend.prepare(layer) for name, layer in layers.items()}
        self.layers = layers
        self._shift, self._bias = (part.reshape(-1, 1, 1) for part in (shift, bias))

    def __call__(
        self, z: np.ndarray, gamma_index: np.ndarray, gain: np.ndarray, context: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict values from ``z``.

        Args:
            z: int64 ``(B, 3, H, W)`` with ``Z_BITS`` fractional bits.
            gamma_index: noise levels, in the same shape.
            gain: ``prior_gain`` at these noise levels.
            context: bool ``(B, bits)``.

        Returns:
            means as centred values with ``VALUE_BITS`` fractional bits, and natural logs of the variances of ``u`` with
            ``LOG_BITS``: int64 in the shape of ``z``.
        """
        values = cells(clip_z(z))
        common = neighbourhood(values)
        detail = values - common
        noise = noise_planes(cells(gamma_index))
        head = self.head(np.concatenate((value_planes(values, detail), noise), 1), noise, context)
        high, low = (self.direct(part) for part in detail_planes(detail))
        total = ((high << 8) + low << _DETAIL_BITS) >> self._shift
        mean = (head[:, :SUBPIXELS] << _HEAD_BITS) + total + self._bias
        mean += cells(gain) * common >> 16 + Z_BITS - VALUE_BITS - 7
        log_variance = head[:, SUBPIXELS:].clip(*_LOG_LIMITS) << LOG_BITS - 6
        return pixels(mean), pixels(log_variance) + _LOG_PRIOR_VARIANCE

    def head(self, planes: np.ndarray, noise: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Outputs of the network: uint8 planes ``(B, 68, h, w)`` and noise planes -> int64 ``(B, 24, h, w)``."""
        fine, small = (self._array(with_context(part, context)) for part in (noise, coarse(noise)))
        x = self._activation("stem", self._array(planes))
        x = _unshuffled(self._run("before", x, fine))
        y = self._run("middle", self._activation("down", x), small)
        x = _shuffled(self._activation("up", y, x))
        return self._integers("head", self._run("after", x, fine))

    def direct(self, planes: np.ndarray) -> np.ndarray:
        """Sums of the direct layer: uint8 ``(B, 24, h, w)`` -> int64 ``(B, 12, h, w)``."""
        return self._integers("direct", self._array(planes))

    def _run(self, part: str, x: Array, condition: Array) -> Array:
        for name in self.blocks[part]:
            start = self._activation(f"{name}.condition", condition)
            hidden = self._activation(f"{name}.first", x, start)
            x = self._activation(f"{name}.second", hidden, x)
        return x

    def _activation(self, name: str, x: Array, residual: Array | None = None) -> Array:
        return self.backend.activation(self.prepared[name], x, 0, residual)

    def _integers(self, name: str, x: Array) -> np.ndarray:
        found = self.backend.numpy(self.backend.integers(self.prepared[name], x, 0))
        return np.ascontiguousarray(found.transpose(0, 3, 1, 2), np.int64)

    def _array(self, planes: np.ndarray) -> Array:
        """Planes ``(B, C, h, w)`` as a map of the backend."""
        return self.backend.array(planes.transpose(0, 2, 3, 1))


def _unshuffled(x: Array) -> Array:
    """``(B, h, w, C)`` -> ``(B, h / 2, w / 2, 4 C)``: the pixels of each 2x2 cell beside each other, by channel."""
    b, h, w, c = x.shape
    cells = x.reshape(b, h // 2, 2, w // 2, 2, c).swapaxes(2, 3).swapaxes(3, 5).swapaxes(4, 5)
    return cells.reshape(b, h // 2, w // 2, 4 * c)


def _shuffled(x: Array) -> Array:
    """The inverse of :func:`_unshuffled`."""
    b, h, w, c = x.shape
    cells = x.reshape(b, h, w, c // 4, 2, 2).swapaxes(4, 5).swapaxes(3, 5).swapaxes(2, 3)
    return cells.reshape(b, 2 * h, 2 * w, c // 4)
