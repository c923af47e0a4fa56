"""The library built by other compilers, with other flags, and with sanitizers: the same outputs for hostile inputs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.processes import ROOT

NATIVE = ROOT / "mulanzip/native"
DRIVER = Path(__file__).with_name("hostile.c")
#: Beside optimisation: what makes signed overflow and aliasing defined.
FLAGS = ("-std=c11", "-fwrapv", "-fno-strict-aliasing")
CASES = 200


def compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def build(folder: Path, *command: str) -> Path:
    """The driver with the library in it."""
    program = folder / "hostile"
    sources = [DRIVER, *(NATIVE / name for name in ("ans.c", "tables.c", "unit.c"))]
    done = subprocess.run(
        [*command, f"-I{NATIVE}", *map(str, sources), "-o", str(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return program


def output(program: Path, cases: int = CASES) -> str:
    done = subprocess.run([str(program), str(cases)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    """Without -fwrapv: signed overflow is found as well."""
    command = compiler("cc"), "-std=c11", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    trial = tmp_path / "trial.c"
    trial.write_text("int main(void) { return 0; }\n")
    done = subprocess.run([*command, str(trial), "-o", str(tmp_path / "trial")], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("the compiler has no sanitizers")
    output(build(tmp_path, *command), 1000)


@pytest.mark.slow
def test_every_compiler_gives_the_same(tmp_path: Path) -> None:
    gcc = compiler("gcc")
    commands = [[gcc, *FLAGS, "-O0"], [gcc, *FLAGS, "-O2"], [gcc, *FLAGS, "-O3", "-march=native"]]
    clang = shutil.which("clang")
    if clang is not None:
        commands += [[clang, *FLAGS, "-O0"], [clang, *FLAGS, "-O3", "-march=native"]]
    assert len({output(build(tmp_path, *command)) for command in commands}) == 1
