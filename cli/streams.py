"""The standard streams of a process: each may be closed, and standard output may be full."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT, _STDERR = 1, 2


class _ClosedInput(io.RawIOBase):
    """Standard input that is closed: reading is an error."""

    def readable(self) -> bool:
        return True

    def readinto(self, _: Any) -> NoReturn:
        raise OSError(errno.EBADF, "standard input is closed")


class _Output(io.FileIO):
    """Standard output, whose error says so.

    It is raised once: Python writes again what is left in buffers when the process ends.
    """

    _has_failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._has_failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._has_failed = True
            raise
        except OSError as error:
            self._has_failed = True
            reason = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OSError(error.errno, f"cannot write to standard output: {reason}") from None


class _Messages(io.FileIO):
    """Standard error: what cannot be said there is dropped, and the exit code tells the rest."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Make the standard streams safe to use, whatever the process was started with."""
    _occupy_closed()
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedInput()), encoding="utf-8")
    sys.stdout = _over(sys.stdout, _Output(_STDOUT, "w", closefd=False))
    sys.stderr = _over(sys.stderr, _Messages(_STDERR, "w", closefd=False))


def _occupy_closed() -> None:
    """Give the numbers of closed streams to the null device; a file opened later would get them, and their text.

    Each is opened in the wrong direction, so that its use stays an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY), True)


def _over(stream: TextIO | None, raw: io.FileIO) -> TextIO:
    """A text stream like ``stream`` over ``raw``; terminals stay as they are, since they are never full."""
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
    if stream.isatty():
        return stream
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=raw.fileno() == _STDERR)
