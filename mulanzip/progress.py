"""Telling the caller how far the work is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the share of the work that is done, 0 to 1.
Progress = Callable[[float], None]


def part_of(progress: Progress | None, start: float, end: float) -> Progress | None:
    """For a part of the work: its share becomes one of the whole."""
    if progress is None:
        return None
    return lambda share: progress(start + share * (end - start))
