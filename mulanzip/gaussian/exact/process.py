"""The Gaussian process with T steps in integers: latents as numbers of bins, distributions as fixed point and indices.

Forward, ``q(z_0 | x)`` and ``q(z_t | z_s)``, whose product with the prior is the same as that of ``q(z_T | x)`` and
``q(z_s | z_t, x)``, but does not need ``x``: so each latent can be coded as soon as the next one is drawn.  Backward,
``p(z_T) = N(0, I)``, a model's ``p(z_s | z_t)``, and ``p(x | z_0)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.codecs import Codec, Link, chain
from mulanzip.gaussian.exact.discretized import MEAN_BITS, SCALES, Tables, within

#: ``p(z_s | z_t)`` as integers: ``model(s, z_t)``, s from 0 to T - 1 and ``z_t`` int64 ``(count, n)``, gives means of
#: ``z_s`` in bins with ``MEAN_BITS`` fractional bits, int64 ``(count, n)``, and indices of scales that broadcast to it.
Model = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]

#: Fractional bits of coefficients.
COEFFICIENT_BITS = 32
#: The largest coefficients: with latents within their limit, no product overflows, and no mean is too far away.
_LIMITS = {"first": 1 << 44, "keep": 1 << 42, "level": 1 << 36}
#: Rows of the arrays of a process.
_SHAPES = {"first": "", "keep": "T", "spread": "T + 1", "top": "", "level": "", "sharpness": ""}
#: Values of a subpixel.
LEVELS = 256
#: Latents have at most so many bins on either side of zero.
LATENT_LIMIT = 1 << 20


@dataclass(frozen=True)
class Process:
    """Of ``n`` subpixels and T steps.  All arrays are int64, coefficients have 32 fractional bits.

    Attributes:
        first: ``(n,)``, bins of ``z_0`` per half level.
        keep: ``(T, n)``, bins of ``z_t`` per bin of ``z_s``.
        spread: ``(T + 1, n)``, indices of the scales of ``q(z_0 | x)`` and all ``q(z_t | z_s)``.
        top: ``(n,)``, indices of the scales of ``p(z_T)``.
        level: ``(n,)``, levels per bin of ``z_0``.
        sharpness: ``(n,)``, indices of the scales of ``p(x | z_0)``.
        normal, logistic: tables for all latents, and for ``x``.
    """

    first: np.ndarray
    keep: np.ndarray
    spread: np.ndarray
    top: np.ndarray
    level: np.ndarray
    sharpness: np.ndarray
    normal: Tables
    logistic: Tables

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file must hold."""
        found: dict[str, np.ndarray] = {}
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, Tables):
                found |= {f"{field.name}.{f.name}": getattr(part, f.name) for f in fields(part)}
            else:
                found[field.name] = part
        return found

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Process:
        """The inverse of :meth:`arrays`.

        Raises:
            ModelError: if something is missing or out of range.
        """
        try:
            parts: dict[str, Any] = {name: arrays[name] for name in _SHAPES}
            for name in ("normal", "logistic"):
                parts[name] = Tables(*(arrays[f"{name}.{f.name}"] for f in fields(Tables)))
            process = cls(**parts)
            process.validate()
        except KeyError as error:
            raise ModelError(f"the process has no {error.args[0]}") from None
        except ValueError as error:
            raise ModelError(str(error)) from None
        return process

    def validate(self) -> None:
        """Check what coding relies on.

        Raises:
            ValueError: naming what is wrong.
        """
        if self.first.ndim != 1 or self.keep.ndim != 2:
            raise ValueError("the process has the wrong shape")
        n, steps = len(self.first), len(self.keep)
        for name, rows in _SHAPES.items():
            part = getattr(self, name)
            shape = {"": (n,), "T": (steps, n), "T + 1": (steps + 1, n)}[rows]
            if part.shape != shape or part.dtype != np.int64:
                raise ValueError(f"{name} of the process has the wrong shape or type")
            if part.min(initial=0) < 0 or part.max(initial=0) > _LIMITS.get(name, SCALES - 1):
                raise ValueError(f"{name} of the process is out of range")
        self.normal.validate()
        self.logistic.validate()

    def links(self, model: Model) -> list[Link]:
        """From images, uint8 ``(count, n)``, up to ``z_T``; latents are int64 ``(count, n)``."""
        return [Link(self._first_latent, self._data), *(self._link(step, model) for step in range(len(self.keep)))]

    def prior(self, count: int) -> Codec[np.ndarray]:
        """Of ``z_T``."""
        return self._latent(np.zeros((count, len(self.top)), dtype=np.int64), self.top)

    def codec(self, model: Model, count: int) -> Codec[np.ndarray]:
        """Of so many images, uint8 ``(count, n)``, all their subpixels side by side in one chain.

        ``pop`` raises CorruptFileError where a message leads out of range.
        """
        return chain(self.links(model), self.prior(count))

    def _latent(self, mean: np.ndarray, scale: np.ndarray) -> Codec[np.ndarray]:
        return within(self.normal.codec(mean, scale), -LATENT_LIMIT, LATENT_LIMIT)

    def _first_latent(self, x: np.ndarray) -> Codec[np.ndarray]:
        mean = (2 * x.astype(np.int64) - (LEVELS - 1)) * self.first
        return self._latent(to_mean(mean), self.spread[0])

    def _data(self, z: np.ndarray) -> Codec[np.ndarray]:
        mean = to_mean(z * self.level) + ((LEVELS - 1) << MEAN_BITS - 1)
        values = within(self.logistic.codec(mean, self.sharpness), 0, LEVELS - 1)
        return Codec(values.push, lambda message: values.pop(message).astype(np.uint8))

    def _link(self, step: int, model: Model) -> Link:
        return Link(
            lambda z: self._latent(to_mean(z * self.keep[step]), self.spread[step + 1]),
            lambda z: self._latent(*model(step, z)),
        )


def to_mean(values: np.ndarray) -> np.ndarray:
    """From the fixed point of coefficients to that of means."""
    shift = COEFFICIENT_BITS - MEAN_BITS
    found: np.ndarray = values + (1 << shift - 1) >> shift
    return found
