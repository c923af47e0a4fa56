"""A batch on a Dask cluster: the same jobs, for files that fsspec can open.

A worker copies a job's files into a folder of its own, does the job there, and copies the result to its place.
Completed outputs are skipped, so jobs can be repeated: Dask repeats those of a lost worker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulanzip.errors import MulanzipError
from mulanzip.jobs import batch
from mulanzip.jobs.batch import Job, Outcome, Task
from mulanzip.jobs.urls import beside, url
from mulanzip.progress import Progress

if TYPE_CHECKING:
    from distributed import Client

#: Number of jobs submitted ahead for each thread of the cluster.
_AHEAD = 4
#: Seconds until a scheduler must have answered.
_TIMEOUT = 10


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise MulanzipError("--dask needs distributed: pip install mulanzip[dask]") from None
    try:
        return Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MulanzipError(f"there is no Dask scheduler at {address}: {error}") from None


def run(task: Task, jobs: list[Job], address: str, progress: Progress | None = None) -> Generator[Outcome, None, None]:
    """Do all jobs on the cluster whose scheduler is at ``address``; outcomes come as they are ready.

    Args:
        task: ``execution.threads`` is the number for each job here; 1 if None.
        progress: called with the number of jobs that are done.

    Raises:
        MulanzipError: if there is no such cluster.
    """
    client = _connect(address)
    from distributed import as_completed

    task = replace(
        task,
        files=replace(task.files, skip_done=True),
        execution=replace(task.execution, threads=task.execution.threads or 1, progress=None),
    )
    waiting = iter(jobs)
    with client:
        known: dict[Any, Job] = {}

        def submit(count: int) -> Iterator[Any]:
            for job in islice(waiting, count):
                assert job.output is not None
                future = client.submit(attempt, task, job, url(job.source), url(job.output), pure=False)
                known[future.key] = job
                yield future

        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        ready = as_completed(list(submit(ahead)), loop=client.loop)
        for number, future in enumerate(ready, 1):
            job = known.pop(future.key)
            error = future.exception()
            if error is None:
                yield future.result()
            else:  # The worker is lost, or has another version of mulanzip, or has no mulanzip.
                text = f"its worker failed: {type(error).__name__}: {error}".splitlines()[0]
                yield Outcome(job.source, None, "failed", 0.0, error=text, exit_code=1, reason="process")
            if progress is not None:
                progress(number)
            ready.update(list(submit(1)))


def attempt(task: Task, job: Job, source: str, output: str) -> Outcome:
    """Do one job on a worker; errors become part of the outcome.

    Args:
        source, output: URLs of the job's files.
    """
    with tempfile.TemporaryDirectory(prefix="mulanzip-") as folder:
        here, result = Path(folder, "source", beside(job.source).name), Path(folder, "output", Path(output).name)
        for path in (here, result):
            path.parent.mkdir()
        try:
            _fetch(source, here)
            _fetch(output, result, may_lack=True)
            outcome = batch.attempt(task, Job(here, result, job.rival))
            if outcome.status == "done":
                _put(result, output, task.files.make_folder)
        except (MulanzipError, OSError) as error:
            text, code, reason = batch.explain(job.source, error)
            return Outcome(job.source, None, "failed", 0.0, error=text, exit_code=code, reason=reason)
    return replace(
        outcome,
        source=job.source,
        output=job.output if outcome.output is not None else None,
        error=outcome.error and outcome.error.replace(str(result), output),
    )


def _open(address: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    import fsspec

    try:
        system, name = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise MulanzipError(f"cannot reach {address}: {error}") from None
    return system, name


def _fetch(address: str, copy: Path, may_lack: bool = False) -> None:
    system, name = _open(address)
    if may_lack and not system.exists(name):
        return
    copy.write_bytes(system.cat_file(name))


def _put(result: Path, address: str, make_folder: bool) -> None:
    """Copy a result to its place in one atomic step."""
    system, name = _open(address)
    if make_folder:
        system.makedirs(system._parent(name), exist_ok=True)
    with system.open(name, "wb", autocommit=False) as file:
        file.write(result.read_bytes())
    file.commit()
