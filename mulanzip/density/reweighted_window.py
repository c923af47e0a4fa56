"""Masses of the values in a window around the mean, where some values are less likely than the mixture says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

#: Values (int32 ``(N,)``) -> log2 of the factor by which their mass is divided, uint8 ``(N,)``.
Penalties = Callable[[np.ndarray], np.ndarray]


class Distribution(Protocol):
    """See :class:`mulanzip.density.mixture.Mixture`."""

    total: np.ndarray

    def cdf(self, edge: np.ndarray) -> np.ndarray: ...


def masses(mixture: Distribution, low: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The values of ``N`` windows ``low .. low + size - 1`` in rising order, and their masses: int32 ``(N,)`` each."""
    below = mixture.cdf(low) * (low > 0)
    for step in range(size):
        value = low + np.int32(step)
        above = mixture.cdf(value + 1)
        above += (mixture.total - above) * (value == 255)
        yield value, above - below
        below = above


class ReweightedWindow:
    """Masses of the values in windows ``low .. low + size - 1``, after penalties.

    Attributes:
        total: int32 ``(N,)``, the mass of each window.
    """

    def __init__(self, mixture: Distribution, low: np.ndarray, size: int, log2_penalties: Penalties):
        cumulative = [np.zeros_like(mixture.total)]
        for value, mass in masses(mixture, low, size):
            cumulative.append(cumulative[-1] + (mass >> log2_penalties(value)))
        self._low = low
        self._cumulative = np.concatenate(cumulative)
        self.total: np.ndarray = cumulative[-1]

    def cdf(self, edge: np.ndarray) -> np.ndarray:
        """Mass of the values in the window below ``edge`` (int32 ``(..., N)``): int32 ``(..., N)``."""
        count = edge.shape[-1]
        index = (edge - self._low) * np.int32(count) + np.arange(count, dtype=np.int32)
        return self._cumulative.take(index)
