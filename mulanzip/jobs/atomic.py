"""Results on the disk: foreseen before the work, and there whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mulanzip.errors import OutputExistsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".mulanzip-", ".tmp"
_swept: set[Path] = set()


def check(
    source: Path | io.BytesIO, output: Path | BinaryIO, overwrite: bool, make_folder: bool, skip_done: bool
) -> None:
    """Find out before the work whether the output can be written after it.

    Args:
        source, output: paths, or what is read and written instead of files.
        overwrite, make_folder, skip_done: as for :func:`mulanzip.jobs.files.compress_file`; what is done was skipped.

    Raises:
        OutputExistsError: if something is there that is not to be replaced.
        OSError: if the output's folder is missing, or cannot be written to.
    """
    if not isinstance(output, Path):
        return
    if output.exists():
        if isinstance(source, Path) and output.samefile(source):
            raise OutputExistsError(f"output {output} is the input itself")
        if not output.is_file():
            raise OutputExistsError(f"output {output} is no regular file")
        if not overwrite and skip_done:
            raise OutputExistsError(f"{output} exists, but does not hold this image (use -f to overwrite it)")
        if not overwrite:
            raise OutputExistsError(f"{output} exists already (use -f to overwrite it)")
    folder = Path(os.path.realpath(output)).parent
    while make_folder and not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot write to this folder", str(folder))


def write(
    data: bytes,
    output: Path | BinaryIO,
    source: Path | io.BytesIO,
    notes: list[str],
    make_folder: bool,
    sync: bool = True,
) -> None:
    """Write a file that gets its name when it is complete, with the source's dates and permissions.

    Args:
        notes: gets a sentence where these could not be kept.
        sync: wait until the file is on the disk, as its source may be deleted next; milliseconds per file.

    Raises:
        OSError: with the output's name; nothing is written then.
    """
    if not isinstance(output, Path):
        output.write(data)
        output.flush()
        return

    def like_source(temporary: Path) -> None:
        if isinstance(source, Path):
            try:
                shutil.copystat(source, temporary)
            except OSError as error:
                notes.append(f"dates and permissions could not be kept: {error.strerror}")

    with replacing(output, like_source, make_folder, sync) as file:
        file.write(data)


@contextmanager
def replacing(
    output: Path, finish: Callable[[Path], None], make_folder: bool = False, sync: bool = True
) -> Iterator[BinaryIO]:
    """A file that gets its name when the context ends without an error: then it is complete.

    Args:
        finish: called with the path that the complete file has before.
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
    """A new hidden file, locked while it is open: what can be locked has no owner any more."""
    while True:
        file = open(folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}", "xb")  # noqa: SIM115
        if fcntl is None:
            return file
        with suppress(OSError):  # Some network file systems have no locks; nobody sweeps there.
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(file.name):
            return file
        file.close()  # Swept before it was locked.


def _sweep(folder: Path) -> None:
    """Delete what processes that were killed left in a folder; once per folder and process."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # It is locked, or gone, or none of ours.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)
