"""From what a network says of subpixels to ``p(z_s | z_t)``, in integers: Bayes' rule, whole values, and one step back.

Places of values are in levels, 0 in the middle of 0..255, with 16 fractional bits; variances in levels squared.
"""

from __future__ import annotations

import numpy as np

from mulanzip.gaussian.exact.discretized import MEAN_BITS
from mulanzip.gaussian.exact.log_tables import CDF_BITS, LOG_BITS
from mulanzip.gaussian.exact.noise_levels import LOG_PER_UNIT, Course, scale_index
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS, LEVELS

PLACE_BITS = 16
_VARIANCE_BITS = 20
_WEIGHT_BITS = 30
#: Beyond this variance integers are as good as a continuum: ``log2(0.36)``.
_LOG_COARSE = -1_545_529
#: ``log2(log2(e) / 2)``.
_LOG_HALF_E = -494_124
_NEAR = 2
#: Places are kept within this, and within some levels of the nearest value.
_MOST_PLACE = (1 << 12 + PLACE_BITS) - 1
_MOST_OFF = 16 << PLACE_BITS
_GAIN_BITS = 28


def own_place(course: Course, step: int, z: np.ndarray) -> np.ndarray:
    """Where ``z`` itself puts each value: ``z / alpha``."""
    unit = course.logs.two_to(course.log_width[step] + LOG_PER_UNIT - course.log_alpha(step), COEFFICIENT_BITS)
    found: np.ndarray = z * unit >> COEFFICIENT_BITS - PLACE_BITS
    return found.clip(-_MOST_PLACE, _MOST_PLACE)


def bayes(
    course: Course, step: int, z: np.ndarray, mean: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Put in what each subpixel says of itself.

    Args:
        z: bins ``(n,)`` at ``step``.
        mean: places ``(n,)`` without it; log_variance: of ``u``, natural, with ``LOG_BITS`` fractional bits.

    Returns:
        places, and logarithms of variances.
    """
    logs, gamma = course.logs, course.noise.gamma.take(course.place[step])
    at = logs.sigmoid_place(log_variance - gamma, LOG_BITS)
    mean = mean.clip(-_MOST_PLACE, _MOST_PLACE)
    place = mean + ((own_place(course, step, z) - mean) * logs.share.take(at) >> CDF_BITS)
    log_noise = 2 * (course.log_sigma(step) - course.log_alpha(step) + LOG_PER_UNIT)
    return place, logs.log_share.take(at) + log_noise


def on_grid(course: Course, place: np.ndarray, log_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and logarithm of the variance of a normal distribution restricted to whole values 0..255.

    See :func:`mulanzip.gaussian.denoiser.on_grid`.
    """
    logs, one = course.logs, 1 << PLACE_BITS
    log_fine = np.minimum(log_variance, _LOG_COARSE)
    zero = (LEVELS - 1) << PLACE_BITS - 1
    nearest = ((place + zero + one // 2) >> PLACE_BITS).clip(0, LEVELS - 1)
    off = (place + zero - (nearest << PLACE_BITS)).clip(-_MOST_OFF, _MOST_OFF)
    sharp = logs.two_to(_LOG_HALF_E - log_fine, PLACE_BITS).clip(max=1 << 26)
    total = np.full(place.shape, 1 << _WEIGHT_BITS, dtype=np.int64)
    first, second = np.zeros_like(total), np.zeros_like(total)
    for k in (k for k in range(-_NEAR, _NEAR + 1) if k):
        energy = (k * k * one - 2 * k * off) * sharp >> 2 * PLACE_BITS - LOG_BITS
        weight = logs.two_to(-energy.clip(0, 40 << LOG_BITS), _WEIGHT_BITS)
        weight *= (nearest + k >= 0) & (nearest + k < LEVELS)
        total += weight
        first += k * weight
        second += k * k * weight
    first = (first << PLACE_BITS) // total
    variance = (second << _VARIANCE_BITS) // total - (first * first >> 2 * PLACE_BITS - _VARIANCE_BITS)
    variance += logs.two_to(log_variance, _VARIANCE_BITS) - logs.two_to(log_fine, _VARIANCE_BITS)
    return (nearest << PLACE_BITS) + first - zero, logs.of(variance) - (_VARIANCE_BITS << LOG_BITS)


def reverse(
    course: Course, step: int, z: np.ndarray, place: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``p(z_s | z_t)``, s being ``step`` and t the next one: see :func:`mulanzip.gaussian.variational.reverse`.

    Returns:
        means in bins with ``MEAN_BITS`` fractional bits, and indices of scales.
    """
    logs, width, new = course.logs, course.log_width[step], course.log_new(step)
    alpha, sigma = course.log_alpha(step), course.log_sigma(step)
    kept = course.log_alpha(step + 1) - alpha + 2 * (sigma - course.log_sigma(step + 1))
    gain = alpha + 2 * new - width - LOG_PER_UNIT
    mean = z * logs.two_to(kept + course.log_width[step + 1] - width, COEFFICIENT_BITS) >> COEFFICIENT_BITS - MEAN_BITS
    mean += place * logs.two_to(gain, _GAIN_BITS) >> _GAIN_BITS + PLACE_BITS - MEAN_BITS
    log_scale = logs.log_sum(2 * (sigma + new - width), 2 * gain + log_variance) >> 1
    return mean, scale_index(log_scale)
