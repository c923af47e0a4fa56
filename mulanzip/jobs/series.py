"""A folder -> a ``.mzp`` file of a tar archive of it, in which the slices of a series are coded given each other."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

from mulanzip.errors import UnreadableImageError
from mulanzip.jobs.compress import compress
from mulanzip.jobs.endpoints import Endpoint
from mulanzip.jobs.files import FileOptions, FileResult
from mulanzip.jobs.names import SUFFIX
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution


def series_name(folder: Path) -> Path:
    """``ct`` -> ``ct.tar.mzp``; ``.``, in a folder ``ct``, -> the same, beside that folder."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.parent / f"{named.name}.tar{SUFFIX}"


def compress_series(
    given: os.PathLike[str],
    output: Endpoint | None,
    files: FileOptions,
    execution: Execution,
    *,
    encoding: EncodeOptions,
) -> FileResult:
    """Compress a folder.

    Args:
        given: the folder.
        output, files, execution, encoding: as for :func:`mulanzip.jobs.compress.compress`.

    Raises:
        OSError: if it is no folder, or cannot be read.
        UnreadableImageError: if no image is found in it.
        MulanzipError: all that :func:`mulanzip.jobs.compress.compress` raises.
    """
    folder = Path(given)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is no folder; --series takes folders", str(folder))
    archive = io.BytesIO(archive_of(folder, execution.limits))
    try:
        result = compress(archive, output or series_name(folder), files, execution, encoding=encoding)
    except UnreadableImageError:  # It is about the archive, of which users know nothing.
        raise UnreadableImageError(
            "no image in this folder can be coded as a series; -r takes the files one by one, --all keeps the folder"
        ) from None
    return replace(result, source=folder)


def archive_of(folder: Path, limits: Limits) -> bytes:
    """A tar archive of a folder and all below it, in the order of names; dates in seconds, without owners.

    Raises:
        LimitError: if there is not enough memory.
    """
    limits.require(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, folder.resolve().name, filter=_without_owner)
    return buffer.getvalue()


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime)
    return entry
