"""Progress reports to the caller."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

#: Called with the fraction of the work that is done, 0 to 1.
Progress = Callable[[float], None]


def part_of(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Progress of a part of the work, which spans ``start`` to ``end`` of the whole."""
    if progress is None:
        return None
    return lambda fraction: progress(start + fraction * (end - start))


def nth_part(progress: Progress | None, index: int, count: int) -> Progress | None:
    """Progress of part ``index`` of ``count`` equal parts of the work."""
    return part_of(progress, index / count, (index + 1) / count)


class Meter:
    """Reports progress as threads finish pieces of work, in any order."""

    def __init__(self, weights: Sequence[int], progress: Progress | None):
        """``weights``: amount of work in each piece."""
        self._weights = weights
        self._total = sum(weights)
        self._done = 0
        self._progress = progress
        self._lock = threading.Lock()

    def finished(self, index: int) -> None:
        """Report that a piece is done."""
        if self._progress is not None:
            with self._lock:
                self._done += self._weights[index]
                self._progress(self._done / self._total)
