"""The same bytes and the same pixels under every setting of threads, instruction set, batch and environment.

Each setting has a process of its own, in which every warning is an error: a fast backend that fails its self-test is a
failure here.  A process takes seconds to start, so settings that do not touch each other share one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.processes import TESTS, run_python

from mulanzip.density.native_backend import KERNEL_VARIABLE
from mulanzip.native import network

#: Options and environment of each process.
SETTINGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "plain C, no vectors in torch, two threads": (
        ["--threads", "2", "--no-mkldnn"],
        {"MULANZIP_KERNEL": "portable", "ATEN_CPU_CAPABILITY": "default"},
    ),
    "SSE2": ([], {"MULANZIP_KERNEL": "sse2"}),
    "AVX2, more threads than cores, hash seed, time zone, locale C, optimised Python": (
        ["--threads", "5"],
        {
            "MULANZIP_KERNEL": "avx2",
            "ATEN_CPU_CAPABILITY": "avx2",
            "PYTHONHASHSEED": "12345",
            "TZ": "Asia/Kathmandu",
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONOPTIMIZE": "2",
        },
    ),
    "AVX-512, OpenMP threads, decimal commas": (
        ["--threads", "2", "--decimal-commas"],
        {
            "MULANZIP_KERNEL": "avx512",
            "ATEN_CPU_CAPABILITY": "avx512",
            "OMP_NUM_THREADS": "3",
            "MKL_NUM_THREADS": "1",
        },
    ),
    "NEON": ([], {"MULANZIP_KERNEL": "neon"}),
}

pytestmark = pytest.mark.slow


def report(*options: str | Path, **env: str) -> dict[str, dict[str, str]]:
    """The digests that a process with these options and this environment reports."""
    done = run_python("-W", "error", TESTS / "laws" / "exactness_process.py", *options, env=env)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["fast"].pop("backend") == f"native {env.get(KERNEL_VARIABLE, network.kernels()[0])}"
    assert found["reference"].pop("backend") == "reference"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the baseline's files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def baseline(folder: Path) -> dict[str, dict[str, str]]:
    """One thread, and no variable set."""
    return report("--write", folder)


@pytest.mark.slow
def test_the_reference_backend_makes_the_same_bytes(baseline: dict[str, dict[str, str]]) -> None:
    assert len(baseline["reference"]) > 3
    assert baseline["reference"].items() <= baseline["fast"].items()


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_bytes_and_pixels_do_not_depend_on(setting: str, baseline: dict[str, dict[str, str]], folder: Path) -> None:
    options, env = SETTINGS[setting]
    kernel = env[KERNEL_VARIABLE]
    if kernel not in network.kernels():
        pytest.skip(f"this processor does not run the kernel {kernel}")
    assert report(*options, folder, **env) == baseline
