"""The code that decides what a decoder restores uses no floats, and nothing that differs from run to run.

Ruff bans the modules that are inexact or change (``TID251`` in pyproject.toml); the rest is checked here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import ROOT, run_python

#: Folders whose code decides what a decoder restores.
EXACT_FOLDERS = ("image", "lattice", "native", "entropy", "density", "codec", "gaussian/exact")
#: Stands for all of a file.
WHOLE = "*"
#: Functions and classes that may use floats, and why.
LEFT_OUT: dict[str, set[str]] = {
    # Tables are built when a model is exported, and stored in its file.
    "gaussian/exact/log_tables": {"Logarithms.build"},
    # A prior is built when a model is exported; code lengths in bits serve the encoder's choices and reports.
    "density/context": {"Prior.build", "Prior.bits", "Prior.code_length"},
    # Bits of reports and of an encoder's choices, from integers.
    "codec/coders": {"TileMeter.bits", "CellMeter._code"},
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
#: Expressions that are allowed all the same, and why.
EXCEPTIONS = {
    # Rounded to integers when the module is imported; IEEE division is the same everywhere.
    ("density/inputs", "2 ** 15 / n"),
    # Sizes of a prior's rows, which is built when a model is exported.
    ("density/context", "1.5 ** i"),
    # The key of a cache of packed layers, which keeps them alive.
    ("density/native_backend", "id(layer.weight)"),
    # The share of the work that is done, for progress bars.
    ("gaussian/exact/chain", "done / len(rest)"),
    ("gaussian/exact/chain", "left / len(rest)"),
}


def source(module: str) -> ast.Module:
    path = ROOT / "mulanzip" / f"{module}.py"
    return ast.parse(path.read_text(), str(path))


def nodes(tree: ast.AST, left_out: set[str], prefix: str = "") -> Iterator[ast.AST]:
    """All nodes except those of the classes and functions that are left out."""
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
    """The fault of a node, or None."""
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


def test_what_is_allowed_is_still_there() -> None:
    allowed = {c[:2] for module in EXACT_PATH for c in complaints(module)}
    assert set(EXCEPTIONS) <= allowed


def test_what_is_left_out_is_still_there() -> None:
    for module, names in LEFT_OUT.items():
        tree = nodes(source(module), set())
        defined = {node.name for node in tree if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        for name in names - {WHOLE}:
            assert name.split(".")[-1] in defined


def test_the_linter_finds_every_fault() -> None:
    bad = """
x = a / b
x /= 2
y = torch.sigmoid(x) + x.mean() + x.exp_()
z = torch.ops.quantized.conv2d(x)
w = hash(x) ** 0.5
"""
    assert len({complaint(node) for node in ast.walk(ast.parse(bad))} - {None}) == 7


@pytest.mark.parametrize("folder", [*EXACT_FOLDERS, "encoder"])
def test_ruff_bans_inexact_and_changing_modules_in_exact_folders(folder: str) -> None:
    source = "import math\n\n\ndef now() -> float:\n    from time import time\n\n    return time() + math.pi\n"
    options = ("--stdin-filename", f"mulanzip/{folder}/new.py", "--output-format", "concise", "--no-cache", "-")
    done = run_python("-m", "ruff", "check", *options, stdin=source, cwd=ROOT)
    banned = [line for line in done.stdout.splitlines() if " TID251 " in line]
    assert len(banned) == (2 if folder in EXACT_FOLDERS else 0), done.stdout + done.stderr


def test_the_cuda_backend_has_no_convolution_and_no_reduced_precision() -> None:
    (cuda,) = [
        n for n in source("density/torch_backends").body if isinstance(n, ast.ClassDef) and n.name == "CudaBackend"
    ]
    used = {node.attr for node in ast.walk(cuda) if isinstance(node, ast.Attribute)}
    assert "_int_mm" in used
    inexact = ("conv", "matmul", "bmm", "addmm", "einsum", "linear", "float16", "tf32", "half")
    assert not [name for name in used if any(word in name for word in inexact)]


def every_source() -> list[Path]:
    return [path for folder in ("mulanzip", "cli", "benchmarks") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", every_source(), ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_are_imported_by_their_installed_names(path: Path) -> None:
    # ``cli`` and ``models`` are folders of the repository, but mulanzip.cli and mulanzip.models once installed.
    # The library needs neither benchmarks nor tests.
    absent = {"cli", "models", "tests", "support"}
    if not path.is_relative_to(ROOT / "benchmarks"):
        absent.add("benchmarks")
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not {name.split(".")[0] for name in names} & absent
