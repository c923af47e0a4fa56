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
import torch
from torch import Tensor

from mulanzip.bitsback.codec import Codec, Link, chain
from mulanzip.bitsback.gaussian import MEAN_BITS, SCALE_UNIT, SCALES, SMALLEST_SCALE, Tables, within
from mulanzip.errors import ModelError
from mulanzip.gaussian.field import Field
from mulanzip.gaussian.process import LEVELS, PER_UNIT, alpha, sigma
from mulanzip.gaussian.variational import reverse

#: ``p(z_s | z_t)`` as integers: ``model(s, z_t)``, s from 0 to T - 1 and ``z_t`` int64 ``(count, n)``, gives means of
#: ``z_s`` in bins with ``MEAN_BITS`` fractional bits, int64 ``(count, n)``, and indices of scales that broadcast to it.
Model = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]

#: Fractional bits of coefficients.
_COEFFICIENT_BITS = 32
_COEFFICIENT_LIMIT = 1 << _COEFFICIENT_BITS + 4
#: Rows of the arrays of a process.
_SHAPES = {"first": "", "keep": "T", "spread": "T + 1", "top": "", "level": "", "sharpness": ""}
#: Latents have at most so many bins on either side of zero.
LATENT_LIMIT = 1 << 20


@dataclass(frozen=True)
class Grid:
    """The process in floating point, of which the integers are made.

    Attributes:
        gamma: float64 ``(T + 1, n)``, log of noise to signal, rising.
        width: float64 ``(T + 1, n)``, of bins.
    """

    gamma: Tensor
    width: Tensor

    @classmethod
    def of(cls, gamma: Tensor, per_sigma: float) -> Grid:
        """Bins so narrow that the standard deviations of both ``q(z_t | z_s)`` and ``q(z_s | z_t, x)`` have so many."""
        gamma = gamma.double()
        new = torch.sqrt(-torch.expm1(gamma[:-1] - gamma[1:]))
        one = torch.ones_like(gamma[:1])
        share = torch.minimum(torch.cat((one, new)), torch.cat((new, one)))
        return cls(gamma, sigma(gamma) * share / per_sigma)

    @property
    def spread(self) -> Tensor:
        """Standard deviations of ``q(z_0 | x)`` and of all ``q(z_t | z_s)``."""
        new = torch.sqrt(-torch.expm1(self.gamma[:-1] - self.gamma[1:]))
        return sigma(self.gamma) * torch.cat((torch.ones_like(new[:1]), new))


def scale_index(scale: Tensor) -> np.ndarray:
    """The nearest index for a scale in bins: int64.

    Raises:
        ModelError: if there is none.
    """
    found = torch.round(SCALE_UNIT * torch.log(scale / SMALLEST_SCALE))
    if not bool(((found >= 0) & (found < SCALES)).all()):
        raise ModelError("a scale of this process does not fit in the tables: use fewer bins per sigma")
    return found.numpy().astype(np.int64)


def _fixed(values: Tensor, bits: int) -> np.ndarray:
    return torch.round(values * 2.0**bits).numpy().astype(np.int64)


@dataclass(frozen=True)
class Process:
    """Attributes, all int64, of ``n`` subpixels and T steps:

    first: ``(n,)``, bins of ``z_0`` per half level, with 32 fractional bits.
    keep: ``(T, n)``, bins of ``z_t`` per bin of ``z_s``, alike.
    spread: ``(T + 1, n)``, indices of the scales of ``q(z_0 | x)`` and all ``q(z_t | z_s)``.
    top: ``(n,)``, of ``p(z_T)``.
    level: ``(n,)``, levels per bin of ``z_0``, with 32 fractional bits.
    sharpness: ``(n,)``, indices of the scales of ``p(x | z_0)``.
    normal, logistic: tables of all latents, and of ``x``.
    """

    first: np.ndarray
    keep: np.ndarray
    spread: np.ndarray
    top: np.ndarray
    level: np.ndarray
    sharpness: np.ndarray
    normal: Tables
    logistic: Tables

    @classmethod
    def build(cls, grid: Grid) -> Process:
        """Compute all tables.  Floating point, hence at export only: never while coding."""
        a, width = alpha(grid.gamma), grid.width
        # That z_0 is rounded to bins is noise as well.
        noise = PER_UNIT**2 * (sigma(grid.gamma[0]) ** 2 + width[0] ** 2 / 12) / a[0] ** 2
        return cls(
            first=_fixed(a[0] / (2 * PER_UNIT * width[0]), _COEFFICIENT_BITS),
            keep=_fixed(a[1:] / a[:-1] * width[:-1] / width[1:], _COEFFICIENT_BITS),
            spread=scale_index(grid.spread / width),
            top=scale_index(1 / width[-1]),
            level=_fixed(PER_UNIT * width[0] / a[0], _COEFFICIENT_BITS),
            # Of two neighbours that are equally likely at first, normal noise says which one as a logistic function.
            sharpness=scale_index(noise),
            normal=Tables.normal(),
            logistic=Tables.logistic(),
        )

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
            high = _COEFFICIENT_LIMIT if name in ("first", "keep", "level") else SCALES - 1
            if part.min(initial=0) < 0 or part.max(initial=0) > high:
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
        return self._latent(_to_mean(mean), self.spread[0])

    def _data(self, z: np.ndarray) -> Codec[np.ndarray]:
        mean = _to_mean(z * self.level) + ((LEVELS - 1) << MEAN_BITS - 1)
        values = within(self.logistic.codec(mean, self.sharpness), 0, LEVELS - 1)
        return Codec(values.push, lambda message: values.pop(message).astype(np.uint8))

    def _link(self, step: int, model: Model) -> Link:
        return Link(
            lambda z: self._latent(_to_mean(z * self.keep[step]), self.spread[step + 1]),
            lambda z: self._latent(*model(step, z)),
        )


def _to_mean(values: np.ndarray) -> np.ndarray:
    """From the fixed point of coefficients to that of means."""
    shift = _COEFFICIENT_BITS - MEAN_BITS
    found: np.ndarray = values + (1 << shift - 1) >> shift
    return found


@dataclass(frozen=True)
class LinearModel:
    """A model whose means are linear in the latents: the best one of a Gaussian field.

    Attributes:
        matrix: int64 ``(T, n, n)``, bins of ``z_s`` per bin of ``z_t``, with 32 fractional bits.
        scale: int64 ``(T, n)``.
    """

    matrix: np.ndarray
    scale: np.ndarray

    @classmethod
    def build(cls, grid: Grid, field: Field) -> LinearModel:
        """Of a field in units of ``u``.  Floating point, hence at export only: never while coding."""
        unit = torch.eye(grid.gamma.shape[1], dtype=torch.float64)
        matrices, scales = [], []
        for earlier, later, to, of in zip(grid.gamma, grid.gamma[1:], grid.width, grid.width[1:], strict=False):
            found = reverse(field.denoise(unit, later), unit, earlier, later)
            matrices.append(_fixed(found.mean * of[:, None] / to, _COEFFICIENT_BITS))
            scales.append(scale_index(found.variance[0].sqrt() / to))
        return cls(np.stack(matrices), np.stack(scales))

    def __call__(self, step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _to_mean(z @ self.matrix[step]), self.scale[step]
