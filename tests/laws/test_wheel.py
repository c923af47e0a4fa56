"""The wheel holds everything that is needed and nothing else, and works where the sources are not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import smooth
from support.processes import ROOT, run_python
from support.wheels import PACKAGES

from mulanzip.native import binding


def test_the_wheel_has_every_module_and_every_model(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, package in PACKAGES.items():
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".typed", ".xml") or path.name == "model.safetensors":
                assert f"{package}/{path.relative_to(ROOT / folder).as_posix()}" in names
    assert any(name.endswith("model.safetensors") for name in names)


def test_the_wheel_has_the_native_library_for_any_python(wheel: Path) -> None:
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if Path(name).suffix in (".so", ".dll")] == [f"mulanzip/native/{binding._PATH.name}"]


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mulanzip"}
    suffixes = {Path(name).suffix for name in names if name.startswith("mulanzip/")}
    assert suffixes <= {".py", ".typed", ".safetensors", ".md", ".xml", ".thumbnailer", ".so", ".dll"}
    assert wheel.stat().st_size < 20 << 20


def test_the_wheel_declares_its_command_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        by_name = {name.split("/", 1)[-1]: name for name in archive.namelist() if ".dist-info/" in name}
        entries = archive.read(by_name["entry_points.txt"]).decode()
        metadata = archive.read(by_name["METADATA"]).decode()
    for entry in ("cli.main:run", "clients.numcodecs:Mulanzip", "clients.zarr:MulanzipCodec"):
        assert f"mulanzip = mulanzip.{entry}" in entries
    assert "License-Expression: Apache-2.0" in metadata
    assert any(name.endswith("LICENSE") for name in by_name)


@pytest.mark.slow
def test_the_installed_wheel_compresses_and_restores(installed: Path, tmp_path: Path) -> None:
    image = smooth(40, 30)
    source = tmp_path / "image.png"
    Image.fromarray(image).save(source)

    def run(*arguments: str | Path) -> str:
        done = run_python(*arguments, env={"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for package in ("mulanzip", "mulanzip.cli", "mulanzip.models"):
        assert run("-c", f"import {package} as p; print(p.__file__)").startswith(str(installed))
    run("-m", "mulanzip", "compress", source)
    assert "photo" in run("-m", "mulanzip", "info", tmp_path / "image.png.mzp")
    run("-m", "mulanzip", "decompress", tmp_path / "image.png.mzp", "-o", tmp_path / "copy.png")
    with Image.open(tmp_path / "copy.png") as copy:
        np.testing.assert_array_equal(np.asarray(copy), image)
