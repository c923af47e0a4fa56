"""Logarithms to the base 2 and their powers in integers, by look-up tables that are part of a model."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

#: Fractional bits of logarithms.
LOG_BITS = 20
#: Bits of a fraction that index the tables of powers and logarithms.
_FRACTION = 12
_REST = LOG_BITS - _FRACTION
#: Fractional bits of the table of powers, which is linear between entries.
_POWER_BITS = 29
#: Entries of the table of sums per unit, and its end; beyond it, the smaller addend is negligible.
_SUM_STEPS, _SUM_END = 128, 32
#: Entries of tables of sigmoids per unit, and their end on either side of 0.
SIGMOID_STEPS, SIGMOID_END = 256, 32
#: Fractional bits of sigmoids.
SIGMOID_BITS = 24
_POWERS_OF_TWO = np.int64(1) << np.arange(63, dtype=np.int64)


@dataclass(frozen=True)
class Logarithms:
    """Tables, int64 each.

    Attributes:
        power: ``(4097,)``, ``2**(i / 4096)`` with 29 fractional bits.
        logarithm: ``(4096,)``, ``log2(1 + i / 4096)``.
        log_one_plus: ``(4097,)``, ``log2(1 + 2**(-i / 128))``.
        sigmoid: ``(16385,)``, ``1 / (1 + exp(-t))`` with 24 fractional bits, t from -32 to 32 in steps of 1/256.
        log_sigmoid: ``(16385,)``, its logarithm to the base 2, for the same t.
        softplus: ``(16385,)``, ``log(1 + exp(t))`` with :data:`LOG_BITS` fractional bits, for the same t.
    """

    power: np.ndarray
    logarithm: np.ndarray
    log_one_plus: np.ndarray
    sigmoid: np.ndarray
    log_sigmoid: np.ndarray
    softplus: np.ndarray

    @classmethod
    def build(cls) -> Logarithms:
        """Compute the tables.  Floats are allowed only here."""
        fraction = np.arange((1 << _FRACTION) + 1) / (1 << _FRACTION)
        drop = np.arange(_SUM_STEPS * _SUM_END + 1) / _SUM_STEPS
        t = np.arange(-SIGMOID_STEPS * SIGMOID_END, SIGMOID_STEPS * SIGMOID_END + 1) / SIGMOID_STEPS
        one = float(1 << LOG_BITS)
        tables = (
            np.exp2(fraction) * (1 << _POWER_BITS),
            np.log2(1 + fraction[:-1]) * one,
            np.log2(1 + np.exp2(-drop)) * one,
            (1 << SIGMOID_BITS) / (1 + np.exp(-t)),
            -np.logaddexp(0, -t) / np.log(2) * one,
            np.logaddexp(0, t) * one,
        )
        return cls(*(np.rint(table).astype(np.int64) for table in tables))

    def validate(self) -> None:
        """Check what coding relies on: sizes, and ranges in which nothing overflows.

        Raises:
            ValueError: naming the problem.
        """
        sigmoids = 2 * SIGMOID_STEPS * SIGMOID_END + 1
        sizes = {"power": (1 << _FRACTION) + 1, "logarithm": 1 << _FRACTION, "log_one_plus": _SUM_STEPS * _SUM_END + 1}
        unit = 1 << LOG_BITS
        ranges = {
            "power": (1 << _POWER_BITS, 2 << _POWER_BITS),
            "logarithm": (0, unit),
            "log_one_plus": (0, unit),
            "sigmoid": (0, 1 << SIGMOID_BITS),
            "log_sigmoid": (-64 * unit, 0),
            "softplus": (0, 64 * unit),
        }
        for field in fields(self):
            table = getattr(self, field.name)
            low, high = ranges[field.name]
            if table.dtype != np.int64 or table.shape != (sizes.get(field.name, sigmoids),):
                raise ValueError(f"the table {field.name} has the wrong size or type")
            if table.min() < low or table.max() > high:
                raise ValueError(f"the table {field.name} is out of range")

    def two_to(self, log: np.ndarray, bits: int) -> np.ndarray:
        """``2**log`` with ``bits`` fractional bits: int64, for logarithms up to ``62 - bits``."""
        entry = log >> _REST & (1 << _FRACTION) - 1
        below = self.power.take(entry)
        mantissa = below + ((self.power.take(entry + 1) - below) * (log & (1 << _REST) - 1) >> _REST)
        shift = (log >> LOG_BITS) + (bits - _POWER_BITS)
        found: np.ndarray = (mantissa << shift.clip(0, 32)) >> (-shift).clip(0, 63)
        return found

    def log_of(self, values: np.ndarray) -> np.ndarray:
        """Logarithms of int64 values; values below 1 count as 1."""
        values = np.maximum(values, 1)
        exponent = np.searchsorted(_POWERS_OF_TWO, values, side="right") - 1
        entry = (values << 62 - exponent) >> 62 - _FRACTION & (1 << _FRACTION) - 1
        found: np.ndarray = (exponent << LOG_BITS) + self.logarithm.take(entry)
        return found

    def log_sum(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """``log2(2**one + 2**other)``."""
        drop = (abs(one - other) // ((1 << LOG_BITS) // _SUM_STEPS)).clip(max=len(self.log_one_plus) - 1)
        found: np.ndarray = np.maximum(one, other) + self.log_one_plus.take(drop)
        return found

    @staticmethod
    def sigmoid_index(t: np.ndarray, bits: int) -> np.ndarray:
        """Index of t, with ``bits`` fractional bits, in the tables of sigmoids.  Values beyond an end get that end."""
        end = SIGMOID_STEPS * SIGMOID_END
        shift = bits - (SIGMOID_STEPS.bit_length() - 1)
        return ((t + (1 << shift - 1)) >> shift).clip(-end, end) + end
