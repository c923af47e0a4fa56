"""Independent work side by side, and the number of threads that share one map of the network.

The number is set for a block of code, and all that it calls.  Threads of the pool sleep while they have nothing to do.
They end with the block, so that nothing is left behind in a process that forks.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

#: Maps with fewer cells are not worth a second thread.
_CELLS_FOR_THREADS = 1 << 13


class _Crew:
    """The calling thread and ``count - 1`` others, which begin when they are first needed."""

    def __init__(self, count: int):
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[tuple[int, int]], None], parts: list[tuple[int, int]]) -> None:
        """Do the work for all parts, at most ``count`` of them."""
        if self._pool is None and len(parts) > 1:
            from concurrent.futures import ThreadPoolExecutor  # Only now: it takes time.

            self._pool = ThreadPoolExecutor(self.count - 1)
        futures = [self._pool.submit(work, part) for part in parts[1:]] if self._pool else []
        work(parts[0])
        for future in futures:
            future.result()

    def end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


_crew: ContextVar[_Crew | None] = ContextVar("crew", default=None)


@contextmanager
def inner_threads(count: int) -> Iterator[None]:
    """Let ``count`` threads share a map inside the block."""
    crew = _Crew(count)
    token = _crew.set(crew)
    try:
        yield
    finally:
        _crew.reset(token)
        crew.end()


def inner_thread_count() -> int:
    """The number that :func:`inner_threads` set; 1 outside of it."""
    crew = _crew.get()
    return 1 if crew is None else crew.count


def split_rows(work: Callable[[tuple[int, int]], None], height: int, width: int) -> None:
    """Do the work for all rows of a map: for each of as many ranges (first, last + 1) as threads share it.

    Args:
        width: cells of a row, of all images.
    """
    crew = _crew.get()
    if crew is None or crew.count == 1 or height * width <= _CELLS_FOR_THREADS:
        work((0, height))
        return
    parts = min(crew.count, height)
    crew.run(work, list(pairwise(height * i // parts for i in range(parts + 1))))


def side_by_side(work: Callable[[T], None], items: Sequence[T], threads: int) -> None:
    """Do independent work for all items, on as many threads.  A single item gets all of them for its maps."""
    if len(items) == 1 or threads == 1:
        with inner_threads(threads):
            for item in items:
                work(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool, inner_threads(1):
        # Each job gets a copy of the context, so that measurements reach the threads.
        futures = [pool.submit(contextvars.copy_context().run, work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
