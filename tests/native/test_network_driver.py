"""Random networks in C: the same outputs with every kernel, on other processors, and nothing that sanitizers find."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.processes import ROOT

from mulanzip.native import network

NATIVE = ROOT / "mulanzip/native"
DRIVER = Path(__file__).with_name("network_driver.c")
CASES = 200


def tool(*names: str) -> str:
    """The first of these programs that is installed."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return found


def build(folder: Path, *command: str) -> Path:
    """The driver with the network's part of the library in it."""
    program = folder / "network_driver"
    parts = [NATIVE / f"{name}.c" for name in ("layer", "pass", "head", "inputs", "processor")]
    sources = [DRIVER, *parts, *NATIVE.glob("convolution_*.c")]
    done = subprocess.run(
        [*command, "-std=c11", f"-I{NATIVE}", *map(str, sources), "-o", str(program)], capture_output=True, text=True
    )
    if done.returncode and "sanitize" in "".join(command) and "lib" in done.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


def outputs(kernel: str, *command: str | Path, cases: int = CASES) -> list[str]:
    done = subprocess.run([*command, str(network.KERNELS[kernel]), str(cases)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = done.stdout.splitlines()
    assert len(found) == cases, found
    return found


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"), tool("cc", "gcc", "clang"), "-O2")


@pytest.mark.slow
@pytest.mark.parametrize("kernel", network.kernels()[:-1])
def test_all_kernels_give_the_same(driver: Path, kernel: str) -> None:
    assert outputs(kernel, driver) == outputs("portable", driver)


@pytest.mark.slow
def test_64_bit_arm_gives_the_same(driver: Path, tmp_path: Path) -> None:
    emulator = tool("qemu-aarch64", "qemu-aarch64-static")
    program = build(tmp_path, tool("aarch64-linux-gnu-gcc"), "-O2", "-static")
    expected = outputs("portable", driver)
    for kernel in ("neon", "portable"):
        assert outputs(kernel, emulator, program) == expected


@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    """Without -fwrapv: signed overflow is found as well."""
    options = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = build(tmp_path, tool("cc", "gcc", "clang"), *options)
    for kernel in network.kernels():
        outputs(kernel, program, cases=40)
