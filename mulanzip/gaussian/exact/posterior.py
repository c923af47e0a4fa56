"""From the network's predictions to ``p(z_s | z_t)``, in integers: Bayes' rule, restriction to values, a reverse step.

Centred values are values minus 127.5, with 16 fractional bits.  Variances are in squared values.
"""

from __future__ import annotations

import numpy as np

from mulanzip.gaussian.exact.discretized import MEAN_BITS
from mulanzip.gaussian.exact.log_tables import LOG_BITS, SIGMOID_BITS
from mulanzip.gaussian.exact.noise_levels import LOG_PER_UNIT, NoiseLevels, scale_index
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, VALUES

#: Fractional bits of centred values.
VALUE_BITS = 16
_VARIANCE_BITS = 20
_WEIGHT_BITS = 30
#: ``log2(0.36)``: above this variance, a sum over integers equals an integral well enough.
_LOG_COARSE = -1_545_529
#: ``log2(log2(e) / 2)``.
_LOG_HALF_E = -494_124
#: Integers on either side of the nearest one that enter the sum.
_REACH = 2
#: Limits of centred values, and of their distance from the nearest integer value.
_MAX_VALUE = (1 << 12 + VALUE_BITS) - 1
_MAX_OFFSET = 16 << VALUE_BITS
_GAIN_BITS = 28


def own_value(levels: NoiseLevels, step: int, z: np.ndarray) -> np.ndarray:
    """The centred value that ``z`` itself suggests: ``z / alpha``."""
    unit = levels.logs.two_to(levels.log_width[step] + LOG_PER_UNIT - levels.log_alpha(step), COEFFICIENT_BITS)
    found: np.ndarray = z * unit >> COEFFICIENT_BITS - VALUE_BITS
    return found.clip(-_MAX_VALUE, _MAX_VALUE)


def combine_with_own_value(
    levels: NoiseLevels, step: int, z: np.ndarray, mean: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bayes' rule: combine the network's prediction of each subpixel with that subpixel's own noisy value.

    Args:
        z: bins ``(n,)`` at ``step``.
        mean: centred values ``(n,)`` predicted without the own value.
        log_variance: natural logs of the variances of ``u``, with ``LOG_BITS`` fractional bits.

    Returns:
        means as centred values, and logs of their variances to the base 2.
    """
    logs, gamma = levels.logs, levels.noise.gamma.take(levels.gamma_index[step])
    at = logs.sigmoid_index(log_variance - gamma, LOG_BITS)
    mean = mean.clip(-_MAX_VALUE, _MAX_VALUE)
    mean = mean + ((own_value(levels, step, z) - mean) * logs.sigmoid.take(at) >> SIGMOID_BITS)
    log_noise = 2 * (levels.log_sigma(step) - levels.log_alpha(step) + LOG_PER_UNIT)
    return mean, logs.log_sigmoid.take(at) + log_noise


def restrict_to_values(
    levels: NoiseLevels, mean: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log variance of a normal distribution restricted to the values 0..255.

    See :func:`mulanzip.gaussian.denoiser.restrict_to_values`.
    """
    logs, one = levels.logs, 1 << VALUE_BITS
    log_fine = np.minimum(log_variance, _LOG_COARSE)
    zero = (VALUES - 1) << VALUE_BITS - 1
    nearest = ((mean + zero + one // 2) >> VALUE_BITS).clip(0, VALUES - 1)
    off = (mean + zero - (nearest << VALUE_BITS)).clip(-_MAX_OFFSET, _MAX_OFFSET)
    sharp = logs.two_to(_LOG_HALF_E - log_fine, VALUE_BITS).clip(max=1 << 26)
    total = np.full(mean.shape, 1 << _WEIGHT_BITS, dtype=np.int64)
    first, second = np.zeros_like(total), np.zeros_like(total)
    for k in (k for k in range(-_REACH, _REACH + 1) if k):
        energy = (k * k * one - 2 * k * off) * sharp >> 2 * VALUE_BITS - LOG_BITS
        weight = logs.two_to(-energy.clip(0, 40 << LOG_BITS), _WEIGHT_BITS)
        weight *= (nearest + k >= 0) & (nearest + k < VALUES)
        total += weight
        first += k * weight
        second += k * k * weight
    first = (first << VALUE_BITS) // total
    variance = (second << _VARIANCE_BITS) // total - (first * first >> 2 * VALUE_BITS - _VARIANCE_BITS)
    variance += logs.two_to(log_variance, _VARIANCE_BITS) - logs.two_to(log_fine, _VARIANCE_BITS)
    return (nearest << VALUE_BITS) + first - zero, logs.log_of(variance) - (_VARIANCE_BITS << LOG_BITS)


def reverse_step(
    levels: NoiseLevels, step: int, z: np.ndarray, mean: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``p(z_s | z_t)`` where s is ``step`` and t the next one, see :func:`mulanzip.gaussian.variational.reverse_step`.

    Args:
        z: bins of ``z_t``.
        mean, log_variance: of the values, as :func:`restrict_to_values` returns them.

    Returns:
        means of ``z_s`` in bins with ``MEAN_BITS`` fractional bits, and indices of scales.
    """
    logs, width, new = levels.logs, levels.log_width[step], levels.log_new(step)
    alpha, sigma = levels.log_alpha(step), levels.log_sigma(step)
    kept = levels.log_alpha(step + 1) - alpha + 2 * (sigma - levels.log_sigma(step + 1))
    gain = alpha + 2 * new - width - LOG_PER_UNIT
    kept_unit = logs.two_to(kept + levels.log_width[step + 1] - width, COEFFICIENT_BITS)
    bins = z * kept_unit >> COEFFICIENT_BITS - MEAN_BITS
    bins += mean * logs.two_to(gain, _GAIN_BITS) >> _GAIN_BITS + VALUE_BITS - MEAN_BITS
    log_scale = logs.log_sum(2 * (sigma + new - width), 2 * gain + log_variance) >> 1
    return bins, scale_index(log_scale)
