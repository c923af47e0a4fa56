"""What the commands say: results on stdout, notes, errors and progress on stderr; and exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from mulanzip.errors import MulanzipError


class Reporter:
    """Speaks for one call of a command that takes several files."""

    def __init__(self, quiet: bool, verbose: bool = False):
        self.quiet = quiet
        self.verbose = verbose
        self.exit_code = 0

    def say(self, text: str) -> None:
        """A result."""
        if not self.quiet:
            click.echo(text)

    def note(self, source: Path, text: str) -> None:
        """Something to know that is no failure."""
        if not self.quiet:
            click.echo(f"{source}: note: {text}", err=True)

    def fail(self, source: Path, error: Exception) -> None:
        """A file that failed; the first failure's exit code counts, 1 if they differ."""
        if isinstance(error, OSError):
            text, code = f"{error.strerror or error}", 1
        else:
            text, code = str(error), error.exit_code if isinstance(error, MulanzipError) else 1
        click.echo(f"{source}: error: {text}", err=True)
        self.exit_code = code if self.exit_code in (0, code) else 1

    @contextmanager
    def progress(self, source: Path) -> Iterator[Callable[[float], None] | None]:
        """A progress bar on stderr if it is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"
        with tqdm(total=1.0, desc=source.name, leave=False, bar_format=form) as bar:

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
            except (MulanzipError, OSError) as error:
                reporter.fail(source, error)
            except MemoryError:
                from mulanzip.errors import LimitError

                reporter.fail(source, LimitError("not enough memory"))
    if reporter.exit_code:
        sys.exit(reporter.exit_code)


def size(count: int) -> str:
    """``1,234,567``."""
    return f"{count:,}"
