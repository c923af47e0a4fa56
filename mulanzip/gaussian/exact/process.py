"""The Gaussian process with T steps in integers: latents are indices of bins, distributions have indexed scales.

Forward: ``q(z_0 | x)`` and ``q(z_t | z_s)``.  Their product is the same joint distribution as that of ``q(z_T | x)``
and ``q(z_s | z_t, x)``, but they do not need ``x``, so each latent can be coded as soon as the next one is drawn.
Backward: ``p(z_T) = N(0, I)``, a model's ``p(z_s | z_t)``, and ``p(x | z_0)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.codecs import Link, MessageCodec, bit_swap
from mulanzip.gaussian.exact.discretized import MEAN_BITS, SCALES, DistributionTables, within

#: ``p(z_s | z_t)`` in integers: ``model(s, z_t)`` with s from 0 to T - 1 and ``z_t`` int64 ``(count, n)``.  It returns
#: means of ``z_s`` in bins with ``MEAN_BITS`` fractional bits, int64 ``(count, n)``, and indices of scales that
#: broadcast to that shape.
ReverseModel = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]

#: Fractional bits of coefficients.
COEFFICIENT_BITS = 32
#: The largest coefficients.  With latents within their limit, no product overflows and no mean is too far away.
_LIMITS = {"half_value": 1 << 44, "keep": 1 << 42, "value_per_bin": 1 << 36}
#: Rows of the arrays of a process.
_SHAPES = {
    "half_value": "",
    "keep": "T",
    "forward_scale": "T + 1",
    "prior_scale": "",
    "value_per_bin": "",
    "value_scale": "",
}
#: Number of values of a subpixel.
VALUES = 256
#: The largest index of a bin, on either side of zero.
LATENT_LIMIT = 1 << 20


@dataclass(frozen=True)
class Process:
    """The process of ``n`` subpixels with T steps.  Arrays are int64, coefficients have 32 fractional bits.

    Attributes:
        half_value: ``(n,)``, bins of ``z_0`` per half a value.
        keep: ``(T, n)``, bins of ``z_t`` per bin of ``z_s``.
        forward_scale: ``(T + 1, n)``, indices of the scales of ``q(z_0 | x)`` and of every ``q(z_t | z_s)``.
        prior_scale: ``(n,)``, indices of the scales of ``p(z_T)``.
        value_per_bin: ``(n,)``, values per bin of ``z_0``.
        value_scale: ``(n,)``, indices of the scales of ``p(x | z_0)``.
        normal: tables for all latents.
        logistic: tables for ``x``.
    """

    half_value: np.ndarray
    keep: np.ndarray
    forward_scale: np.ndarray
    prior_scale: np.ndarray
    value_per_bin: np.ndarray
    value_scale: np.ndarray
    normal: DistributionTables
    logistic: DistributionTables

    def validate(self) -> None:
        """Check what coding relies on: shapes, types and ranges.

        Raises:
            ValueError: naming the problem.
        """
        if self.half_value.ndim != 1 or self.keep.ndim != 2:
            raise ValueError("the process has the wrong shape")
        n, steps = len(self.half_value), len(self.keep)
        for name, rows in _SHAPES.items():
            part = getattr(self, name)
            shape = {"": (n,), "T": (steps, n), "T + 1": (steps + 1, n)}[rows]
            if part.shape != shape or part.dtype != np.int64:
                raise ValueError(f"{name} of the process has the wrong shape or type")
            if part.min(initial=0) < 0 or part.max(initial=0) > _LIMITS.get(name, SCALES - 1):
                raise ValueError(f"{name} of the process is out of range")
        self.normal.validate()
        self.logistic.validate()

    def links(self, model: ReverseModel) -> list[Link]:
        """The chain from images, uint8 ``(count, n)``, up to ``z_T``; latents are int64 ``(count, n)``."""
        return [Link(self._first_latent, self._data), *(self._link(step, model) for step in range(len(self.keep)))]

    def prior(self, count: int) -> MessageCodec[np.ndarray]:
        """The codec of ``z_T``."""
        return self._latent(np.zeros((count, len(self.prior_scale)), dtype=np.int64), self.prior_scale)

    def codec(self, model: ReverseModel, count: int) -> MessageCodec[np.ndarray]:
        """The codec of ``count`` images, uint8 ``(count, n)``, with all their subpixels side by side in one chain.

        ``pop`` raises CorruptFileError if a decoded value is out of range.
        """
        return bit_swap(self.links(model), self.prior(count))

    def _latent(self, mean: np.ndarray, scale: np.ndarray) -> MessageCodec[np.ndarray]:
        return within(self.normal.codec(mean, scale), -LATENT_LIMIT, LATENT_LIMIT)

    def _first_latent(self, x: np.ndarray) -> MessageCodec[np.ndarray]:
        mean = (2 * x.astype(np.int64) - (VALUES - 1)) * self.half_value
        return self._latent(to_mean(mean), self.forward_scale[0])

    def _data(self, z: np.ndarray) -> MessageCodec[np.ndarray]:
        mean = to_mean(z * self.value_per_bin) + ((VALUES - 1) << MEAN_BITS - 1)
        values = within(self.logistic.codec(mean, self.value_scale), 0, VALUES - 1)
        return MessageCodec(values.push, lambda message: values.pop(message).astype(np.uint8))

    def _link(self, step: int, model: ReverseModel) -> Link:
        return Link(
            lambda z: self._latent(to_mean(z * self.keep[step]), self.forward_scale[step + 1]),
            lambda z: self._latent(*model(step, z)),
        )


def to_mean(values: np.ndarray) -> np.ndarray:
    """From ``COEFFICIENT_BITS`` to ``MEAN_BITS`` fractional bits, rounded."""
    shift = COEFFICIENT_BITS - MEAN_BITS
    found: np.ndarray = values + (1 << shift - 1) >> shift
    return found
