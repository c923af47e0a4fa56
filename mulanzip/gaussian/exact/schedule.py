"""Noise schedules in integers: how noisy every subpixel is at every step, as a place in tables.

A place g stands for ``gamma = gamma_min + (gamma_max - gamma_min) g / PLACES``.  Rounding to places makes another
schedule that is as good, so nothing is lost by it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms

#: Places of ``gamma``, the first one aside; the network is told one in 64 of them.
PLACES = 7 * 32 * 64
#: The most steps: all of them can rise by a place at least.
MOST_STEPS = 64
#: Of the way, so many thousandths are at constant speed.
FLOOR = 10
GAIN = 10
#: Fractional bits of weights, and of hidden values.
WEIGHT_BITS = 16
#: Coefficients are kept within this, with as many.
_ANS_SLOTS = (512 << WEIGHT_BITS) - 1
#: ``log(e - 1)`` and 0.001, likewise.
_SHIFT, _LEAST = 35_476, 66
BASIS_BITS = 14


@dataclass(frozen=True)
class NoiseTables:
    """By place, int64 ``(PLACES + 1,)`` each, with :data:`LOG_BITS` fractional bits but for the last.

    Attributes:
        gamma: natural logarithm of noise to signal.
        log_alpha, log_sigma: to the base 2.
        log_new: of ``sqrt(1 - exp(-difference))``, by difference of places; that of 0 means nothing.
        prior_gain: see :func:`mulanzip.gaussian.denoiser.prior_gain`; 16 fractional bits.
    """

    gamma: np.ndarray
    log_alpha: np.ndarray
    log_sigma: np.ndarray
    log_new: np.ndarray
    prior_gain: np.ndarray

    def validate(self) -> None:
        """Check what coding relies on.

        Raises:
            ValueError: naming what is wrong.
        """
        for field in fields(self):
            table = getattr(self, field.name)
            if table.dtype != np.int64 or table.shape != (PLACES + 1,):
                raise ValueError(f"the table {field.name} has the wrong size or type")
            if abs(table).max() > 16 << LOG_BITS:
                raise ValueError(f"the table {field.name} is out of range")
        if (np.diff(self.gamma) <= 0).any() or max(self.log_alpha.max(), self.log_sigma.max(), self.log_new.max()) > 0:
            raise ValueError("tables of noise contradict each other")
        if self.prior_gain.min() < 0 or self.prior_gain.max() > 2 << 16:
            raise ValueError("the table prior_gain is out of range")


@dataclass(frozen=True)
class FixedSchedule:
    """The same for all images.

    Attributes:
        place: int64 ``(T + 1, 3, H, W)``, rising from 0 to :data:`PLACES`.
    """

    place: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.place) - 1

    def validate(self, side: int, bits: int) -> None:
        """Check what coding relies on.

        Raises:
            ValueError: naming what is wrong.
        """
        shape = (3, side, side)
        if self.place.dtype != np.int64 or self.place.shape[1:] != shape or not 1 <= self.steps <= MOST_STEPS:
            raise ValueError("the schedule has the wrong shape or type")
        if self.place.min() < 0 or self.place.max() > PLACES or (np.diff(self.place, axis=0) < 1).any():
            raise ValueError("the schedule does not rise")

    def places(self, contexts: np.ndarray, logs: Logarithms) -> np.ndarray:
        """Of images with these contexts, bool ``(B, bits)``: int64 ``(T + 1, B, 3, H, W)``."""
        return np.repeat(self.place[:, None], len(contexts), 1)


@dataclass(frozen=True)
class AdaptiveSchedule:
    """Of each image by its context: see :class:`mulanzip.gaussian.schedule.PolynomialSchedule`.

    Attributes:
        count: T, as an array of one number.
        first: int64 ``(hidden, bits)``, first_bias ``(hidden,)``, last ``(outputs, hidden)``: weights with 16
            fractional bits.
        last_bias: int64 ``(outputs,)``, likewise.
        basis: int64 ``(outputs / 9, H, W)``, with 14.
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
            ValueError: naming what is wrong.
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
        if not 1 <= self.steps <= MOST_STEPS or hidden > 1 << 10 or waves > 1 << 8:
            raise ValueError("the schedule is too large")
        # Exact for Python's integers, whatever the arrays hold.
        inner = abs(self.first).sum(1) + abs(self.first_bias)
        outer = max(sum(int(a) * int(b) for a, b in zip(row, inner, strict=True)) for row in abs(self.last))
        weight = (outer >> WEIGHT_BITS) + int(abs(self.last_bias).max()) + 1
        whole = GAIN * weight * int(abs(self.basis).sum(0).max())
        if max(outer, whole) >= 1 << 62:
            raise ValueError("sums of the schedule could overflow")

    def places(self, contexts: np.ndarray, logs: Logarithms) -> np.ndarray:
        """See :meth:`FixedSchedule.places`."""
        hidden = np.maximum(contexts.astype(np.int64) @ self.first.T + self.first_bias, 0)
        weights = (hidden @ self.last.T >> WEIGHT_BITS) + self.last_bias
        raw = GAIN * weights.reshape(-1, len(self.basis)) @ self.basis.reshape(len(self.basis), -1) >> BASIS_BITS
        a, b, d = raw.clip(-_ANS_SLOTS, _ANS_SLOTS).reshape(len(contexts), 3, 3, *self.basis.shape[1:]).swapaxes(0, 1)
        softplus = logs.softplus.take(logs.sigmoid_place(d + _SHIFT, WEIGHT_BITS)) >> LOG_BITS - WEIGHT_BITS
        # Beyond the table's end it is what it is of.
        d = _LEAST + np.maximum(softplus, d + _SHIFT)
        return _rising(a, b, d, self.steps)


def _rising(a: np.ndarray, b: np.ndarray, d: np.ndarray, steps: int) -> np.ndarray:
    """Places at all steps of ``P(t) = int_0^t (a s^2 + b s + d)^2 ds``."""
    parts = d * d, b * d, (b * b + 2 * a * d) // 3, a * b // 2, a * a // 5
    whole = np.maximum(sum(parts), 1)
    found = np.empty((steps + 1, *a.shape), dtype=np.int64)
    for step in range(steps + 1):
        at = parts[4]
        for part in parts[3::-1]:
            at = at * step // steps + part
        at = (at * step // steps).clip(0, whole)
        # A quotient of 20 bits, ten by ten.
        high = (at << 10) // whole
        share = (high << 10) + (((at << 10) - high * whole) << 10) // whole
        even = (FLOOR << 20) * step // steps
        found[step] = (((1000 - FLOOR) * share + even) * PLACES + (500 << 20)) // (1000 << 20)
    # Each step at least one place, whatever rounding did; and the ends are where they are.
    least = np.arange(steps + 1).reshape(-1, 1, 1, 1, 1)
    found = np.maximum.accumulate(found - least, axis=0) + least
    return np.minimum(found, PLACES - steps + least)
