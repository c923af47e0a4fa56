"""Worker processes: every job has a result, whatever happens to its process; nothing stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mulanzip.jobs import workers


def run(work: Callable[[Any], Any], jobs: list[Any], **options: Any) -> list[Any]:
    defaults: dict[str, Any] = {
        "count": 2,
        "threads": 1,
        "cost": lambda job: 0,
        "budget": None,
        "died": lambda job, reason: (job, reason),
    }
    with closing(workers.run(work, jobs, **{**defaults, **options})) as results:
        found = list(results)
    assert multiprocessing.active_children() == []
    return found


def process_id(folder: Path) -> int:
    """The process, once two have come here."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    return os.getpid()


def die(job: int | signal.Signals) -> str:
    if isinstance(job, signal.Signals):
        os.kill(os.getpid(), job)
    if job >= 0:
        os._exit(job)
    return "ok"


def timed(cost: int) -> tuple[int, float, float]:
    start = time.monotonic()
    time.sleep(0.1)
    return cost, start, time.monotonic()


def leave_a_mark(path: Path) -> None:
    try:
        path.touch()
        time.sleep(600)
    finally:
        path.unlink()


def in_steps(job: int, tell: Callable[[float], None]) -> int:
    for share in (0.001, 0.25, 0.2501, 0.5, 1.0):
        tell(share)
    return job


@pytest.mark.slow
def test_progress_has_the_shares_of_jobs_that_are_not_done() -> None:
    told: list[float] = []
    assert run(in_steps, [1, 2], count=1, progress=told.append) == [1, 2]
    assert told == [0.25, 0.5, 1, 1, 1.25, 1.5, 2, 2]


@pytest.mark.slow
def test_jobs_are_shared_among_processes(tmp_path: Path) -> None:
    found = run(process_id, [tmp_path] * 8, count=3)
    assert len(found) == 8
    assert 2 <= len(set(found)) <= 3
    assert os.getpid() not in found
    assert run(process_id, []) == []


@pytest.mark.slow
def test_a_process_that_dies_takes_one_job_with_it() -> None:
    jobs = [-1, 7, signal.SIGKILL, -1, 0, -1]
    found = run(die, jobs)
    assert found.count("ok") == 3
    assert (7, "exit code 7") in found
    assert (0, "exit code 0") in found
    assert (signal.SIGKILL, "killed by signal SIGKILL") in found


@pytest.mark.slow
def test_jobs_at_the_same_time_stay_within_the_budget() -> None:
    """Those that do not fit at all run alone."""
    found = run(timed, [3, 3, 3, 9, 1, 2, 1], count=4, cost=lambda job: job, budget=6)
    assert len(found) == 7
    for _, moment, _ in found:
        running = [cost for cost, start, end in found if start <= moment < end]
        assert sum(running) <= 6 or running == [9]


@pytest.mark.slow
def test_threads_are_set_before_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.torch_threads import threads  # Not above: every worker would import torch.

    monkeypatch.delenv("OMP_NUM_THREADS")
    assert run(threads, [0], threads=1) == [("1", 1)]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert run(threads, [0], threads=3)[0][0] == "5"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_those_that_are_stopped_clean_up(tmp_path: Path) -> None:
    marks = [tmp_path / str(number) for number in range(4)]

    def give_up() -> str:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    def jobs() -> Any:
        yield from marks[:2]
        give_up()

    with pytest.raises(KeyboardInterrupt):
        run(leave_a_mark, jobs(), count=3)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []
