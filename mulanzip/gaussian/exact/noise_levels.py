"""The noise levels of several images at every step, and the :class:`Process` that follows from them.

Everything is computed as logarithms to the base 2 with ``LOG_BITS`` fractional bits, looked up by gamma_index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.discretized import SCALES, DistributionTables
from mulanzip.gaussian.exact.gamma_schedule import NoiseTables
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, Process

#: ``64 ln 2`` with 16 fractional bits: number of scale indices per factor of two.
_SCALES_PER_OCTAVE = 2_907_270
#: Logarithm of the smallest scale.
_LOG_MIN_SCALE = -7 << LOG_BITS
#: Logarithm of the number of values per unit of ``u``.
LOG_PER_UNIT = 7 << LOG_BITS
#: ``log2(12)``: rounding to bins adds noise with a variance of 1/12 squared bins.
_LOG_TWELVE = 3_759_106


def scale_index(log: np.ndarray) -> np.ndarray:
    """The nearest index of a scale, from the logarithm of the scale in bins, clipped to the table."""
    found: np.ndarray = ((log - _LOG_MIN_SCALE) * _SCALES_PER_OCTAVE + (1 << LOG_BITS + 15)) >> LOG_BITS + 16
    return found.clip(0, SCALES - 1)


@dataclass(frozen=True)
class NoiseLevels:
    """Noise levels and bin widths of ``n`` subpixels at T + 1 times.

    Attributes:
        gamma_index: int64 ``(T + 1, n)``, see :mod:`mulanzip.gaussian.exact.gamma_schedule`.
        log_width: int64 ``(T + 1, n)``, width of the bins.
        noise, logs: tables.
    """

    gamma_index: np.ndarray
    log_width: np.ndarray
    noise: NoiseTables
    logs: Logarithms

    @classmethod
    def from_gamma_index(
        cls, gamma_index: np.ndarray, log_bins: int, noise: NoiseTables, logs: Logarithms
    ) -> NoiseLevels:
        """Choose the width of bins by the smaller standard deviation of ``q(z_t | z_s)`` and ``q(z_s | z_t, x)``.

        Args:
            log_bins: logarithm of the number of bins per standard deviation.
        """
        new = noise.log_new.take(np.diff(gamma_index, axis=0))
        zero = np.zeros_like(new[:1])
        narrowest = np.minimum(np.concatenate((zero, new)), np.concatenate((new, zero)))
        return cls(gamma_index, noise.log_sigma.take(gamma_index) + narrowest - log_bins, noise, logs)

    def log_alpha(self, step: int) -> np.ndarray:
        return self.noise.log_alpha.take(self.gamma_index[step])

    def log_sigma(self, step: int) -> np.ndarray:
        return self.noise.log_sigma.take(self.gamma_index[step])

    def log_new(self, step: int) -> np.ndarray:
        """The part of the noise at ``step + 1`` that is new since ``step``: its fraction of the standard deviation."""
        return self.noise.log_new.take(self.gamma_index[step + 1] - self.gamma_index[step])

    def process(self, normal: DistributionTables, logistic: DistributionTables) -> Process:
        """The forward process at these noise levels, and ``p(x | z_0)``."""
        steps = range(len(self.gamma_index) - 1)
        alpha, width = self.log_alpha(0), self.log_width[0]
        keep = [
            self._coefficient(self.log_alpha(s + 1) - self.log_alpha(s) + self.log_width[s] - self.log_width[s + 1])
            for s in steps
        ]
        forward = [self.log_sigma(0) - width]
        forward += [self.log_sigma(s + 1) + self.log_new(s) - self.log_width[s + 1] for s in steps]
        noise = self.logs.log_sum(2 * self.log_sigma(0), 2 * width - _LOG_TWELVE) + 2 * (LOG_PER_UNIT - alpha)
        return Process(
            half_value=self._coefficient(alpha - width - LOG_PER_UNIT - (1 << LOG_BITS)),
            keep=np.stack(keep),
            forward_scale=scale_index(np.stack(forward)),
            prior_scale=scale_index(-self.log_width[-1]),
            value_per_bin=self._coefficient(LOG_PER_UNIT + width - alpha),
            value_scale=scale_index(noise),
            normal=normal,
            logistic=logistic,
        )

    def _coefficient(self, log: np.ndarray) -> np.ndarray:
        return self.logs.two_to(log, COEFFICIENT_BITS)
