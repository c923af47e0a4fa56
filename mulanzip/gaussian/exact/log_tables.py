"""Logarithms to the base 2 and their powers in integers, by look-up tables that are part of a model."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

#: Fractional bits of logarithms.
LOG_BITS = 20
#: Bits of a fraction that the tables of powers and logarithms know.
_FRACTION = 12
_REST = LOG_BITS - _FRACTION
#: Fractional bits of the table of powers, which is linear between entries.
_POWER_BITS = 29
#: Entries of the table of sums per unit; beyond its end, the smaller one does not count.
_SUM_STEPS, _SUM_END = 128, 32
#: Entries of tables of sigmoids per unit, and where they end on either side of 0.
SIGMOID_STEPS, SIGMOID_END = 256, 32
#: Fractional bits of sigmoids.
CDF_BITS = 24
_WHOLE = np.int64(1) << np.arange(63, dtype=np.int64)


@dataclass(frozen=True)
class Logarithms:
    """Tables, int64 each.

    Attributes:
        power: ``(4097,)``, ``2**(i / 4096)`` with 29 fractional bits.
        logarithm: ``(4096,)``, of ``1 + i / 4096`` to the base 2.
        total: ``(4097,)``, ``log2(1 + 2**(-i / 128))``.
        share: ``(16385,)``, ``1 / (1 + exp(-t))`` with 24 fractional bits, t from -32 to 32 in steps of 1/256.
        log_share: likewise, its logarithm.
        softplus: likewise, ``log(1 + exp(t))`` with :data:`LOG_BITS` fractional bits.
    """

    power: np.ndarray
    logarithm: np.ndarray
    total: np.ndarray
    share: np.ndarray
    log_share: np.ndarray
    softplus: np.ndarray

    @classmethod
    def build(cls) -> Logarithms:
        """Floats are allowed here and only here."""
        fraction = np.arange((1 << _FRACTION) + 1) / (1 << _FRACTION)
        drop = np.arange(_SUM_STEPS * _SUM_END + 1) / _SUM_STEPS
        t = np.arange(-SIGMOID_STEPS * SIGMOID_END, SIGMOID_STEPS * SIGMOID_END + 1) / SIGMOID_STEPS
        one = float(1 << LOG_BITS)
        tables = (
            np.exp2(fraction) * (1 << _POWER_BITS),
            np.log2(1 + fraction[:-1]) * one,
            np.log2(1 + np.exp2(-drop)) * one,
            (1 << CDF_BITS) / (1 + np.exp(-t)),
            -np.logaddexp(0, -t) / np.log(2) * one,
            np.logaddexp(0, t) * one,
        )
        return cls(*(np.rint(table).astype(np.int64) for table in tables))

    def validate(self) -> None:
        """Check what coding relies on: sizes and ranges, so that nothing overflows.

        Raises:
            ValueError: naming what is wrong.
        """
        sigmoids = 2 * SIGMOID_STEPS * SIGMOID_END + 1
        sizes = {"power": (1 << _FRACTION) + 1, "logarithm": 1 << _FRACTION, "total": _SUM_STEPS * _SUM_END + 1}
        unit = 1 << LOG_BITS
        ranges = {
            "power": (1 << _POWER_BITS, 2 << _POWER_BITS),
            "logarithm": (0, unit),
            "total": (0, unit),
            "share": (0, 1 << CDF_BITS),
            "log_share": (-64 * unit, 0),
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
        """``2**log`` with so many fractional bits: int64; logarithms up to ``62 - bits``."""
        place = log >> _REST & (1 << _FRACTION) - 1
        below = self.power.take(place)
        mantissa = below + ((self.power.take(place + 1) - below) * (log & (1 << _REST) - 1) >> _REST)
        shift = (log >> LOG_BITS) + (bits - _POWER_BITS)
        found: np.ndarray = (mantissa << shift.clip(0, 32)) >> (-shift).clip(0, 63)
        return found

    def of(self, values: np.ndarray) -> np.ndarray:
        """Logarithms of int64 values, those below 1 taken for 1."""
        values = np.maximum(values, 1)
        whole = np.searchsorted(_WHOLE, values, side="right") - 1
        place = (values << 62 - whole) >> 62 - _FRACTION & (1 << _FRACTION) - 1
        found: np.ndarray = (whole << LOG_BITS) + self.logarithm.take(place)
        return found

    def log_sum(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """``log2(2**one + 2**other)``."""
        drop = (abs(one - other) // ((1 << LOG_BITS) // _SUM_STEPS)).clip(max=len(self.total) - 1)
        found: np.ndarray = np.maximum(one, other) + self.total.take(drop)
        return found

    @staticmethod
    def sigmoid_place(t: np.ndarray, bits: int) -> np.ndarray:
        """Where tables of sigmoids have what belongs to t, with so many fractional bits; ends stand for all beyond."""
        end = SIGMOID_STEPS * SIGMOID_END
        shift = bits - (SIGMOID_STEPS.bit_length() - 1)
        return ((t + (1 << shift - 1)) >> shift).clip(-end, end) + end
