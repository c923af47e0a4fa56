"""Many files: which ones, where their results go, and what became of each."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mulanzip import limits
from mulanzip.errors import CorruptFileError, LimitError, MulanzipError, OutputExistsError
from mulanzip.format import container
from mulanzip.format.container import ARCHIVE_SIGNATURE, HEADER_SIZE, SIGNATURE, Header
from mulanzip.imageio import reader
from mulanzip.jobs import files, workers
from mulanzip.jobs.files import STREAM, SUFFIX, FileResult

OnError = Callable[[Path, OSError], None]


@dataclass(frozen=True)
class Found:
    """A file to work on.

    Attributes:
        path: of the file.
        below: its path below the folder that was named, or its name: what a folder of results mirrors.
    """

    path: Path
    below: Path


def is_image(path: Path) -> bool:
    """Whether a file's suffix is that of an image that can be compressed."""
    return path.suffix.lower() in reader.SUFFIXES


def is_compressed(path: Path) -> bool:
    """Whether a file is a ``.mzp`` file or an archive, by its suffix or its first bytes."""
    if path.suffix.lower() == SUFFIX:
        return True
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) in (SIGNATURE, ARCHIVE_SIGNATURE)
    except OSError:
        return False


def find(paths: Iterable[Path], wanted: Callable[[Path], bool], *, recursive: bool, report: OnError) -> Iterator[Found]:
    """Files as they are named; instead of folders, if recursive, the wanted files below them.

    Folders are walked in the order of names.  Hidden files and folders are left out, and links to folders are
    not followed.  A file comes once, however often it is named.

    Args:
        report: told which folders cannot be read.
    """
    seen = set()
    for path in paths:
        found = _walk(path, wanted, report) if recursive and path.is_dir() else [Found(path, Path(path.name))]
        for file in found:
            if (key := os.path.abspath(file.path)) not in seen:
                seen.add(key)
                yield file


