"""Many files: which ones are taken, where their results go, and what became of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from mulanzip import limits
from mulanzip.errors import CorruptFileError, LimitError, MulanzipError, OutputExistsError
from mulanzip.format import container
from mulanzip.format.container import ARCHIVE_SIGNATURE, HEADER_SIZE, SIGNATURE, Header
from mulanzip.jobs.files import STREAM, FileOptions, FileResult
from mulanzip.jobs.names import SUFFIX
from mulanzip.jobs.urls import beside
from mulanzip.notes import collect
from mulanzip.options import Execution, Grade
from mulanzip.progress import Progress

#: Called with a path that is left out, and the reason.
OnError: TypeAlias = Callable[[Path, Exception], None]
_GZIP = ".gz"


@dataclass(frozen=True)
class Found:
    """A file to work on.

    Attributes:
        path: of the file.
        below: its path below the folder that was named; its name if the file itself was named.
    """

    path: Path
    below: Path


def is_image(path: Path) -> bool:
    """Whether a file is an image: by its suffix, before ``.gz``; DICOM files, often without any, by their bytes."""
    from mulanzip.imageio import foreign, reader
    from mulanzip.source import dicom

    name = path.with_suffix("") if path.suffix.lower() == _GZIP else path
    suffix = name.suffix.lower()
    if suffix in reader.SUFFIXES or suffix in foreign.SUFFIXES:
        return True
    return (not suffix or suffix[1:].isdigit()) and dicom.is_mine(_start(path, dicom.START))


def is_plain(path: Path) -> bool:
    """Whether a file is neither a ``.mzp`` file nor an archive."""
    return not is_compressed(path)


def is_compressed(path: Path) -> bool:
    """Whether a file is a ``.mzp`` file or an archive, by its suffix or its first bytes."""
    if path.suffix.lower() == SUFFIX:
        return True
    return _start(path, len(SIGNATURE)) in (SIGNATURE, ARCHIVE_SIGNATURE)


def _start(path: Path, count: int) -> bytes:
    """The first bytes of a file; none where they cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError:
        return b""


@dataclass(frozen=True)
class Selection:
    """Which files below folders are taken.

    Attributes:
        wanted: whether a file is taken.
        hidden: whether hidden files, and those in hidden folders, are looked at.
        leave: called with every file, broken link, pipe or device that is looked at and not taken.
    """

    wanted: Callable[[Path], bool]
    hidden: bool = False
    leave: Callable[[Path], None] = lambda path: None


def find(paths: Iterable[Path], selection: Selection, *, recursive: bool, report: OnError) -> Iterator[Found]:
    """The files that are named and, if recursive, the selected files below the folders that are named.

    Folders are walked in the order of names.  Links to folders are not followed.  Every file comes once, even if it is
    named several times.

    Args:
        report: called for every folder that cannot be read, and every file of which nothing can be known.
    """
    seen = set()
    for path in paths:
        one = Found(path, Path(beside(path).name))
        found = _walk(path, selection, report) if recursive and os.path.isdir(path) else [one]
        for file in found:
            if (key := os.path.abspath(file.path)) not in seen:
                seen.add(key)
                yield file


