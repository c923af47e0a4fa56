"""``compress --series``: a folder becomes one file, and comes back with every byte."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from support.pictures import deep

from mulanzip.cli.main import main
from mulanzip.format import container
from mulanzip.format.container import IMAGE, STACK


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


def test_a_folder_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ct/deep").mkdir(parents=True)
    noise = np.random.default_rng(1)
    for i in range(3):
        tifffile.imwrite(f"ct/{i}.tif", deep(128, 130, bits=12) + noise.integers(0, 9, (128, 130), dtype=np.uint16))
    Path("ct/deep/empty.txt").touch()
    files = {str(path): path.read_bytes() for path in Path("ct").rglob("*.*")}
    assert "-> ct.tar.mzp " in run("compress", "--series", "-e1", "ct")
    assert container.unpack(container.unpack(Path("ct.tar.mzp").read_bytes()).of_kind(IMAGE)[0]).of_kind(STACK)
    assert "ct: done already" in run("compress", "--series", "-e1", "--skip-done", "ct")
    run("decompress", "ct.tar.mzp")
    with tarfile.open(fileobj=io.BytesIO(Path("ct.tar").read_bytes())) as archive:
        members = [member for member in archive if member.isfile()]
        assert {member.name: archive.extractfile(member).read() for member in members} == files  # type: ignore[union-attr]
        assert {(member.uid, member.uname) for member in archive} == {(0, "")}


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").touch()
    assert "is no folder; --series takes folders" in run("compress", "--series", "a.png", exit_code=1)
    Path("empty").mkdir()
    assert "empty: error: no image in this folder can be coded" in run("compress", "--series", "empty", exit_code=1)
    for option in ("--rm", "-r"):
        assert "--series takes whole folders" in run("compress", "--series", option, ".", exit_code=2)


def test_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(tmp_path, "ct", "deep").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "ct" / "a.tif", deep(128, 130, bits=12))
    monkeypatch.chdir(tmp_path / "ct" / "deep")
    run("compress", "--series", "..")
    run("compress", "--series", "-f", "--output-dir", ".", "../../ct/deep/..")
    monkeypatch.chdir(tmp_path / "ct")
    assert "../ct.tar.mzp exists already" in run("compress", "--series", ".", exit_code=1).replace(str(tmp_path), "..")
    assert Path(tmp_path, "ct", "deep", "ct.tar.mzp").exists()
