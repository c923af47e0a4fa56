"""Jobs in worker processes, as many at a time as memory allows.

Each worker has a pipe of its own, so that a worker that dies takes one job with it, whatever it was doing.  The pools
of libraries share pipes and locks among their workers: a death there fails other jobs too, or is not noticed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, NamedTuple, TypeVar

from mulanzip.progress import Progress

#: Least share of a job that is told.
_STEP = 0.01
J = TypeVar("J")
R = TypeVar("R")


class _Worker(NamedTuple):
    process: multiprocessing.process.BaseProcess
    connection: Connection


class _Busy(NamedTuple, Generic[J]):
    worker: _Worker
    job: J
    cost: int


class _Share(NamedTuple):
    """What a worker says of a job that it is at: the share that is done, 0 to 1."""

    value: float


def run(  # noqa: PLR0913
    work: Callable[..., R],
    jobs: Iterable[J],
    *,
    count: int,
    threads: int,
    cost: Callable[[J], int],
    budget: int | None,
    died: Callable[[J, str], R],
    progress: Progress | None = None,
) -> Generator[R, None, None]:
    """Do jobs in worker processes; results come as they are ready.

    When the iterator is closed, or an error passes through it, all workers are stopped, and clean up as after
    Ctrl-C.  When this process is killed, every worker ends by itself after its present job.

    Args:
        work: does a job and raises no error; ``work`` and the jobs must be picklable.  With ``progress`` it gets, after
            the job, a function to call with the share of the job that is done.
        count: maximum number of workers.
        threads: number of OpenMP threads in each worker.
        cost: estimates the memory that a job takes, in bytes; called in this process.
        budget: bytes for all jobs that run at the same time, None without limit; a larger job runs alone.
        died: makes the result of a job whose worker died, from the reason.
        progress: called with the number of jobs that are done, and the shares of those that are not.
    """
    shares: dict[Connection, float] = {}
    finished = 0
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
                worker = idle.pop() if idle else _start(work, threads, progress is not None)
                busy[worker.connection] = _Busy(worker, *upcoming)
                with suppress(OSError):  # The death of a worker is noticed below.
                    worker.connection.send(upcoming[0])
                upcoming = None
            if not busy:
                return
            ready = wait(list(busy))
            for connection in [c for c in busy if c in ready]:
                done = busy[connection]
                try:
                    result = connection.recv()
                    is_alive = True
                except (EOFError, OSError):
                    result, is_alive = died(done.job, _end(done.worker)), False
                if isinstance(result, _Share):
                    shares[connection] = result.value
                else:
                    del busy[connection]
                    shares.pop(connection, None)
                    finished += 1
                    idle += [done.worker] * is_alive
                    yield result
                if progress is not None:
                    progress(finished + sum(shares.values()))
    finally:
        _stop(idle, [b.worker for b in busy.values()])


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Delay Ctrl-C to the end of the block here; processes that are started in the block never see it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(work: Callable[..., Any], threads: int, tells: bool) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(threads, theirs, tells), daemon=True)
    with _interrupts_blocked():
        process.start()
    theirs.close()
    with suppress(OSError):  # The death of a worker is noticed when its first job is done.
        ours.send(work)
    return _Worker(process, ours)


def _serve(threads: int, connection: Connection, tells: bool) -> None:
    """The main loop of a worker, which ``tells`` how far it is."""
    # Ctrl-C reaches all processes; the one that started the workers handles it and ends them with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupted)
    warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\.")  # As in the process of the command line.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with suppress(EOFError, OSError, KeyboardInterrupt):
        work = connection.recv()  # Only now: this may import torch, which reads the number of threads once.
        while True:
            job = connection.recv()
            connection.send(work(job, _teller(connection)) if tells else work(job))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # It is ending already.


def _teller(connection: Connection) -> Progress:
    """A function that tells the share of a job that is done, in steps of a hundredth."""
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        if share - told >= _STEP:
            told = share
            connection.send(_Share(share))

    return tell


def _interrupted(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Nothing disturbs the clean-up.
    raise KeyboardInterrupt


def _end(worker: _Worker) -> str:
    """The reason why a worker ended."""
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
