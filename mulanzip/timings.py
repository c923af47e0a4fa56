"""Seconds spent in the network, and in likelihood and coder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Timings:
    """Seconds of each part, summed over threads.

    Attributes:
        network, coder: seconds in the network; in the likelihood and in entropy coding.
    """

    def __init__(self) -> None:
        self.network = 0.0
        self.coder = 0.0
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float) -> None:
        """Add to the attribute called ``part``."""
        with self._lock:
            setattr(self, part, getattr(self, part) + seconds)


_current: ContextVar[Timings | None] = ContextVar("timings", default=None)


@contextmanager
def measure() -> Iterator[Timings]:
    """Collect the times of all coding inside the block."""
    timings = Timings()
    token = _current.set(timings)
    try:
        yield timings
    finally:
        _current.reset(token)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Add the duration of the block to ``part`` of the current measurement, if there is one."""
    timings = _current.get()
    if timings is None:
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        timings.add(part, time.perf_counter() - start)
