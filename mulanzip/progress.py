"""Progress reports to the caller."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the fraction of the work that is done, 0 to 1.
Progress = Callable[[float], None]


def part_of(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Progress of a part of the work, which spans ``start`` to ``end`` of the whole."""
    if progress is None:
        return None
    return lambda fraction: progress(start + fraction * (end - start))
