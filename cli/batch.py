"""What the commands that take many files have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli.options import Outputs, Sources
from mulanzip.cli.report import Reporter
from mulanzip.jobs.urls import as_path

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Found, Job, Outcome, Task, Work
    from mulanzip.jobs.files import FileOptions
    from mulanzip.options import Execution
    from mulanzip.progress import Progress

_STREAM = Path("-")


def select(
    reporter: Reporter, wanted: Callable[[Path], bool], sources: Sources, *, hidden: bool = False
) -> list[Found]:
    """The files that the options name; with ``hidden``, also hidden ones below folders."""
    from mulanzip.jobs.batch import Selection, find

    files = sources.files
    if sources.null and sources.files_from is None:
        raise click.UsageError("-0 says how the names in --files-from end; --files-from is missing")
    if sources.files_from is not None:
        files += tuple(_names(sources.files_from, b"\0" if sources.null else b"\n"))
    elif not files:
        raise click.UsageError("no files are named")
    selection = Selection(wanted, hidden, reporter.leave_alone)
    return list(find(files, selection, recursive=sources.recursive, report=reporter.fail))


def _names(source: Path, separator: bytes) -> Iterator[Path]:
    for name in _list(source).split(separator):
        if b"\0" in name:
            raise click.UsageError(f"{source} holds NUL bytes; use -0 if names end with them")
        if name:
            yield as_path(os.fsdecode(name))


def _list(source: Path) -> bytes:
    if source == _STREAM:
        return sys.stdin.buffer.read()
    try:
        return source.read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {source}: {error.strerror}") from None


def _check_outputs(found: list[Found], outputs: Outputs, as_json: bool) -> None:
    """Refuse options that contradict each other.

    Raises:
        click.UsageError
    """
    output = outputs.output
    if output is not None and outputs.output_dir is not None:
        raise click.UsageError("-o and --output-dir exclude each other")
    if output is not None and len(found) > 1 and not output.is_dir():
        raise click.UsageError(
            f"with several files, -o must name an existing folder; {output} is none (--output-dir makes one)"
        )
    from_stream = any(file.path == _STREAM for file in found)
    if from_stream and len(found) > 1:
        raise click.UsageError("standard input ('-') must be the only file")
    if from_stream and outputs.output_dir is not None:
        raise click.UsageError("standard input has no name for --output-dir; use -o")
    if from_stream and outputs.remove:
        raise click.UsageError("standard input cannot be deleted (--rm)")
    if output == _STREAM or (from_stream and output is None):
        if outputs.remove:
            raise click.UsageError("--rm needs a result that is a file, not standard output")
        if as_json:
            raise click.UsageError("--json and the result cannot both go to standard output")
        if sys.stdout.isatty():
            raise click.UsageError("compressed data or images do not go to a terminal; name a file with -o")


def task_options(execution: Execution, **options: Any) -> dict[str, Any]:
    """Keyword arguments of the library's functions."""
    return {**options, "device": execution.device, "threads": execution.threads, "limits": execution.limits}


@dataclass(frozen=True)
class Conversion:
    """What a command does with each file.

    Attributes:
        work, files, execution: as for :class:`mulanzip.jobs.batch.Task`.
        wanted: which files below folders are taken.
        hidden: whether hidden files are among them.
        name: the path of a result beside its source.
        done: words a success.
    """

    work: Work
    files: FileOptions
    execution: Execution
    wanted: Callable[[Path], bool]
    name: Callable[[Path], Path | None]
    done: Callable[[Outcome], str]
    hidden: bool = False


def convert(
    conversion: Conversion,
    sources: Sources,
    outputs: Outputs,
    reporter: Reporter,
    jobs: int | None,
    dask: str | None = None,
) -> None:
    """Turn files into others.

    Args:
        jobs: maximum number of files at the same time.
        dask: address of the scheduler of a cluster that does it.
    """
    from mulanzip.jobs.batch import Task, plan

    to_stdout = outputs.output == _STREAM or (outputs.output is None and _STREAM in sources.files)
    if to_stdout:
        reporter.leave_stdout()
    found = select(reporter, conversion.wanted, sources, hidden=conversion.hidden)
    if len(found) == 2 and outputs.output is None and not os.path.lexists(found[1].path):
        reporter.advice["no-such-file"] = f"the output is named by -o {found[1].path}"  # As other compressors do not.
    _check_outputs(found, outputs, reporter.as_json)
    if dask is not None and (outputs.remove or to_stdout):
        raise click.UsageError("a cluster works on files, and deletes none: no '-', and no --rm, with --dask")
    files = replace(conversion.files, make_folder=outputs.output_dir is not None)
    task = Task(conversion.work, files, conversion.execution, outputs.remove, outputs.allow_loss)
    planned = plan(found, conversion.name, output=outputs.output, output_dir=outputs.output_dir)
    run(reporter, task, planned, jobs, conversion.done, dask)


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
            reporter.progress(f"{len(jobs)} files", len(jobs)) as progress,
            closing(_outcomes(task, jobs, count, dask, progress)) as outcomes,
        ):
            for outcome in outcomes:
                reporter.outcome(outcome, done, task.allow_loss)
    else:
        for job in jobs:
            with reporter.progress(job.source.name) as progress:
                outcome = batch.attempt(task, job, progress, (sys.stdin.buffer, sys.stdout.buffer))
            reporter.outcome(outcome, done, task.allow_loss)
    reporter.finish()


def _outcomes(
    task: Task, jobs: list[Job], count: int, dask: str | None, progress: Progress | None
) -> Generator[Outcome, None, None]:
    if dask is None:
        from mulanzip.jobs import batch

        return batch.run(task, jobs, count, progress)
    from mulanzip.jobs import cluster

    return cluster.run(task, jobs, dask, progress)
