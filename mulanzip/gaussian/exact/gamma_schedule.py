"""Noise schedules in integers: the noise level of every subpixel at every step, as an index into tables.

Index g stands for ``gamma = gamma_min + (gamma_max - gamma_min) g / MAX_GAMMA_INDEX``.  Rounding to indices gives
another valid schedule, so it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms

#: The largest gamma_index.  The network sees noise levels in units of 64 indices.
MAX_GAMMA_INDEX = 7 * 32 * 64
#: The largest number of steps.
MAX_STEPS = 64
#: Weight of the linear ramp mixed into every schedule, in thousandths.
LINEAR_PER_MILLE = 10
GAIN = 10
#: Fractional bits of weights, hidden values and coefficients.
WEIGHT_BITS = 16
#: Limit of the coefficients.
_COEFFICIENT_LIMIT = (512 << WEIGHT_BITS) - 1
#: ``log(e - 1)`` and 0.001, with ``WEIGHT_BITS``.
_SHIFT, _LEAST = 35_476, 66
BASIS_BITS = 14


@dataclass(frozen=True)
class NoiseTables:
    """Tables indexed by gamma_index, int64 ``(MAX_GAMMA_INDEX + 1,)``; all but the last have :data:`LOG_BITS`.

    Attributes:
        gamma: natural log of the noise-to-signal ratio.
        log_alpha, log_sigma: logarithms to the base 2.
        log_new: log2 of ``sqrt(1 - exp(-difference))``, indexed by a difference of indices; entry 0 is unused.
        prior_gain: see :func:`mulanzip.gaussian.denoiser.prior_gain`; 16 fractional bits.
    """

    gamma: np.ndarray
    log_alpha: np.ndarray
    log_sigma: np.ndarray
    log_new: np.ndarray
    prior_gain: np.ndarray

    def validate(self) -> None:
        """Check what coding relies on: sizes, ranges and monotonicity.

        Raises:
            ValueError: naming the problem.
        """
        for field in fields(self):
            table = getattr(self, field.name)
            if table.dtype != np.int64 or table.shape != (MAX_GAMMA_INDEX + 1,):
                raise ValueError(f"the table {field.name} has the wrong size or type")
            if abs(table).max() > 16 << LOG_BITS:
                raise ValueError(f"the table {field.name} is out of range")
        if (np.diff(self.gamma) <= 0).any() or max(self.log_alpha.max(), self.log_sigma.max(), self.log_new.max()) > 0:
            raise ValueError("tables of noise contradict each other")
        if self.prior_gain.min() < 0 or self.prior_gain.max() > 2 << 16:
            raise ValueError("the table prior_gain is out of range")


@dataclass(frozen=True)
class FixedSchedule:
    """A schedule that is the same for all images.

    Attributes:
        gamma_index: int64 ``(T + 1, 3, H, W)``, rising from 0 to :data:`MAX_GAMMA_INDEX`.
    """

    gamma_index: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.gamma_index) - 1

    def validate(self, side: int, bits: int) -> None:
        """Check what coding relies on: shape, range, and that the schedule rises.

        Raises:
            ValueError: naming the problem.
        """
        shape, index = (3, side, side), self.gamma_index
        if index.dtype != np.int64 or index.shape[1:] != shape or not 1 <= self.steps <= MAX_STEPS:
            raise ValueError("the schedule has the wrong shape or type")
        if index.min() < 0 or index.max() > MAX_GAMMA_INDEX or (np.diff(index, axis=0) < 1).any():
            raise ValueError("the schedule does not rise")

    def gamma_indices(self, contexts: np.ndarray, logs: Logarithms) -> np.ndarray:
        """The schedules of images with these contexts, bool ``(B, bits)``: int64 ``(T + 1, B, 3, H, W)``."""
        return np.repeat(self.gamma_index[:, None], len(contexts), 1)


@dataclass(frozen=True)
class AdaptiveSchedule:
    """A schedule that depends on the context, see :class:`mulanzip.gaussian.noise_schedule.PolynomialSchedule`.

    Attributes:
        count: T, as an array of one number.
        first: int64 ``(hidden, bits)``, with ``WEIGHT_BITS`` fractional bits like all weights.
        first_bias: int64 ``(hidden,)``.
        last: int64 ``(outputs, hidden)``.
        last_bias: int64 ``(outputs,)``.
        basis: int64 ``(outputs / 9, H, W)``, with ``BASIS_BITS`` fractional bits.
    """

    count: np.ndarray
    first: np.ndarray
    first_bias: np.ndarray
    last: np.ndarray
    last_bias: np.ndarray
    basis: np.ndarray

    @property
    def steps(self) -> int:
        return int(self.count[0])

    def validate(self, side: int, bits: int) -> None:
        """Check what coding relies on: shapes, and that no sum can overflow.

        Raises:
            ValueError: naming the problem.
        """
        hidden, waves = len(self.first), len(self.basis)
        shapes = {
            "count": (1,),
            "first": (hidden, bits),
            "first_bias": (hidden,),
            "last": (9 * waves, hidden),
            "last_bias": (9 * waves,),
            "basis": (waves, side, side),
        }
        for name, shape in shapes.items():
            part = getattr(self, name)
            if part.dtype != np.int64 or part.shape != shape:
                raise ValueError(f"{name} of the schedule has the wrong shape or type")
            if part.min() < -(1 << 31) or part.max() >= 1 << 31:
                raise ValueError(f"{name} of the schedule is out of range")
        if not 1 <= self.steps <= MAX_STEPS or hidden > 1 << 10 or waves > 1 << 8:
            raise ValueError("the schedule is too large")
        # In Python's integers, which cannot overflow themselves.
        inner = abs(self.first).sum(1) + abs(self.first_bias)
        outer = max(sum(int(a) * int(b) for a, b in zip(row, inner, strict=True)) for row in abs(self.last))
        weight = (outer >> WEIGHT_BITS) + int(abs(self.last_bias).max()) + 1
        whole = GAIN * weight * int(abs(self.basis).sum(0).max())
        if max(outer, whole) >= 1 << 62:
            raise ValueError("sums of the schedule could overflow")

    def gamma_indices(self, contexts: np.ndarray, logs: Logarithms) -> np.ndarray:
        """See :meth:`FixedSchedule.gamma_indices`."""
        hidden = np.maximum(contexts.astype(np.int64) @ self.first.T + self.first_bias, 0)
        weights = (hidden @ self.last.T >> WEIGHT_BITS) + self.last_bias
        raw = GAIN * weights.reshape(-1, len(self.basis)) @ self.basis.reshape(len(self.basis), -1) >> BASIS_BITS
        raw = raw.clip(-_COEFFICIENT_LIMIT, _COEFFICIENT_LIMIT)
        a, b, d = raw.reshape(len(contexts), 3, 3, *self.basis.shape[1:]).swapaxes(0, 1)
        softplus = logs.softplus.take(logs.sigmoid_index(d + _SHIFT, WEIGHT_BITS)) >> LOG_BITS - WEIGHT_BITS
        # Beyond the table's end, softplus(t) is t.
        d = _LEAST + np.maximum(softplus, d + _SHIFT)
        return _integrate(a, b, d, self.steps)


def _integrate(a: np.ndarray, b: np.ndarray, d: np.ndarray, steps: int) -> np.ndarray:
    """gamma_index at all steps from ``P(t) = int_0^t (a s^2 + b s + d)^2 ds``, mixed with the linear ramp."""
    parts = d * d, b * d, (b * b + 2 * a * d) // 3, a * b // 2, a * a // 5
    whole = np.maximum(sum(parts), 1)
    found = np.empty((steps + 1, *a.shape), dtype=np.int64)
    for step in range(steps + 1):
        at = parts[4]
        for part in parts[3::-1]:
            at = at * step // steps + part
        at = (at * step // steps).clip(0, whole)
        # A quotient of 20 bits, 10 bits at a time.
        high = (at << 10) // whole
        fraction = (high << 10) + (((at << 10) - high * whole) << 10) // whole
        linear = (LINEAR_PER_MILLE << 20) * step // steps
        mixed = (1000 - LINEAR_PER_MILLE) * fraction + linear
        found[step] = (mixed * MAX_GAMMA_INDEX + (500 << 20)) // (1000 << 20)
    # Rounding must not leave a step without a rise, nor move the ends.
    least = np.arange(steps + 1).reshape(-1, 1, 1, 1, 1)
    found = np.maximum.accumulate(found - least, axis=0) + least
    return np.minimum(found, MAX_GAMMA_INDEX - steps + least)
