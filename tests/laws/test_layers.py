"""Packages import only what lies on a lower floor: the contracts in pyproject.toml, checked by import-linter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.processes import ROOT, run_python

#: Modules that break a contract, and what import-linter says of them.
VIOLATIONS: dict[str, tuple[str, str]] = {
    "row_blocks_two.py": ("", "- mulanzip.row_blocks_two"),  # It has no floor.
    "image/upwards.py": ("import mulanzip.api", "mulanzip.image.upwards -> mulanzip.api"),
    "codec/inside.py": (
        "def function():\n    from mulanzip.encoder import effort",
        "mulanzip.codec.inside -> mulanzip.encoder.effort",
    ),
    "clients/neighbour.py": ("import mulanzip.training.loop", "mulanzip.clients.neighbour -> mulanzip.training.loop"),
    "jobs/command.py": ("from mulanzip.cli import main", "mulanzip.jobs.command -> mulanzip.cli.main"),
    "format/heavy.py": ("import torch", "mulanzip.format.heavy -> torch"),
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which the sources lie as they do once installed."""
    only_sources = shutil.ignore_patterns("__pycache__", "*.safetensors", "logs")
    shutil.copytree(ROOT / "mulanzip", tmp_path / "mulanzip", ignore=only_sources)
    for name in ("cli", "models"):
        shutil.copytree(ROOT / name, tmp_path / "mulanzip" / name, ignore=only_sources)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    """The exit code and the report of ``lint-imports``."""
    code = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = run_python("-c", code, "--no-cache", cwd=folder)
    assert not done.stderr
    return done.returncode, done.stdout


def test_imports_obey_the_contracts(installed: Path) -> None:
    code, report = lint(installed)
    assert code == 0, report
    assert ", 0 broken" in report


def test_violations_are_found(installed: Path) -> None:
    for name, (source, _) in VIOLATIONS.items():
        (installed / "mulanzip" / name).write_text(source + "\n")
    code, report = lint(installed)
    assert code == 1
    assert [expected for _, expected in VIOLATIONS.values() if expected not in report] == []
    assert "Contracts: 0 kept" in report
