"""Batches of training data that are drawn ahead, in processes of their own."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

#: Draws one part of the batch of a step, given the numbers of both.
Draw = Callable[[int, int], Any]

#: Steps whose batches are drawn ahead, for each worker.
_AHEAD = 2

_draw: Draw | None = None


def _begin(draw: Draw) -> None:
    global _draw
    _draw = draw


def _part(step: int, part: int) -> Any:
    assert _draw is not None
    return _draw(step, part)


class Supply:
    """The parts of the batches of all steps from ``step`` on.

    What is drawn depends on the numbers of step and part alone, not on the workers.
    """

    def __init__(self, draw: Draw, step: int, parts: int, workers: int):
        """Start drawing.

        Args:
            draw: what it returns must be small to be sent from one process to another.
            parts: of a batch.
            workers: processes, forked from this one; threads where that cannot be done.  They must not use CUDA.
        """
        self._pool: Executor
        if "fork" in multiprocessing.get_all_start_methods():
            fork = multiprocessing.get_context("fork")
            self._pool = ProcessPoolExecutor(workers, fork, _begin, (draw,))
        else:
            self._pool = ThreadPoolExecutor(workers, initializer=_begin, initargs=(draw,))
        self._parts = parts
        self._step = step
        self._drawn: deque[list[Future[Any]]] = deque()
        for _ in range(_AHEAD * workers):
            self._order()

    def _order(self) -> None:
        self._drawn.append([self._pool.submit(_part, self._step, part) for part in range(self._parts)])
        self._step += 1

    def take(self) -> Iterator[Any]:
        """The parts of the next step's batch."""
        self._order()
        for future in self._drawn.popleft():
            yield future.result()

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(cancel_futures=True)
