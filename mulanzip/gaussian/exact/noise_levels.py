"""The noise of some images, step by step, as what a :class:`mulanzip.gaussian.exact.process.Process` needs.

All is worked out as logarithms to the base 2, with ``LOG_BITS`` fractional bits, from places in tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.discretized import SCALES, Tables
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, Process
from mulanzip.gaussian.exact.schedule import NoiseTables

#: ``64 ln 2`` with 16 fractional bits: indices of scales per factor of two.
_INDICES = 2_907_270
#: Logarithm of the smallest scale.
_SMALLEST = -7 << LOG_BITS
#: Of the number of values per unit of ``u``.
LOG_PER_UNIT = 7 << LOG_BITS
#: ``log2(12)``: that values are rounded to bins is noise as well.
_LOG_TWELVE = 3_759_106


def scale_index(log: np.ndarray) -> np.ndarray:
    """The nearest index of a scale in bins, by its logarithm; ends stand for all beyond."""
    found: np.ndarray = ((log - _SMALLEST) * _INDICES + (1 << LOG_BITS + 15)) >> LOG_BITS + 16
    return found.clip(0, SCALES - 1)


@dataclass(frozen=True)
class Course:
    """Of ``n`` subpixels and T steps.

    Attributes:
        place: int64 ``(T + 1, n)``, see :mod:`mulanzip.gaussian.exact.schedule`.
        log_width: int64 ``(T + 1, n)``, of bins.
        noise, logs: tables.
    """

    place: np.ndarray
    log_width: np.ndarray
    noise: NoiseTables
    logs: Logarithms

    @classmethod
    def of(cls, place: np.ndarray, log_bins: int, noise: NoiseTables, logs: Logarithms) -> Course:
        """With bins as :meth:`mulanzip.gaussian.exact.export.Grid.of` has them; ``log_bins``: of bins per sigma."""
        new = noise.log_new.take(np.diff(place, axis=0))
        nothing = np.zeros_like(new[:1])
        share = np.minimum(np.concatenate((nothing, new)), np.concatenate((new, nothing)))
        return cls(place, noise.log_sigma.take(place) + share - log_bins, noise, logs)

    def log_alpha(self, step: int) -> np.ndarray:
        return self.noise.log_alpha.take(self.place[step])

    def log_sigma(self, step: int) -> np.ndarray:
        return self.noise.log_sigma.take(self.place[step])

    def log_new(self, step: int) -> np.ndarray:
        """Of the share of noise at ``step + 1`` that is new since ``step``, as a standard deviation."""
        return self.noise.log_new.take(self.place[step + 1] - self.place[step])

    def process(self, normal: Tables, logistic: Tables) -> Process:
        """Its forward process, and ``p(x | z_0)``."""
        steps = range(len(self.place) - 1)
        alpha, width = self.log_alpha(0), self.log_width[0]
        keep = [
            self._coefficient(
                self.log_alpha(s + 1) - self.log_alpha(s) + self.log_width[s] - self.log_width[s + 1], COEFFICIENT_BITS
            )
            for s in steps
        ]
        spread = [self.log_sigma(0) - width]
        spread += [self.log_sigma(s + 1) + self.log_new(s) - self.log_width[s + 1] for s in steps]
        noise = self.logs.log_sum(2 * self.log_sigma(0), 2 * width - _LOG_TWELVE) + 2 * (LOG_PER_UNIT - alpha)
        return Process(
            first=self._coefficient(alpha - width - LOG_PER_UNIT - (1 << LOG_BITS), COEFFICIENT_BITS),
            keep=np.stack(keep),
            spread=scale_index(np.stack(spread)),
            top=scale_index(-self.log_width[-1]),
            level=self._coefficient(LOG_PER_UNIT + width - alpha, COEFFICIENT_BITS),
            sharpness=scale_index(noise),
            normal=normal,
            logistic=logistic,
        )

    def _coefficient(self, log: np.ndarray, bits: int) -> np.ndarray:
        return self.logs.two_to(log, bits)
