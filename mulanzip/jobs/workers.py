"""Jobs in processes of their own, side by side, as far as memory goes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, NamedTuple, TypeVar

J = TypeVar("J")
R = TypeVar("R")


class _Worker(NamedTuple):
    process: multiprocessing.process.BaseProcess
    connection: Connection


class _Busy(NamedTuple, Generic[J]):
    worker: _Worker
    job: J
    cost: int


def run(
    work: Callable[[J], R],
    jobs: Iterable[J],
    *,
    count: int,
    threads: int,
    cost: Callable[[J], int],
    budget: int | None,
    died: Callable[[J, str], R],
) -> Generator[R, None, None]:
    """Do jobs in worker processes; results come as they are ready.

    When the iterator is closed, or an error passes through it, all workers are stopped: they clean up as
    after Ctrl-C.  When this process is killed, they end by themselves after the job in hand.

    Args:
        work: does a job, and lets no error out; it and the jobs must be picklable.
        count: workers at most.
        threads: of OpenMP in each worker; more threads than cores in all would wait for each other.
        cost: bytes of memory that a job takes; asked in this process.
        budget: bytes for all jobs at the same time; a job that takes more runs alone.
        died: makes the result of a job whose worker died, from the reason.
    """
    waiting = iter(jobs)
    idle: list[_Worker] = []
    busy: dict[Connection, _Busy[J]] = {}
    upcoming: tuple[J, int] | None = None
    try:
        while True:
            while len(busy) < count:
                if upcoming is None:
                    job = next(waiting, None)
                    if job is None:
                        break
                    upcoming = job, cost(job)
                if busy and budget is not None and sum(b.cost for b in busy.values()) + upcoming[1] > budget:
                    break
                worker = idle.pop() if idle else _start(work, threads)
                busy[worker.connection] = _Busy(worker, *upcoming)
                with suppress(OSError):  # A dead one is noticed below.
                    worker.connection.send(upcoming[0])
                upcoming = None
            if not busy:
                return
            ready = wait(list(busy))
            for connection in [c for c in busy if c in ready]:
                done = busy.pop(connection)
                try:
                    result = done.worker.connection.recv()
                except (EOFError, OSError):
                    result = died(done.job, _end(done.worker))
                else:
                    idle.append(done.worker)
                yield result
    finally:
        _stop(idle, [b.worker for b in busy.values()])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """No Ctrl-C meanwhile, neither here nor in processes that are started: it comes to this one afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(work: Callable[[Any], Any], threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, threads, theirs), daemon=True)
    with _interrupts_blocked():
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _serve(work: Callable[[Any], Any], threads: int, connection: Connection) -> None:
    """What a worker does until there are no more jobs."""
    # Ctrl-C reaches all processes; the one that started the workers deals with it, and ends them with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupted)
    warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\.")  # As in the process of the command line.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # Before torch is imported.
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            connection.send(work(connection.recv()))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # It ends already.


def _interrupted(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Once: cleaning up is not disturbed.
    raise KeyboardInterrupt


def _end(worker: _Worker) -> str:
    """Why a worker ended."""
    worker.connection.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    return f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop(idle: list[_Worker], busy: list[_Worker]) -> None:
    for worker in busy:
        worker.process.terminate()
    for worker in [*idle, *busy]:
        worker.connection.close()
    for worker in [*idle, *busy]:
        worker.process.join()
        worker.process.close()
