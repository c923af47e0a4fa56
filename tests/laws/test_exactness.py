"""The same bytes and the same pixels under every setting of threads, instruction set, batch and environment.

Each setting has a process of its own, and every warning there is an error: a fast backend that does not
pass its self-test is a failure.
"""

from __future__ import annotations

import json
import locale
from pathlib import Path
from typing import Any

import pytest
import torch
from support.processes import TESTS, run_python


def report(*options: str | Path, **env: str) -> dict[str, Any]:
    """What a process with this environment says."""
    done = run_python("-W", "error", TESTS / "laws" / "exactness_process.py", *options, env=env)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the baseline keeps its files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def baseline(files: Path) -> dict[str, Any]:
    """The fast backend with one thread and nothing set."""
    return report("--large", "--write", files)


def assert_same(found: dict[str, Any], baseline: dict[str, Any], backend: str = "onednn") -> None:
    assert found["backend"] == backend
    assert found["batches"] == baseline["batches"]
    for kind in ("files", "pixels"):
        for name, digest in found[kind].items():
            assert digest == baseline[kind][name], f"{kind} of {name}"


SETTINGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "two threads": (["--large", "--threads", "2"], {}),
    "more threads than cores": (["--large", "--threads", "5"], {}),
    "OpenMP threads": (["--threads", "2"], {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "1"}),
    "no mkldnn in torch": (["--no-mkldnn"], {}),
    "ATen without vectors": ([], {"ATEN_CPU_CAPABILITY": "default"}),
    "ATen on AVX2": ([], {"ATEN_CPU_CAPABILITY": "avx2"}),
    "ATen on AVX-512": ([], {"ATEN_CPU_CAPABILITY": "avx512"}),
    "oneDNN on SSE 4.1": ([], {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "oneDNN on AVX2": (["--large"], {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "oneDNN on AVX-512": ([], {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    "oneDNN on AVX-512 VNNI": ([], {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}),
    "oneDNN in bfloat16": ([], {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}),
    "hash seed, time zone, locale, optimisation": (
        [],
        {"PYTHONHASHSEED": "12345", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONOPTIMIZE": "2"},
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_bytes_and_pixels_do_not_depend_on(setting: str, baseline: dict[str, Any], files: Path) -> None:
    options, env = SETTINGS[setting]
    if env.get("ATEN_CPU_CAPABILITY") == "avx512" and torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("this processor has no AVX-512, and ATen runs what it is told to")
    assert_same(report(*options, "--read", files, **env), baseline)


@pytest.mark.parametrize(
    ("options", "env"),
    [
        ([], {}),
        (["--threads", "2", "--no-mkldnn"], {"ATEN_CPU_CAPABILITY": "default"}),
    ],
    ids=["plain", "without vectors"],
)
def test_the_reference_backend_computes_the_same(
    options: list[str], env: dict[str, str], baseline: dict[str, Any], files: Path
) -> None:
    assert_same(report("--device", "reference", *options, "--read", files, **env), baseline, "reference")


def test_a_locale_with_decimal_commas_changes_nothing(baseline: dict[str, Any], files: Path) -> None:
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        finally:
            locale.setlocale(locale.LC_ALL, before)
        assert_same(report("--locale", name, "--read", files, LC_ALL=name), baseline)
        return
    pytest.skip("no locale with decimal commas is installed here")
