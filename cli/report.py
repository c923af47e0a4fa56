"""What the commands say: results on stdout, notes, errors and progress on stderr; and exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from mulanzip.errors import LimitError, MulanzipError


class Reporter:
    """Speaks for one call of a command that takes several files."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.exit_code = 0

    def say(self, text: str) -> None:
        """A result."""
        if not self.quiet:
            click.echo(printable(text))

    def note(self, source: Path, text: str) -> None:
        """Something to know that is no failure."""
        if not self.quiet:
            click.echo(printable(f"{source}: note: {text}"), err=True)

    def fail(self, source: Path, error: Exception) -> None:
        """A file that failed; its exit code counts if no other failure has another one, else 1 does."""
        text, code = str(error), 1
        if isinstance(error, MulanzipError):
            code = error.exit_code
        elif isinstance(error, OSError):
            text = error.strerror or str(error)
            if error.filename not in (None, str(source)):
                text = f"{error.filename}: {text}"
        click.echo(printable(f"{source}: error: {text}"), err=True)
        self.exit_code = code if self.exit_code in (0, code) else 1

    @contextmanager
    def progress(self, source: Path) -> Iterator[Callable[[float], None] | None]:
        """A progress bar on stderr if it is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"
        with tqdm(total=1.0, desc=printable(source.name), leave=False, bar_format=form) as bar:

            def report(share: float) -> None:
                bar.n = share
                bar.refresh()

            yield report


def each(sources: Sequence[Path], reporter: Reporter, work: Callable[[Path], None]) -> None:
    """Do every file, report failures, and leave with the right exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: click.echo(f"mulanzip: warning: {message}", err=True)
        for source in sources:
            try:
                work(source)
            except BrokenPipeError:
                raise
            except (MulanzipError, OSError) as error:
                reporter.fail(source, error)
            except MemoryError:
                reporter.fail(source, LimitError("not enough memory"))
    if reporter.exit_code:
        sys.exit(reporter.exit_code)


def printable(text: str) -> str:
    """One line that any terminal can show, whatever is in file names."""
    return "".join(c if c.isprintable() else "?" for c in text)


def size(count: int) -> str:
    """``1,234,567``."""
    return f"{count:,}"
