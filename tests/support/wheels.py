"""The package as users install it: a wheel, and a folder that it is installed in."""

from __future__ import annotations

import os
import shutil
import site
from pathlib import Path

from support.processes import ROOT, run_python

#: Folders of the repository, and where they are in the wheel.
PACKAGES = {"mulanzip": "mulanzip", "cli": "mulanzip/cli", "models": "mulanzip/models"}
_FILES = ("pyproject.toml", "setup.py", "native_build.py", "MANIFEST.in", "README.md", "LICENSE")


def copy_sources(folder: Path) -> None:
    """Copy what a wheel is built from into a new folder."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, folder)


def build(sources: Path) -> Path:
    """Build a wheel, without network."""
    output = sources.parent / "dist"
    done = run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", output, sources, cwd=sources.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = output.glob("*.whl")
    return found


def install(wheel: Path, folder: Path) -> None:
    """Install a wheel into a folder, without what it depends on."""
    done = run_python(
        *("-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--quiet", "--target", folder, wheel)
    )
    assert done.returncode == 0, done.stderr


def installed_only(folder: Path) -> dict[str, str]:
    """Changes to the environment: Python finds the package that is installed in a folder.

    Run Python with ``-S``: else it would find that of the developer as well.
    """
    return {"PYTHONPATH": os.pathsep.join((str(folder), *site.getsitepackages()))}
