"""The output of commands: results on stdout; notes, errors and progress on stderr; exit codes."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulanzip.jobs.urls import without_marks

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome

NOTHING_TO_DO = 3
#: Stands beside the reasons of errors for files that are none of those looked for.
LEFT_ALONE = "left-alone"
_STATUSES = ("done", "salvaged", "sound", "planned", "skipped", "failed")
_GRADES = ("file", "content", "samples")
#: Number of suffixes that the summary names.
_NAMED = 6


class Reporter:
    """Prints for one call of a command, and finds its exit code.

    Args:
        quiet: print errors only.
        as_json: print an object per file on stdout; text goes to stderr.

    Attributes:
        advice: what to do about failures of a reason, and about files that were left alone (:data:`LEFT_ALONE`); it is
            given once, at the end.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False):
        self.advice: dict[str, str] = {}
        self.quiet = quiet
        self.as_json = as_json
        self.exit_code = 0
        self._to_stderr = as_json
        self._counts: Counter[str] = Counter()
        self._grades: Counter[str] = Counter()
        self._left_alone: Counter[str] = Counter()
        self._reasons: set[str | None] = set()
        self._sizes = (0, 0)
        self._start = time.perf_counter()
        self._has_bar = False

    def leave_stdout(self) -> None:
        """Print results on stderr: stdout is for a file."""
        self._to_stderr = True

    def say(self, text: str) -> None:
        """Print a result."""
        if not self.quiet:
            self._echo(text, self._to_stderr)

    def note(self, source: Path, text: str) -> None:
        """Print a remark that is not a failure."""
        if not self.quiet:
            self._echo(f"{source}: note: {text}")

    def warn(self, text: str) -> None:
        """Print a remark on the options."""
        if not self.quiet:
            self._echo(f"warning: {text}")

    def leave_alone(self, path: Path) -> None:
        """Count a file that is none of those looked for."""
        self._left_alone[path.suffix.lower() or "no suffix"] += 1
        self._reasons.add(LEFT_ALONE)

    def failed(self, source: Path, text: str, exit_code: int) -> None:
        """Print a failure.  If failures have different exit codes, the command ends with 1."""
        self._echo(f"{source}: error: {text}")
        self._count_failure(exit_code)

    def fail(self, source: Path, error: Exception) -> None:
        """Print an error as a failure."""
        from mulanzip.jobs.batch import explain

        explained = explain(source, error)
        self.failed(source, explained.text, explained.exit_code)

    def lost(self, source: Path, names: list[str], allowed: bool) -> None:
        """Print what could not be kept."""
        text = f"{source}: warning: lost metadata: {', '.join(names)}"
        if allowed:
            if not self.quiet:
                self._echo(text)
            return
        self._echo(f"{text} (not a failure with --allow-metadata-loss)")
        self._count_failure(1)

    def record(self, facts: dict[str, Any]) -> None:
        """Print a JSON object, if programs are to read the output."""
        if self.as_json:
            self._print(json.dumps(facts), to_stderr=False)

    def outcome(self, outcome: Outcome, done: Callable[[Outcome], str], allow_loss: bool) -> None:
        """Print what became of a file; ``done`` words a success."""
        source = outcome.source
        self.count(outcome.status)
        self._reasons.add(outcome.reason)
        if outcome.grade is not None:
            self._grades[outcome.grade.name.lower()] += 1
        if outcome.status == "done":
            self._sizes = (self._sizes[0] + outcome.source_size, self._sizes[1] + outcome.output_size)
        for note in outcome.notes:
            self.note(source, note)
        if outcome.lost:
            self.lost(source, outcome.lost, allow_loss)
        if outcome.status == "skipped":
            self.say(f"{source}: done already: {outcome.output}")
        elif outcome.status == "planned":
            self.say(f"{source} -> {outcome.output}  (not done: dry run)")
        elif outcome.status not in ("sound", "failed"):
            self.say(done(outcome))
        if outcome.error is not None:
            self.failed(source, outcome.error, outcome.exit_code)
        exit_code = outcome.exit_code or int(bool(outcome.lost) and not allow_loss)
        self.record(
            {
                "source": without_marks(str(source)),
                "output": None if outcome.output is None else without_marks(str(outcome.output)),
                "status": outcome.status,
                "grade": None if outcome.grade is None else outcome.grade.name.lower(),
                "source_size": outcome.source_size,
                "output_size": outcome.output_size,
                "seconds": round(outcome.seconds, 3),
                "notes": outcome.notes,
                "lost": outcome.lost,
                "error": outcome.error,
                "reason": outcome.reason,
                "exit_code": exit_code,
            }
        )

    def count(self, status: str) -> None:
        """Count a file for the summary."""
        self._counts[status] += 1

    def finish(self) -> None:
        """Print the summary, and leave with the right exit code."""
        total = sum(self._counts.values())
        if not self.quiet:
            if total > 1:
                self._echo(self._summary(total))
            self.say_what_is_left()
            for text in dict.fromkeys(text for reason, text in self.advice.items() if reason in self._reasons):
                self._echo(text)
            if not self.exit_code and not total:
                self._echo("nothing to do: no files found")
        if not self.exit_code and not total:
            self.exit_code = NOTHING_TO_DO
        self.leave()

    def _summary(self, total: int) -> str:
        """``5 files: 4 done, 1 failed; 2,000 -> 1,000 bytes (50.0 %); grades: 3 file, 1 content; 2.1 s``."""
        parts = [", ".join(f"{self._counts[status]} {status}" for status in _STATUSES if self._counts[status])]
        before, after = self._sizes
        if before and after:
            parts.append(f"{size(before)} -> {size(after)} bytes ({100 * after / before:.1f} %)")
        if self._grades:
            names = [f"{self._grades[grade]} {grade}" for grade in _GRADES if self._grades[grade]]
            parts.append(f"grades: {', '.join(names)}")
        parts.append(f"{time.perf_counter() - self._start:.1f} s")
        return f"{total} files: {'; '.join(parts)}"

    def say_what_is_left(self) -> None:
        """Print ``3 other files left alone: .xmp, .txt``, if there are any."""
        if self.quiet or not self._left_alone:
            return
        count, names = sum(self._left_alone.values()), [name for name, _ in self._left_alone.most_common()]
        more = ["..."] if len(names) > _NAMED else []
        files = "file" if count == 1 else "files"
        self._echo(f"{count} other {files} left alone: {', '.join(names[:_NAMED] + more)}")

    @contextmanager
    def stopping(self, source: Path) -> Iterator[None]:
        """An error inside the block is a failure of ``source``; the rest of the block is skipped."""
        from mulanzip.errors import MulanzipError

        try:
            yield
        except BrokenPipeError:
            raise
        except (MulanzipError, OSError, MemoryError) as error:
            self.fail(source, error)

    def leave(self) -> None:
        """Leave with the right exit code."""
        if self.exit_code:
            sys.exit(self.exit_code)

    def _count_failure(self, exit_code: int) -> None:
        self.exit_code = exit_code if self.exit_code in (0, exit_code) else 1

    def _echo(self, text: str, to_stderr: bool = True) -> None:
        self._print(printable(without_marks(text)), to_stderr)

    def _print(self, text: str, to_stderr: bool) -> None:
        if not self._has_bar:
            click.echo(text, err=to_stderr)
            return
        from tqdm import tqdm

        with tqdm.external_write_mode():  # Not into the bar.
            click.echo(text, err=to_stderr)

    @contextmanager
    def progress(self, what: str, total: float = 1.0) -> Iterator[Callable[[float], None] | None]:
        """A progress bar if stderr is a terminal.  The block gets a function to call with the part that is done."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"
        starting = "{desc}: starting, {elapsed}"
        with tqdm(total=total, desc=printable(what), leave=False, bar_format=starting) as bar:

            def report(done: float) -> None:
                if bar.bar_format == starting:  # The time until now tells nothing of the rest.
                    bar.bar_format, bar.initial, bar.start_t = form, done, time.time()
                bar.n, bar.last_print_t = done, time.time()  # A bar that was never printed is not cleared.
                bar.refresh()

            self._has_bar = True
            try:
                yield report
            finally:
                self._has_bar = False


def printable(text: str) -> str:
    """One line that any terminal can show, whatever is in file names."""
    return "".join(c if c.isprintable() else "?" for c in text)


def size(count: int) -> str:
    """``1,234,567``."""
    return f"{count:,}"