def _walk(top: Path, selection: Selection, report: OnError) -> Iterator[Found]:
    def failed(error: OSError) -> None:
        report(Path(error.filename), error)

    for folder, folders, names in os.walk(top, onerror=failed):
        folders[:] = sorted(name for name in folders if selection.hidden or not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") and not selection.hidden:
                continue
            try:
                is_taken = path.is_file() and selection.wanted(path)
            except OSError as error:
                report(path, error)
                continue
            if is_taken:
                yield Found(path, path.relative_to(top))
            else:
                selection.leave(path)


@dataclass(frozen=True)
class Job:
    """One file of a batch.

    Attributes:
        source: its path, or :data:`mulanzip.jobs.files.STREAM`.
        output: path of the result; None if nothing is written, or if a damaged source does not tell its format.
        rival: an earlier source of the batch with the same output.
    """

    source: Path
    output: Path | None = None
    rival: Path | None = None


def plan(
    found: Iterable[Found],
    name: Callable[[Path], Path | None],
    *,
    output: Path | None = None,
    output_dir: Path | None = None,
) -> list[Job]:
    """Choose the paths of the results.

    Args:
        name: gives the path of the result beside its source.
        output: the output file, or an existing folder.
        output_dir: a folder for results, with the same folders below it as below each folder that was named.
    """
    jobs: list[Job] = []
    owners: dict[str, Path] = {}
    for file in found:
        target: Path | None = STREAM if file.path == STREAM else name(beside(file.path))
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


#: Does one file: source, output, options, execution -> result.
Work: TypeAlias = Callable[[Any, Any, FileOptions, Execution], FileResult]


@dataclass(frozen=True)
class Task:
    """What is done with every file of a batch; picklable, so that other processes can do it.

    Attributes:
        work: :func:`mulanzip.jobs.compress.compress`, say, with its own options bound by :func:`functools.partial`.
        files, execution: the other options; ``execution.threads`` is the number for the whole batch.
        remove: delete each source when its result is in place.
        allow_loss: delete it even if metadata was lost.
    """

    work: Work
    files: FileOptions = FileOptions()
    execution: Execution = Execution()
    remove: bool = False
    allow_loss: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        output: path of the result; None if there is none.
        status: as in :class:`mulanzip.jobs.files.FileResult`; or ``failed``.
        seconds: that the work took.
        source_size, output_size: in bytes, 0 where unknown.
        notes, lost, grade: as in :class:`mulanzip.jobs.files.FileResult`.
        error, exit_code, reason: the error's message, exit code, and a word for programs; None and 0 without an error.
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
    reason: str | None = None
    grade: Grade | None = None


class Explained(NamedTuple):
    """What is said of an error: a line of text, the exit code, and a word for programs."""

    text: str
    exit_code: int
    reason: str


def explain(source: Path, error: Exception) -> Explained:
    """What to say of an error with a file."""
    if isinstance(error, MulanzipError):
        return Explained(str(error), error.exit_code, error.reason)
    if isinstance(error, MemoryError):
        return Explained("not enough memory", LimitError.exit_code, LimitError.reason)
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        text = text if error.filename in (None, str(source)) else f"{error.filename}: {text}"
        return Explained(text, 1, "no-such-file" if isinstance(error, FileNotFoundError) else "file-system")
    raise error


def attempt(
    task: Task, job: Job, progress: Progress | None = None, streams: tuple[BinaryIO, BinaryIO] | None = None
) -> Outcome:
    """Do one file; errors become part of the outcome.

    Args:
        streams: the open files that :data:`mulanzip.jobs.files.STREAM` stands for, as a source and as an output.
    """
    start = time.perf_counter()
    failure: Explained | None = None
    with collect() as notes:
        try:
            if job.rival is not None:
                raise OutputExistsError(f"{job.output} is where the result of {job.rival} goes")
            source = streams[0] if streams and job.source == STREAM else job.source
            output = streams[1] if streams and job.output == STREAM else job.output
            result = task.work(source, output, task.files, replace(task.execution, progress=progress))
            if task.remove and result.status == "done":
                if result.grade is Grade.SAMPLES:
                    notes.append("it was not deleted: only its samples come back")
                elif result.lost and not task.allow_loss:
                    notes.append("it was not deleted")
                else:
                    failure = _remove(job.source, result.output)
        except BrokenPipeError:
            raise
        except (MulanzipError, OSError, MemoryError) as error:
            explained = explain(job.source, error)
            return Outcome(
                job.source,
                None,
                "failed",
                time.perf_counter() - start,
                _size(job.source),
                notes=notes,
                error=explained.text,
                exit_code=explained.exit_code,
                reason=explained.reason,
            )
    outcome = Outcome(
        job.source,
        None if result.status == "sound" else job.output,
        result.status,
        time.perf_counter() - start,
        result.source_size,
        result.output_size,
        notes + result.notes,
        result.lost,
        grade=result.grade,
    )
    if result.status == "salvaged":
        text = f"the file is damaged: {job.output} holds what can be trusted"
        failure = Explained(text, CorruptFileError.exit_code, CorruptFileError.reason)
    if failure is not None:
        return replace(outcome, error=failure.text, exit_code=failure.exit_code, reason=failure.reason)
    return outcome


def _size(source: Path) -> int:
    """Bytes of a file; 0 where that is unknown."""
    try:
        return source.stat().st_size if source.is_file() else 0
    except OSError:
        return 0


def _remove(source: Path, output: Path) -> Explained | None:
    """Delete a source after its result's name has reached the disk; what to say where that fails."""
    try:
        if os.name == "posix":
            folder = os.open(output.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        source.unlink()
    except OSError as error:
        explained = explain(source, error)
        return explained._replace(text=f"{output} is written, but its source could not be deleted: {explained.text}")
    return None


def memory_needed(threads: int, job: Job) -> int:
    """Estimate of the memory that a job takes, in bytes, from the header of its source; 0 if that is unreadable."""
    try:
        with open(job.source, "rb") as file:
            start = file.read(HEADER_SIZE)
        header = Header.unpack(start) if start.startswith(container.SIGNATURE) else None
    except (MulanzipError, OSError):
        return 0
    if header:
        size = header.width * header.height * header.channels * header.dtype.itemsize
    else:
        from mulanzip.imageio import reader

        size = reader.count_bytes(job.source)
    return limits.coding_bytes(size, threads) if size else 0


def workers_for(jobs: int, threads: int | None = None) -> int:
    """Number of workers for a number of files: one for each thread, if there is memory for a small image in each.

    One image keeps several threads busy for part of the time only; separate images do not wait for each other.
    """
    free = limits.available_memory()
    fitting = free // limits.coding_bytes(0, 1)
    return max(1, min(jobs, threads or limits.available_cores(), fitting))


def run(task: Task, jobs: list[Job], count: int, progress: Progress | None = None) -> Generator[Outcome, None, None]:
    """Do all jobs in ``count`` processes, which share the threads of the task.

    Args:
        progress: called with the number of jobs that are done, and the shares of those that are not.
    """
    from mulanzip.jobs import workers

    share = max(1, task.execution.thread_count // count)
    shared = replace(task, execution=replace(task.execution, threads=share, progress=None))
    return workers.run(
        partial(attempt, shared),
        jobs,
        count=count,
        threads=share,
        cost=partial(memory_needed, share),
        budget=limits.available_memory(),
        died=lambda job, reason: Outcome(
            job.source,
            None,
            "failed",
            0.0,
            error=f"its process ended before it was done ({reason})",
            exit_code=1,
            reason="process",
        ),
        progress=progress,
    )
