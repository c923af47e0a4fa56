"""After a plain installation, everything works inside a checkout, too, where its sources are found first."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import photo
from support.processes import run_python
from support.wheels import copy_sources, installed_only

import mulanzip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a photograph in it."""
    copy_sources(tmp_path)
    Image.fromarray(photo(40, 50)).save(tmp_path / "photo.png")
    return tmp_path


def run(*arguments: str, installed: Path, checkout: Path) -> str:
    done = run_python("-S", *arguments, env=installed_only(installed), cwd=checkout)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_package_is_that_of_the_checkout(installed: Path, checkout: Path) -> None:
    for name, file in (("mulanzip", "mulanzip"), ("mulanzip.cli", "cli"), ("mulanzip.models", "models")):
        found = run("-c", f"import {name} as p; print(p.__file__)", installed=installed, checkout=checkout)
        assert Path(found.strip()) == checkout / file / "__init__.py"


@pytest.mark.slow
def test_every_public_name_is_found(installed: Path, checkout: Path) -> None:
    run("-c", "from mulanzip import *", installed=installed, checkout=checkout)
    names = run("-c", "import mulanzip; print(*mulanzip.__all__)", installed=installed, checkout=checkout)
    assert names.split() == mulanzip.__all__


@pytest.mark.slow
def test_the_command_runs(installed: Path, checkout: Path) -> None:
    run("-m", "mulanzip", "compress", "photo.png", installed=installed, checkout=checkout)
    run("-m", "mulanzip", "decompress", "photo.png.mzp", "-o", "copy.png", installed=installed, checkout=checkout)
    with Image.open(checkout / "copy.png") as copy:
        np.testing.assert_array_equal(np.asarray(copy), photo(40, 50))
    assert "photo (default" in run("-m", "mulanzip", "models", installed=installed, checkout=checkout)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(installed: Path, checkout: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (checkout / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    run("-c", "".join(blocks), installed=installed, checkout=checkout)
