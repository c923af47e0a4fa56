"""The law of standard streams: whichever is closed or full, no traceback, no half-written file, a sensible exit code.

The same command with open streams says what is expected: a stream that it does not use has no effect.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.pictures import drawing
from support.processes import ROOT

from mulanzip.jobs.compress import compress_file

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a POSIX shell, and /dev/full")

STDIN, STDOUT, STDERR = range(3)
#: How a shell breaks streams, and which ones.
REDIRECTIONS = {
    "<&-": {STDIN},
    ">&-": {STDOUT},
    "2>&-": {STDERR},
    ">/dev/full": {STDOUT},
    "2>/dev/full": {STDERR},
    "<&- >&- 2>&-": {STDIN, STDOUT, STDERR},
}
#: Commands, and what they read from standard input: a file of the folder, or b"" if they do not read it.
COMMANDS = {
    "--help": b"",
    "models": b"",
    "info c.mzp": b"",
    "test c.mzp": b"",
    "compress a.png": b"",
    "compress -q a.png": b"",
    "compress --json a.png": b"",
    "compress -j2 a.png missing.png": b"",
    "compress -": b"a.png",
    "compress --files-from -": b"list",
    "decompress c.mzp -o -": b"",
    "pack . -o set.mzp": b"",
    "nonsense": b"",
}
#: Commands that take seconds: not with every stream.
SLOW = {"pack . -o set.mzp": (">&-",), "compress -j2 a.png missing.png": (">/dev/full", "<&- >&- 2>&-")}


class Run(NamedTuple):
    exit_code: int
    stdout: bytes
    stderr: bytes
    files: dict[str, bytes]


def run(folder: Path, command: str, redirection: str = "") -> Run:
    """A command in a folder with an image, a compressed one, and a list of names."""
    drawing(9, 12).save(folder / "a.png")
    drawing(9, 12, seed=1).save(folder / "c.png")
    compress_file(folder / "c.png", folder / "c.mzp")
    (folder / "c.png").unlink()
    os.utime(folder / "a.png", (0, 0))  # Archives keep dates.
    os.utime(folder / "c.mzp", (0, 0))
    (folder / "list").write_text("a.png\n")
    words = [sys.executable, "-m", "mulanzip", *shlex.split(command)]
    given = COMMANDS[command]
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(words)} {redirection}"],
        input=(folder / os.fsdecode(given)).read_bytes() if given else b"",
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Run(done.returncode, re.sub(rb'"seconds": [\d.]+', b"", done.stdout), done.stderr, files)


@pytest.fixture(scope="module")
def open_streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """What the commands do when nothing is wrong, as far as they were asked for."""

    class Runs(dict[str, Run]):
        def __missing__(self, command: str) -> Run:
            self[command] = run(tmp_path_factory.mktemp("open"), command)
            return self[command]

    return Runs()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "redirection"),
    [(command, redirection) for command in COMMANDS for redirection in SLOW.get(command, REDIRECTIONS)],
)
def test_broken_streams(command: str, redirection: str, tmp_path: Path, open_streams: dict[str, Run]) -> None:
    expected, found = open_streams[command], run(tmp_path, command, redirection)
    broken = REDIRECTIONS[redirection]
    lines, usual = found.stderr.decode().splitlines(), expected.stderr.decode().splitlines()
    assert "Traceback" not in found.stderr.decode()
    assert found.stdout == b"" or STDOUT not in broken
    assert lines == [] or STDERR not in broken
    if (STDIN in broken and COMMANDS[command]) or (STDOUT in broken and expected.stdout):
        assert found.exit_code == 1
        assert found.files.items() <= expected.files.items()
        if STDERR not in broken:
            assert re.search("standard input is closed|cannot write to standard output: ", lines[-1])
            assert set(lines[:-1]) <= set(usual)
    else:
        assert (found.exit_code, found.files) == (expected.exit_code, expected.files)
        assert found.stdout == expected.stdout or STDOUT in broken
        assert lines == usual or STDERR in broken


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_no_file_gets_the_number_of_a_stream(redirection: str, tmp_path: Path) -> None:
    """Else it would get what libraries print."""
    script = "from mulanzip.cli import streams; streams.prepare(); raise SystemExit(open('new', 'wb').fileno())"
    command = f"exec {shlex.join([sys.executable, '-c', script])} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, cwd=tmp_path, check=False
    )
    assert done.returncode > STDERR
