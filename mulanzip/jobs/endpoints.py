"""The two ends of a job: what it reads and what it writes, as a path or as a stream."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeGuard

from mulanzip.errors import LimitError, MulanzipError, OutputExistsError
from mulanzip.format.container import Header
from mulanzip.jobs.files import STREAM
from mulanzip.limits import Limits

#: A path, or an open file.
Endpoint: TypeAlias = str | os.PathLike[str] | BinaryIO


class Source:
    """A file that can be read more than once.

    Args:
        given: a path; or an open file, which is read to its end at once.
        limits: maximum size of an open file's content.

    Attributes:
        file: the path; None for an open file.

    Raises:
        LimitError: if an open file has more bytes than the limits allow.
    """

    def __init__(self, given: Endpoint, limits: Limits):
        self.file = Path(given) if isinstance(given, str | os.PathLike) else None
        self._limits = limits
        self._content = b"" if isinstance(given, str | os.PathLike) else _content(given, limits)

    @property
    def path(self) -> Path:
        """The path, :data:`mulanzip.jobs.files.STREAM` for an open file."""
        return self.file or STREAM

    def size(self) -> int:
        """Size in bytes.

        Raises:
            OSError: for folders, pipes and devices.
        """
        if self.file is None:
            return len(self._content)
        facts = self.file.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder; name the files in it, or use -r", str(self.file))
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a regular file; '-' reads standard input", str(self.file))
        return facts.st_size

    def open(self) -> BinaryIO:
        """Open for reading from the start."""
        return io.BytesIO(self._content) if self.file is None else open(self.file, "rb")

    def head(self, count: int) -> bytes:
        """The first ``count`` bytes, or fewer."""
        with self.open() as file:
            return file.read(count)

    def read(self) -> bytes:
        """The whole content."""
        with self.open() as file:
            return file.read()

    def read_compressed(self, header: Header) -> bytes:
        """The whole content of a ``.mzp`` file whose header is known.

        Raises:
            LimitError: if the image or the file is larger than the limits allow; nothing has been read then.
        """
        self._limits.check_pixels(header.height, header.width)
        self._limits.require(self.size())
        return self.read()


def _content(stream: BinaryIO, limits: Limits) -> bytes:
    most = -1 if limits.memory is None else limits.memory + 1
    data = stream.read(most)
    if len(data) == most:
        raise LimitError(f"the input has more bytes than the limit of memory, {most - 1:,} (--max-memory)")
    return data


def output_of(source: Source, given: Endpoint | None, default: Callable[[Path], Path]) -> Path | BinaryIO:
    """The output that is meant.

    Args:
        given: an output file; or a folder, for a file of the default name; or None, for that file beside the source.
        default: gives the path of the output beside its source.

    Raises:
        MulanzipError: if the source is a stream, which has no name, and the name of the output depends on it.
        OutputExistsError: if the folder is in the place of that file.
    """
    if not isinstance(given, str | os.PathLike | None):
        return given
    if given is not None and not Path(given).is_dir():
        return Path(given)
    if source.file is None:
        raise MulanzipError("standard input has no name; name the output file with -o")
    name = default(source.file)
    if given is None:
        return name
    if Path(given).name == name.name:
        raise OutputExistsError(f"output {given} is a folder")
    return Path(given) / name.name


def path_of(end: Endpoint) -> Path:
    """The path, :data:`mulanzip.jobs.files.STREAM` for an open file."""
    return Path(end) if isinstance(end, str | os.PathLike) else STREAM


def is_existing_file(output: Path | BinaryIO) -> TypeGuard[Path]:
    """Whether the output is the path of an existing file."""
    return isinstance(output, Path) and output.is_file()
