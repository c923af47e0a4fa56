"""The code that decides probabilities and decisions does without whatever is inexact or differs from run to run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

#: Modules of the exact path, each with what is left out of it: float by purpose, or never while coding.
EXACT_PATH: dict[str, set[str]] = {
    "architecture": set(),
    "bitsback/codec": set(),
    "bitsback/course": set(),
    "bitsback/gaussian": set(),
    "bitsback/images": set(),
    "bitsback/linear": set(),
    "bitsback/logarithms": {"Logarithms.build"},
    "bitsback/message": set(),
    "bitsback/network": set(),
    "bitsback/pictures": set(),
    "bitsback/planes": set(),
    "bitsback/prediction": set(),
    "bitsback/process": set(),
    "bitsback/schedule": set(),
    "bitsback/subsets": set(),
    "bitsback/tiles": set(),
    "codec": set(),
    "coder": {"BitCounter"},
    "exact/backends": set(),
    "exact/network": set(),
    "inputs": set(),
    "lattice": set(),
    "grain": set(),
    "groups": set(),
    "likelihood": {"Tables.build"},
    "gamut": set(),
    "sieve": set(),
    "tones": set(),
    "noise": set(),
    "passes": set(),
    "planes": set(),
    "prediction": set(),
    "sample_code": set(),
    "search": set(),
    "subpixels": set(),
    "walk": set(),
}
FUNCTIONS = {
    *("exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "logaddexp", "sqrt", "rsqrt", "pow", "float_power"),
    *("sigmoid", "logsigmoid", "softmax", "log_softmax", "softplus", "tanh", "erf"),
    *("mean", "var", "std", "average", "nanmean", "div", "divide", "true_divide", "reciprocal", "linspace"),
    *("hash", "id", "random", "rand", "randn", "randint", "randperm", "default_rng", "shuffle", "dropout"),
    *("time", "perf_counter", "monotonic", "now", "urandom", "autocast", "half", "bfloat16"),
}
MODULES = {"random", "time", "math", "datetime", "secrets", "locale"}
#: What is allowed all the same, and why.
EXCEPTIONS = {
    # 2**-16 as a constant: a power of two.
    ("coder", "1 / _ONE"),
    # Rounded to integers when the module is imported; IEEE division is the same everywhere.
    ("inputs", "2 ** 15 / n"),
    # Integers that doubles hold, and a quotient that is the same after rounding down: see there, and test_search.
    ("search", "part * _UNIT / whole"),
    # The share that is done, for progress bars.
    ("codec", "self._done / self._total"),
    ("bitsback/tiles", "done / len(rest)"),
    ("bitsback/tiles", "left / len(rest)"),
}


def source(module: str) -> ast.Module:
    path = ROOT / "mulanzip" / f"{module}.py"
    return ast.parse(path.read_text(), str(path))


def nodes(tree: ast.AST, left_out: set[str], prefix: str = "") -> Iterator[ast.AST]:
    """All nodes but those of the classes and functions that are left out."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{node.name}"
            if name in left_out:
                continue
            name += "."
        yield node
        yield from nodes(node, left_out, name)


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr.rstrip("_")
    return node.func.id if isinstance(node.func, ast.Name) else ""


def complaint(node: ast.AST) -> str | None:
    """What is wrong with a node, if anything."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        return "divides in floating point"
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
        base = node.left if isinstance(node, ast.BinOp) else node.target
        if not (isinstance(base, ast.Constant) and base.value in (2, 2.0)):
            return "raises to a power"
    if isinstance(node, ast.Call) and called(node) in FUNCTIONS:
        return f"calls {called(node)}"
    if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("torch.ops.quantized"):
        return "uses torch.ops.quantized"
    if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in MODULES for alias in node.names):
        return "imports an inexact or changing module"
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
        return "imports from an inexact or changing module"
    return None


def complaints(module: str) -> set[tuple[str, str, str]]:
    found = set()
    for node in nodes(source(module), EXACT_PATH[module]):
        what = complaint(node)
        if what is not None:
            found.add((module, ast.unparse(node), what))
    return found


@pytest.mark.parametrize("module", EXACT_PATH)
def test_the_exact_path_uses_nothing_inexact(module: str) -> None:
    assert [c for c in complaints(module) if c[:2] not in EXCEPTIONS] == []


def test_what_is_left_out_is_still_there() -> None:
    for module, names in EXACT_PATH.items():
        tree = nodes(source(module), set())
        defined = {node.name for node in tree if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        for name in names:
            assert name.split(".")[-1] in defined


def test_the_linter_finds_what_it_looks_for() -> None:
    bad = """
import math
from time import time
x = a / b
x /= 2
y = torch.sigmoid(x) + x.mean() + x.exp_()
z = torch.ops.quantized.conv2d(x)
w = hash(x) ** 0.5
"""
    assert len({complaint(node) for node in ast.walk(ast.parse(bad))} - {None}) == 9


def test_the_cuda_backend_has_no_convolution_and_no_reduced_precision() -> None:
    (cuda,) = [n for n in source("exact/backends").body if isinstance(n, ast.ClassDef) and n.name == "CudaBackend"]
    used = {node.attr for node in ast.walk(cuda) if isinstance(node, ast.Attribute)}
    assert "_int_mm" in used
    inexact = ("conv", "matmul", "bmm", "addmm", "einsum", "linear", "float16", "tf32", "half")
    assert not [name for name in used if any(word in name for word in inexact)]


def test_floats_of_the_coder_are_made_in_two_places() -> None:
    used = [
        node for node in nodes(source("coder"), {"BitCounter", "_exact", "_weights"}) if isinstance(node, ast.Attribute)
    ]
    assert not [ast.unparse(node) for node in used if "float" in node.attr]


def every_source() -> list[Path]:
    return [path for folder in ("mulanzip", "cli", "benchmarks") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", every_source(), ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_are_imported_by_their_installed_names(path: Path) -> None:
    # ``cli`` and ``models`` are folders of the repository, but mulanzip.cli and mulanzip.models once installed.
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not {name.split(".")[0] for name in names} & {"cli", "models", "tests"}


def test_the_library_needs_neither_benchmarks_nor_tests() -> None:
    for path in (ROOT / "mulanzip").rglob("*.py"):
        assert "import benchmarks" not in path.read_text()
        assert "from benchmarks" not in path.read_text()
