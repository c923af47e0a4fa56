"""Outputs on the disk: checked before the work, and written completely or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mulanzip.errors import OutputExistsError
from mulanzip.jobs.files import FileOptions

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".mulanzip-", ".tmp"
_swept: set[Path] = set()


def check(output: Path | BinaryIO, options: FileOptions, source: Path | None = None) -> None:
    """Find out before the work whether the output can be written after it.

    Args:
        output: a path; or an open file, which is not checked.
        options: ``skip_done`` says that the output has been found not to be the result already.
        source: path of the input file, which must not be the output.

    Raises:
        OutputExistsError: if something exists there that is not to be replaced.
        OSError: if the output's folder is missing or cannot be written to.
    """
    if not isinstance(output, Path):
        return
    if output.exists():
        if source is not None and output.samefile(source):
            raise OutputExistsError(f"output {output} is the input itself")
        if not output.is_file():
            raise OutputExistsError(f"output {output} is no regular file")
        if not options.overwrite and options.skip_done:
            raise OutputExistsError(f"{output} exists, but does not hold this image (use -f to overwrite it)")
        if not options.overwrite:
            raise OutputExistsError(f"{output} exists already (use -f to overwrite it)")
    folder = Path(os.path.realpath(output)).parent
    while options.make_folder and not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot write to this folder", str(folder))


def write(
    data: bytes,
    output: Path | BinaryIO,
    *,
    like: Path | None = None,
    make_folder: bool = False,
    sync: bool = True,
) -> list[str]:
    """Write a file that gets its name when it is complete.

    Args:
        output: a path; or an open file, which gets all bytes in one write.
        like: a file whose dates and permissions the output gets.
        make_folder: make the output's folder where it is missing.
        sync: wait until the file is on the disk, because its source may be deleted next; takes milliseconds.

    Returns:
        a note if dates and permissions could not be kept.

    Raises:
        OSError: with the output's name; nothing is written then.
    """
    if not isinstance(output, Path):
        output.write(data)
        output.flush()
        return []
    notes = []

    def copy_facts(temporary: Path) -> None:
        if like is not None:
            try:
                shutil.copystat(like, temporary)
            except OSError as error:
                notes.append(f"dates and permissions could not be kept: {error.strerror}")

    with replacing(output, copy_facts, make_folder, sync) as file:
        file.write(data)
    return notes


@contextmanager
def replacing(
    output: Path, finish: Callable[[Path], None], make_folder: bool = False, sync: bool = True
) -> Iterator[BinaryIO]:
    """A context with an open file, which gets its name when the context ends without an error.

    Args:
        finish: called with the temporary path of the complete file.
        make_folder: make the output's folder where it is missing.
        sync: wait until the file is on the disk.

    Raises:
        OSError: with the output's name; nothing is written then.
    """
    target = Path(os.path.realpath(output))  # Links stay links.
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        with _temporary(target.parent) as file:
            try:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
                if fcntl is None:
                    file.close()  # Windows renames no open files.
                finish(Path(file.name))
                os.replace(file.name, target)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from error


def _temporary(folder: Path) -> BinaryIO:
    """A new hidden file, locked while it is open: a file that others can lock has no owner any more."""
    while True:
        file = open(folder / f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}", "xb")  # noqa: SIM115
        if fcntl is None:
            return file
        with suppress(OSError):  # Some network file systems have no locks, so nothing is swept there.
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(file.name):
            return file
        file.close()  # Swept before it was locked.


def _sweep(folder: Path) -> None:
    """Delete the temporary files that killed processes left in a folder; once for each folder and process."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # Locked by its owner, or gone, or no file of ours.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)
