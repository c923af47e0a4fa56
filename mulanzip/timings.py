"""Where the time goes: seconds spent in the network, the tables and the coder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Timings:
    """Seconds by part, summed over threads."""

    def __init__(self) -> None:
        self.network = 0.0
        self.tables = 0.0
        self.coder = 0.0
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float) -> None:
        with self._lock:
            setattr(self, part, getattr(self, part) + seconds)


_current: ContextVar[Timings | None] = ContextVar("timings", default=None)


@contextmanager
def measure() -> Iterator[Timings]:
    """Collect the times of everything that is coded inside the block."""
    timings = Timings()
    token = _current.set(timings)
    try:
        yield timings
    finally:
        _current.reset(token)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Count the block's time to ``part`` of the measurement that is going on, if any."""
    timings = _current.get()
    if timings is None:
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        timings.add(part, time.perf_counter() - start)
