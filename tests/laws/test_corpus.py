"""Faulty files are refused with the right exit code, and a line that says what is wrong; nothing is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.processes import TESTS, load_script

from mulanzip.cli.main import main
from mulanzip.format.container import SIGNATURE

FOLDER = TESTS / "corpus" / "faulty"
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (\d) \| (.*?) \|$", re.MULTILINE)
FAULTY = {
    name: (fault, int(code), message) for name, fault, code, message in ROW.findall((FOLDER / "README.md").read_text())
}


def test_every_file_is_explained() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", *FAULTY}
    assert all(fault for fault, _, _ in FAULTY.values())


@pytest.mark.slow
def test_the_script_still_makes_them() -> None:
    script = load_script(TESTS / "corpus" / "make.py")
    found = script.make()
    assert script.manifest(found) == (FOLDER / "README.md").read_text()
    # The bytes of other files depend on the libraries that deflate them.
    coded = {
        name: faulty.data
        for name, faulty in found.items()
        if faulty.data.startswith(SIGNATURE) and not re.search(b"STOR|VALS|orig", faulty.data)
    }
    assert len(coded) > 40
    for name, data in coded.items():
        assert data == (FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_files_are_refused(name: str, tmp_path: Path) -> None:
    _, code, message = FAULTY[name]
    shutil.copy(FOLDER / name, tmp_path)
    command = ["decompress"] if name.endswith(".mzp") else ["compress", "--only-modelled", "--effort", "1"]
    done = CliRunner().invoke(main, [*command, str(tmp_path / name), "--threads", "1"])
    assert done.exit_code == code, done.output
    assert message in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path / name}: error: ")
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [name]
