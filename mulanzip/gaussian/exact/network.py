"""The Gaussian denoiser in integers, on the backends of :mod:`mulanzip.density`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mulanzip.density.backends import Backend
from mulanzip.density.model import Layer
from mulanzip.gaussian.exact.log_tables import LOG_BITS
from mulanzip.gaussian.exact.planes import (
    DETAIL_BITS,
    Z_BITS,
    cells,
    coarse,
    detail_planes,
    limited,
    neighbourhood,
    noise_planes,
    pixels,
    value_planes,
    with_context,
)
from mulanzip.gaussian.exact.posterior import PLACE_BITS

#: Integer units of the head per unit of ``u`` (as large as the network has it), and of logarithms of variances.
MEAN_UNIT, LOG_UNIT = 512, 64
#: From the head's units, and from those of details, to places.
_HEAD_BITS = PLACE_BITS + 7 - 12
_DETAIL_BITS = PLACE_BITS + 7 - DETAIL_BITS
#: Logarithms of variances: in the middle, ``ln(0.25)``, and their range in the head's units.
_LOG_VARIANCE = -1_453_635
_LOG_LIMITS = (-10 * LOG_UNIT, 3 * LOG_UNIT)
SUBPIXELS = 12


def block_names(blocks: int) -> dict[str, list[str]]:
    """Names of the blocks of each part."""
    counts = {"before": blocks, "middle": 2 * blocks, "after": blocks}
    return {part: [f"{part}.{i}" for i in range(count)] for part, count in counts.items()}


def layer_shapes(channels: int, blocks: int, bits: int) -> dict[str, tuple[int, int, int, int]]:
    """Names of all layers, in order, and the shapes of their weights: those of the float denoiser."""
    c, noise = channels, SUBPIXELS + 8
    found = {"stem": (c, 4 * SUBPIXELS + noise, 3, 3), "down": (c, 4 * c, 1, 1), "up": (4 * c, c, 1, 1)}
    for names in block_names(blocks).values():
        for name in names:
            found |= {f"{name}.first": (c, c, 3, 3), f"{name}.second": (c, c, 3, 3)}
            found[f"{name}.condition"] = (c, noise + bits, 1, 1)
    return found | {"head": (2 * SUBPIXELS, c, 1, 1), "direct": (SUBPIXELS, 2 * SUBPIXELS, 3, 3)}


class IntegerDenoiser:
    """What each subpixel would be without its own noisy value.

    Args:
        layers: as :func:`layer_shapes` has them; ``direct`` without shift and bias.
        shift, bias: int64 ``(12,)`` of ``direct``: bits that its sums are larger by, and what is added as a place.
    """

    def __init__(self, layers: Mapping[str, Layer], shift: np.ndarray, bias: np.ndarray, blocks: int, backend: Backend):
        self.backend = backend
        self.blocks = block_names(blocks)
        self.prepared = {name: backend.prepare(layer) for name, layer in layers.items()}
        #: Input channels of each layer.
        self.inputs = {name: layer.weight.shape[1] for name, layer in layers.items()}
        self._shift, self._bias = (part.reshape(-1, 1, 1) for part in (shift, bias))

    @torch.inference_mode()
    def __call__(
        self, z: np.ndarray, place: np.ndarray, gain: np.ndarray, context: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict values from ``z``.

        Args:
            z: int64 ``(B, 3, H, W)`` with ``Z_BITS`` fractional bits.
            place: of the schedule, alike; gain: ``prior_gain`` there.
            context: bool ``(B, bits)``.

        Returns:
            places of values with ``PLACE_BITS``, and logarithms of variances with ``LOG_BITS``: int64 like ``z``.
        """
        values = cells(limited(z))
        common = neighbourhood(values)
        detail = values - common
        noise = noise_planes(cells(place))
        head = self.head(np.concatenate((value_planes(values, detail), noise), 1), noise, context)
        high, low = (self.direct(part) for part in detail_planes(detail))
        total = ((high << 8) + low << _DETAIL_BITS) >> self._shift
        mean = (head[:, :SUBPIXELS] << _HEAD_BITS) + total + self._bias
        mean += cells(gain) * common >> 16 + Z_BITS - PLACE_BITS - 7
        log_variance = head[:, SUBPIXELS:].clip(*_LOG_LIMITS) << LOG_BITS - 6
        return pixels(mean), pixels(log_variance) + _LOG_VARIANCE

    def head(self, planes: np.ndarray, noise: np.ndarray, context: np.ndarray) -> np.ndarray:
        """uint8 planes ``(B, 68, h, w)`` and those of noise -> int64 ``(B, 24, h, w)``."""
        fine, small = (self._tensor(with_context(part, context)) for part in (noise, coarse(noise)))
        x = self._activation("stem", self._tensor(planes))
        x = self._run("before", x, fine)
        y = self._activation("down", _channels_last(F.pixel_unshuffle(x, 2)))
        y = self._run("middle", y, small)
        x = F.pixel_shuffle(self._activation("up", y, _channels_last(F.pixel_unshuffle(x, 2))), 2)
        return self._integers("head", self._run("after", _channels_last(x), fine))

    def direct(self, planes: np.ndarray) -> np.ndarray:
        """Sums of the direct layer: uint8 ``(B, 24, h, w)`` -> int64 ``(B, 12, h, w)``."""
        return self._integers("direct", self._tensor(planes))

    def _run(self, part: str, x: Tensor, condition: Tensor) -> Tensor:
        for name in self.blocks[part]:
            start = self._activation(f"{name}.condition", condition)
            hidden = self._activation(f"{name}.first", x, start)
            x = self._activation(f"{name}.second", hidden, x)
        return x

    def _activation(self, name: str, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return self.backend.activation(self.prepared[name], x, 0, residual)

    def _integers(self, name: str, x: Tensor) -> np.ndarray:
        found = self.backend.integers(self.prepared[name], x, 0)
        return found.cpu().to(torch.int64).contiguous().numpy()

    def _tensor(self, planes: np.ndarray) -> Tensor:
        return _channels_last(torch.from_numpy(np.ascontiguousarray(planes)).to(self.backend.device))


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
