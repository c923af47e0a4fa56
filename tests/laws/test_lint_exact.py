"""The code that decides probabilities and decisions does without whatever is inexact or differs from run to run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import ROOT

#: Folders whose code decides what a decoder restores.
EXACT_FOLDERS = ("image", "lattice", "entropy", "density", "codec", "gaussian/exact")
#: Stands for all of a file.
WHOLE = "*"
#: Functions and classes that may use floats, and why.
LEFT_OUT: dict[str, set[str]] = {
    # Tables are built when a model is exported, and stored in its file.
    "density/mixture": {"Tables.build"},
    "gaussian/exact/log_tables": {"Logarithms.build"},
    # A prior is built when a model is exported; code lengths in bits serve the encoder's choices and reports.
    "density/context": {"Prior.build", "Prior.bits", "Prior.code_length"},
    # Counts bits instead of coding them.
    "entropy/ans": {"BitCounter"},
    "codec/cell_bits": {"CellBits"},
    # Export of a float model to integers.
    "gaussian/exact/export": {WHOLE},
    "gaussian/exact/export_trained": {WHOLE},
}
EXACT_PATH = sorted(
    str(path.relative_to(ROOT / "mulanzip").with_suffix(""))
    for folder in EXACT_FOLDERS
    for path in (ROOT / "mulanzip" / folder).glob("*.py")
)
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
    ("entropy/ans", "1 / _P_ONE"),
    # Rounded to integers when the module is imported; IEEE division is the same everywhere.
    ("density/inputs", "2 ** 15 / n"),
    # Integers that doubles hold, and a quotient that is the same after rounding down: see there, and test_cdf_search.
    ("codec/cdf_search", "part * _UNIT / whole"),
    # Sizes of a prior's rows, which is built when a model is exported.
    ("density/context", "1.5 ** i"),
    # The share that is done, for progress bars.
    ("gaussian/exact/chain", "done / len(rest)"),
    ("gaussian/exact/chain", "left / len(rest)"),
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
    for node in nodes(source(module), LEFT_OUT.get(module, set())):
        what = complaint(node)
        if what is not None:
            found.add((module, ast.unparse(node), what))
    return found


@pytest.mark.parametrize("module", [m for m in EXACT_PATH if WHOLE not in LEFT_OUT.get(m, ())])
def test_the_exact_path_uses_nothing_inexact(module: str) -> None:
    assert [c for c in complaints(module) if c[:2] not in EXCEPTIONS] == []


def test_what_is_left_out_is_still_there() -> None:
    for module, names in LEFT_OUT.items():
        tree = nodes(source(module), set())
        defined = {node.name for node in tree if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        for name in names - {WHOLE}:
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
    (cuda,) = [n for n in source("density/backends").body if isinstance(n, ast.ClassDef) and n.name == "CudaBackend"]
    used = {node.attr for node in ast.walk(cuda) if isinstance(node, ast.Attribute)}
    assert "_int_mm" in used
    inexact = ("conv", "matmul", "bmm", "addmm", "einsum", "linear", "float16", "tf32", "half")
    assert not [name for name in used if any(word in name for word in inexact)]


def test_floats_of_the_coder_are_made_in_two_places() -> None:
    used = [
        node
        for node in nodes(source("entropy/ans"), {"BitCounter", "_float_p", "_weights"})
        if isinstance(node, ast.Attribute)
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