def _walk(top: Path, wanted: Callable[[Path], bool], report: OnError) -> Iterator[Found]:
    def failed(error: OSError) -> None:
        report(Path(error.filename), error)

    for folder, folders, names in os.walk(top, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file() and wanted(path):
                yield Found(path, path.relative_to(top))


@dataclass(frozen=True)
class Job:
    """One file of a batch.

    Attributes:
        source: its path, or :data:`mulanzip.jobs.files.STREAM`.
        output: where the result goes; None if nothing is written, or the source is too damaged to tell.
        rival: another source of the batch with the same output.
    """

    source: Path
    output: Path | None = None
    rival: Path | None = None


def compressed_name(source: Path) -> Path | None:
    """:func:`mulanzip.jobs.files.compressed_name`"""
    return files.compressed_name(source)


def restored_name(source: Path, suffix: str | None = None, mark: str = "") -> Path | None:
    """:func:`mulanzip.jobs.files.restored_name` of a file; None if it cannot be read."""
    try:
        with open(source, "rb") as file:
            return files.restored_name(source, file.read(HEADER_SIZE), suffix, mark)
    except (MulanzipError, OSError):
        return None


def plan(
    found: Iterable[Found],
    name: Callable[[Path], Path | None],
    *,
    output: Path | None = None,
    output_dir: Path | None = None,
) -> list[Job]:
    """Say where the results go.

    Args:
        name: gives the path of the result beside its source.
        output: the output file, or an existing folder.
        output_dir: a folder that mirrors those that were named.
    """
    jobs: list[Job] = []
    owners: dict[str, Path] = {}
    for file in found:
        target: Path | None = STREAM if file.path == STREAM else name(file.path)
        if output_dir is not None and target is not None:
            target = output_dir / file.below.parent / target.name
        elif output is not None and not output.is_dir():
            target = output
        elif output is not None:
            target = output / target.name if target is not None and target != STREAM else output
        rival = None
        if target is not None:
            rival = owners.setdefault(os.path.realpath(target), file.path)
        jobs.append(Job(file.path, target, rival if rival != file.path else None))
    return jobs


@dataclass(frozen=True)
class Task:
    """What is done with every file; goes to other processes.

    Attributes:
        work: :func:`mulanzip.jobs.files.compress_file`, or one like it.
        options: its keyword arguments, ``threads`` among them.
        remove: delete each source when its result is in place.
        allow_loss: even if metadata was lost.
    """

    work: Callable[..., FileResult]
    options: dict[str, Any]
    remove: bool = False
    allow_loss: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        status: that of :class:`mulanzip.jobs.files.FileResult`, or ``failed``.
        output: where the result is; None if there is none.
        source_size, output_size: in bytes, 0 where unknown.
        notes, lost: as in :class:`mulanzip.jobs.files.FileResult`.
        error, exit_code: what is wrong; None and 0 if nothing is.
    """

    source: Path
    output: Path | None
    status: str
    seconds: float
    source_size: int = 0
    output_size: int = 0
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    error: str | None = None
    exit_code: int = 0


def check(source: Path | BinaryIO, _: None, **options: Any) -> FileResult:
    """:func:`mulanzip.jobs.files.check_file` as the work of a task."""
    return FileResult(STREAM, STREAM, files.check_file(source, **options))


def explain(source: Path, error: Exception) -> tuple[str, int]:
    """What to tell the user of an error with a file, in one line, and its exit code."""
    if isinstance(error, MulanzipError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return "not enough memory", LimitError.exit_code
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return (text if error.filename in (None, str(source)) else f"{error.filename}: {text}"), 1
    raise error


def attempt(
    task: Task,
    job: Job,
    progress: Callable[[float], None] | None = None,
    streams: tuple[BinaryIO, BinaryIO] | None = None,
) -> Outcome:
    """Do one file; errors become part of the outcome.

    Args:
        streams: what :data:`mulanzip.jobs.files.STREAM` stands for as a source, and as an output.
    """
    start = time.perf_counter()
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: notes.append(str(message))
        try:
            if job.rival is not None:
                raise OutputExistsError(f"{job.output} is where the result of {job.rival} goes")
            source = streams[0] if streams and job.source == STREAM else job.source
            output = streams[1] if streams and job.output == STREAM else job.output
            result = task.work(source, output, progress=progress, **task.options)
            if task.remove and result.status == "done":
                if result.lost and not task.allow_loss:
                    notes.append("it was not deleted")
                else:
                    _remove(job.source, result.output)
        except BrokenPipeError:
            raise
        except (MulanzipError, OSError, MemoryError) as error:
            text, code = explain(job.source, error)
            return Outcome(
                job.source, None, "failed", time.perf_counter() - start, notes=notes, error=text, exit_code=code
            )
    outcome = Outcome(
        job.source,
        job.output if result.status != "sound" else None,
        result.status,
        time.perf_counter() - start,
        result.source_size,
        result.output_size,
        notes + result.notes,
        result.lost,
    )
    if result.status == "salvaged":
        text = f"the file is damaged: {job.output} holds what can be trusted"
        return replace(outcome, error=text, exit_code=CorruptFileError.exit_code)
    return outcome


def _remove(source: Path, output: Path) -> None:
    """Delete a source when the name of its result is on the disk."""
    if os.name == "posix":
        folder = os.open(output.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    source.unlink()


def memory_needed(threads: int, job: Job) -> int:
    """Estimate of what a job takes, in bytes, by the header of its source; 0 if that says nothing."""
    try:
        with open(job.source, "rb") as file:
            start = file.read(HEADER_SIZE)
        header = Header.unpack(start) if start.startswith(container.SIGNATURE) else None
    except (MulanzipError, OSError):
        return 0
    if header:
        size = header.width * header.height * header.channels * header.dtype.itemsize
    else:
        size = reader.count_bytes(job.source)
    return limits.coding_bytes(size, threads) if size else 0


def workers_for(jobs: int, threads: int | None = None) -> int:
    """How many workers suit so many files: one per thread, as long as each finds memory for a small image.

    One image keeps several threads busy for parts of the time only; images do not wait for each other.
    """
    free = limits.available_memory()
    fitting = free // limits.coding_bytes(0, 1)
    return max(1, min(jobs, threads or limits.available_cores(), fitting))


def run(task: Task, jobs: list[Job], count: int) -> Generator[Outcome, None, None]:
    """Do all jobs in ``count`` processes, which share the threads of the task's options."""
    share = max(1, (task.options["threads"] or limits.available_cores()) // count)
    shared = replace(task, options={**task.options, "threads": share})
    return workers.run(
        partial(attempt, shared),
        jobs,
        count=count,
        threads=share,
        cost=partial(memory_needed, share),
        budget=limits.available_memory(),
        died=lambda job, reason: Outcome(
            job.source, None, "failed", 0.0, error=f"its process ended before it was done ({reason})", exit_code=1
        ),
    )
