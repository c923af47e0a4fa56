"""Files that processes leave when they are killed while they write: the next one deletes them, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mulanzip.jobs import atomic

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files are locked on POSIX systems alone")

#: Writes result.mzp, and hangs before it gets its name.
HANGING = """
import os, sys, time
from pathlib import Path
from mulanzip.jobs import atomic
os.fsync = lambda _: (print("here", flush=True), time.sleep(600))
atomic.write(b"half", Path("result.mzp"), like=Path("source"))
"""


@contextmanager
def hanging(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has written a temporary file to a folder."""
    process = subprocess.Popen([sys.executable, "-c", HANGING], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == "here\n"
            yield process
        finally:
            process.kill()


def write(folder: Path, name: str) -> set[str]:
    """Write a file as a new process would; what is in the folder then."""
    atomic._swept.clear()
    assert atomic.write(b"whole", folder / name, like=folder / "source") == []
    assert (folder / name).read_bytes() == b"whole"
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_leaves_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    with hanging(tmp_path):
        (temporary,) = (path.name for path in tmp_path.glob(".mulanzip-*"))
        assert write(tmp_path, "a.mzp") == {"source", "a.mzp", temporary}  # Somebody is still at it.
    assert (tmp_path / temporary).read_bytes() == b"half"
    assert write(tmp_path, "b.mzp") == {"source", "a.mzp", "b.mzp"}


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    with hanging(tmp_path), hanging(tmp_path):
        assert len(write(tmp_path, "a.mzp")) == 4
    assert len(write(tmp_path, "a.mzp")) == 2


def test_what_was_swept_before_it_was_locked_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").touch()
    lock, swept = atomic.fcntl.flock, []

    def late(file: object, how: int) -> None:
        if not swept:
            swept.extend(tmp_path.glob(".mulanzip-*"))
            swept[0].unlink()
        lock(file, how)

    monkeypatch.setattr(atomic.fcntl, "flock", late)
    assert write(tmp_path, "a.mzp") == {"source", "a.mzp"}
    assert len(swept) == 1


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    (tmp_path / ".mulanzip-notes").touch()
    (tmp_path / ".mulanzip-link.tmp").symlink_to("source")
    (tmp_path / ".mulanzip-folder.tmp").mkdir()
    os.mkfifo(tmp_path / ".mulanzip-pipe.tmp")
    assert write(tmp_path, "a.mzp") >= {"source", ".mulanzip-notes", ".mulanzip-link.tmp", ".mulanzip-folder.tmp"}
