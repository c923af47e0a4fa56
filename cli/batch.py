"""What the commands that take many files have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli.report import Reporter

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Found, Job, Outcome, Task
    from mulanzip.jobs.files import FileResult
    from mulanzip.options import Execution


def select(
    reporter: Reporter,
    wanted: Callable[[Path], bool],
    files: tuple[Path, ...],
    recursive: bool,
    files_from: Path | None,
    null: bool,
) -> list[Found]:
    """The files that the options name."""
    from mulanzip.jobs.batch import find

    if null and files_from is None:
        raise click.UsageError("-0 says how --files-from is written, which is missing")
    if files_from is not None:
        files += tuple(_names(files_from, b"\0" if null else b"\n"))
    elif not files:
        raise click.UsageError("no files are named")
    return list(find(files, wanted, recursive=recursive, report=reporter.fail))


def _names(source: Path, separator: bytes) -> Iterator[Path]:
    try:
        data = sys.stdin.buffer.read() if source == Path("-") else source.read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {source}: {error.strerror}") from None
    for name in data.split(separator):
        if name:
            yield Path(os.fsdecode(name))


def _check_outputs(
    found: list[Found], output: Path | None, output_dir: Path | None, remove: bool, as_json: bool
) -> None:
    """Refuse options that contradict each other.

    Raises:
        click.UsageError
    """
    from mulanzip.jobs.files import STREAM

    if output is not None and output_dir is not None:
        raise click.UsageError("-o and --output-dir exclude each other")
    if output is not None and len(found) > 1 and not output.is_dir():
        raise click.UsageError(
            f"with several files, -o must name an existing folder; {output} is none (--output-dir makes one)"
        )
    from_stream = any(file.path == STREAM for file in found)
    if from_stream and len(found) > 1:
        raise click.UsageError("standard input ('-') must be the only file")
    if from_stream and output_dir is not None:
        raise click.UsageError("standard input has no name for --output-dir; use -o")
    if from_stream and remove:
        raise click.UsageError("standard input cannot be deleted (--rm)")
    if output == STREAM or (from_stream and output is None):
        if remove:
            raise click.UsageError("--rm needs a result that is a file, not standard output")
        if as_json:
            raise click.UsageError("--json and the result cannot both go to standard output")
        if sys.stdout.isatty():
            raise click.UsageError("compressed data or images do not go to a terminal; name a file with -o")


def execution(given: dict[str, Any]) -> Execution:
    """How the work is carried out: taken out of the command's options."""
    from mulanzip.limits import Limits
    from mulanzip.options import Execution

    limits = Limits(given.pop("max_pixels"), given.pop("max_memory"))
    return Execution(given.pop("device"), given.pop("threads"), limits)


def task_options(max_pixels: int | None, max_memory: int | None, **options: Any) -> dict[str, Any]:
    """Arguments for the library, of the command's options."""
    from mulanzip.limits import Limits

    return {**options, "limits": Limits(max_pixels, max_memory)}


def convert(
    work: Callable[..., FileResult],
    wanted: Callable[[Path], bool],
    name: Callable[[Path], Path | None],
    done: Callable[[Outcome], str],
    *,
    files: tuple[Path, ...],
    recursive: bool,
    files_from: Path | None,
    null: bool,
    output: Path | None,
    output_dir: Path | None,
    remove: bool,
    allow_loss: bool,
    jobs: int | None,
    quiet: bool,
    as_json: bool,
    dask: str | None = None,
    **given: Any,
) -> None:
    """Turn files into others; arguments as for :class:`mulanzip.jobs.batch.Task` and :func:`mulanzip.jobs.batch.plan`.

    Args:
        dask: address of the scheduler of a cluster that does it.
    """
    from mulanzip.jobs.batch import Task, plan
    from mulanzip.jobs.files import STREAM, FileOptions

    to_stdout = output == STREAM or (output is None and STREAM in files)
    reporter = Reporter(quiet, as_json, to_stdout)
    found = select(reporter, wanted, files, recursive, files_from, null)
    _check_outputs(found, output, output_dir, remove, as_json)
    if dask is not None and (remove or to_stdout):
        raise click.UsageError("a cluster works on files, and deletes none: no '-', and no --rm, with --dask")
    carried_out = execution(given)
    task = Task(work, FileOptions(make_folder=output_dir is not None, **given), carried_out, remove, allow_loss)
    run(reporter, task, plan(found, name, output=output, output_dir=output_dir), jobs, done, dask)


def run(
    reporter: Reporter,
    task: Task,
    jobs: list[Job],
    count: int | None,
    done: Callable[[Outcome], str],
    dask: str | None = None,
) -> None:
    """Do all jobs, say what became of them, and leave with the right exit code."""
    from mulanzip.jobs import batch

    count = min(len(jobs), count or batch.workers_for(len(jobs), task.execution.threads))
    if count > 1 or dask is not None:
        with (
            closing(_outcomes(task, jobs, count, dask)) as outcomes,
            reporter.progress(f"{len(jobs)} files", len(jobs)) as progress,
        ):
            for number, outcome in enumerate(outcomes, 1):
                reporter.outcome(outcome, done, task.allow_loss)
                if progress:
                    progress(number)
    else:
        for job in jobs:
            with reporter.progress(job.source.name) as progress:
                outcome = batch.attempt(task, job, progress, (sys.stdin.buffer, sys.stdout.buffer))
            reporter.outcome(outcome, done, task.allow_loss)
    reporter.finish()


def _outcomes(task: Task, jobs: list[Job], count: int, dask: str | None) -> Generator[Outcome, None, None]:
    if dask is None:
        from mulanzip.jobs import batch

        return batch.run(task, jobs, count)
    from mulanzip.jobs import cluster

    return cluster.run(task, jobs, dask)
