"""The documents: their snippets run, their links resolve, and the command line is as they describe it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from support.commands import commands
from support.processes import ROOT

import mulanzip
from mulanzip import errors
from mulanzip.cli.main import INTERRUPTED
from mulanzip.cli.report import NOTHING_TO_DO
from mulanzip.errors import MulanzipError

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CARDS = sorted((ROOT / "models").glob("*/*.md"))
CLI = ROOT / "docs" / "cli.md"
#: Documents whose shell snippets run.
RUN = [ROOT / "README.md", CLI]
#: Lines that need a network, install or build something.
_NEEDS_MORE = re.compile(r"^(make|pip) ")
#: Exit codes of lines that may end with another one than 0: something is damaged, or all is done already.
_EXIT_CODES = {"--salvage": (errors.CorruptFileError.exit_code,), "--skip-done": (0, NOTHING_TO_DO)}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|\| *)mulanzip ([a-z]+)\b([^|>]*)")
_BANNED = (r"so many", r"what it says of", r"(?:^|[.!?:;(|]\s*)Of\s")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def snippets(path: Path, language: str) -> list[str]:
    """Fenced blocks of a language, each behind the blank lines that keep its line numbers."""
    text = path.read_text()
    found = [match for match in _FENCE.finditer(text) if match[1] == language]
    return ["\n" * (text.count("\n", 0, match.start()) + 1) + match[2] for match in found]


def prose(path: Path) -> str:
    """A document without its code."""
    return re.sub(r"`[^`\n]*`", "``", _FENCE.sub("", path.read_text()))


def sections(path: Path) -> dict[str, str]:
    """Text below each heading of the second level, by heading."""
    parts = re.split(r"^## (.*)$", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", path.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with the files that snippets name, all of them small."""
    with Image.open(ROOT / "tests" / "images" / "budgie.png") as image:
        picture = image.convert("RGB")
    for name, box in {
        "photo.png": (0, 0, 96, 80),
        "scan.tif": (40, 0, 104, 48),
        "photos/a.png": (0, 0, 64, 48),
        "photos/2024/b.png": (64, 64, 128, 112),
        "photos/2024/c.tif": (0, 64, 64, 112),
        "held-out/c.png": (0, 0, 160, 160),
        "patches/one.png": (0, 0, 24, 24),
        "patches/cats/two.png": (24, 0, 48, 24),
        "icons/three.png": (0, 24, 16, 40),
        "ct/1.tif": (0, 0, 40, 32),
        "ct/2.tif": (2, 0, 42, 32),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.crop(box).save(path)
    quarters = [picture.convert("L").crop((x, y, x + 128, y + 128)) for x in (0, 128) for y in (0, 128)]
    pages = [*quarters, *(quarter.transpose(Image.Transpose.ROTATE_90) for quarter in quarters)]
    pages[0].save(tmp_path / "volume.tif", save_all=True, append_images=pages[1:])
    mulanzip.compress_file(tmp_path / "volume.tif")
    whole = mulanzip.encode(np.asarray(picture), effort=1, stored=False, threads=1)
    hurt = bytearray(whole)
    hurt[-40] ^= 1  # In the last segment.
    (tmp_path / "hurt.png.mzp").write_bytes(hurt)
    command = tmp_path / "bin" / "mulanzip"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mulanzip "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(workspace: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join((str(workspace / "bin"), os.path.dirname(sys.executable), os.environ["PATH"])),
    }


def run_python(path: Path, workspace: Path, before: str = "") -> None:
    """Run all Python snippets of a document, one after the other, as a reader would.

    Args:
        before: code that makes what the snippets take for granted.
    """
    blocks = "\n".join(
        f"exec(compile({block!r}, {named(path)!r}, 'exec'), names)" for block in snippets(path, "python")
    )
    script = f"names = {{'__name__': 'document'}}\nexec({before!r}, names)\n{blocks}\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=workspace, env=environment(workspace), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_python_of_the_readme_runs(workspace: Path) -> None:
    assert len(snippets(ROOT / "README.md", "python")) == 1
    run_python(ROOT / "README.md", workspace)


@pytest.mark.slow
def test_the_python_of_integrations_runs(workspace: Path) -> None:
    pytest.importorskip("zarr")
    pytest.importorskip("dask.array")
    assert len(snippets(ROOT / "docs" / "integrations.md", "python")) > 5
    run_python(ROOT / "docs" / "integrations.md", workspace)


@pytest.mark.slow
def test_the_python_of_the_gaussian_model_runs(workspace: Path) -> None:
    pytest.importorskip("scipy")
    (workspace / "run").mkdir()
    shutil.copy(ROOT / "models" / "tiles32" / "model.safetensors", workspace / "run")
    path = ROOT / "docs" / "gaussian.md"
    assert snippets(path, "python")
    run_python(path, workspace, "import numpy\nimages = numpy.full((1, 32, 32, 3), 100, dtype=numpy.uint8)")


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=named)
def test_shell_snippets_run(path: Path, workspace: Path) -> None:
    for block in snippets(path, "sh"):
        for line in filter(None, block.splitlines()):
            if _NEEDS_MORE.match(line):
                continue
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", line],
                cwd=workspace,
                env=environment(workspace),
                capture_output=True,
                text=True,
                errors="replace",
            )
            expected = next((codes for option, codes in _EXIT_CODES.items() if option in line), (0,))
            assert done.returncode in expected, f"{line}\n{done.stderr}"


def command_lines() -> list[tuple[str, str, str]]:
    """Every call of the command in any document: document, command, arguments."""
    found = []
    for path in DOCUMENTS:
        shown = [m[2] for m in _FENCE.finditer(path.read_text()) if m[1] in ("sh", "")]
        shown += re.findall(r"^    (.*)$", path.read_text(), re.MULTILINE)
        for line in "\n".join(shown).replace("\\\n", " ").splitlines():
            found += [(named(path), *match.groups()) for match in _COMMAND.finditer(line.strip())]
    return found


def test_command_lines_are_understood() -> None:
    lines = command_lines()
    assert len(lines) > 40
    for name, command, arguments in lines:
        assert command in commands(), (name, command)
        known = commands()[command]
        parser = known.make_parser(click.Context(known))
        try:
            parser.parse_args(shlex.split(arguments, comments=True))
        except click.UsageError as error:
            raise AssertionError(f"{name}: mulanzip {command}{arguments}: {error.format_message()}") from None


def table_options(text: str) -> set[str]:
    """Options in the first column of a section's tables."""
    rows = re.findall(r"^\| (`-[^|]*) \|", text, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"`(-[^`]+)`", row)}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_is_documented(name: str) -> None:
    parts = sections(CLI)
    text = parts[f"mulanzip {name}"]
    shared = {heading.lower().replace(" ", "-"): heading for heading in parts}
    documented = table_options(text)
    for also in re.findall(r"^Also: (.*?)\.$", text, re.MULTILINE | re.DOTALL):
        for anchor in re.findall(r"\(#([\w-]+)\)", also):
            documented |= table_options(parts[shared[anchor]])
    command = commands()[name]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert documented == {text for option in options for text in (*option.opts, *option.secondary_opts)}


def test_every_command_and_exit_code_is_documented() -> None:
    parts = sections(CLI)
    assert {heading.split()[1] for heading in parts if heading.startswith("mulanzip ")} == set(commands())
    assert set(re.findall(r"^\| \[`(\w+)`\]", CLI.read_text(), re.MULTILINE)) == set(commands())
    causes = [cause for cause in vars(errors).values() if isinstance(cause, type) and issubclass(cause, MulanzipError)]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", parts["Exit codes"], re.MULTILINE)}
    assert codes == {cause.exit_code for cause in causes} | {0, 1, 2, NOTHING_TO_DO, INTERRUPTED}


def test_every_public_name_is_documented() -> None:
    text = (ROOT / "docs" / "integrations.md").read_text()
    missing = [name for name in mulanzip.__all__ if f"mulanzip.{name}" not in text and not name.startswith("__")]
    assert not missing


@pytest.mark.parametrize("path", [*DOCUMENTS, *CARDS], ids=named)
def test_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", path.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{target} is not there"
        assert there == ROOT or ROOT in there.parents, f"{target} is outside of the repository"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_files_that_a_document_names_exist(path: Path) -> None:
    for name in re.findall(r"`((?:mulanzip|cli|models|tests|benchmarks|docs)/[\w./-]*)`", path.read_text()):
        assert (ROOT / name).exists(), f"{name} is not there"


def test_ten_questions_have_a_file_each() -> None:
    text = sections(ROOT / "docs" / "architecture.md")["Ten questions"]
    answers = re.findall(r"^\| (\d+) \| .+\? \| `(\S+\.(?:py|h))` \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in answers] == list(range(1, 11))
    assert all((ROOT / name).is_file() for _, name in answers)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_language(path: Path) -> None:
    text = prose(path)
    for pattern in _BANNED:
        found = re.search(rf".*{pattern}.*", text, re.MULTILINE)
        assert found is None, found and found[0]


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text().count("\n") < 110


def test_numbers_of_the_readme_are_those_of_the_run() -> None:
    """Bits per subpixel are rounded; speeds, as multiples, and memory stand in the README as in the results."""
    results = (ROOT / "benchmarks" / "results" / "kodak.txt").read_text()
    runs = re.findall(
        r"^\S+ +24 +\d+ +([\d.]+) +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+) +([\d.]+) +(\d+) +24/24$", results, re.MULTILINE
    )
    rows = re.findall(
        r"^\| .* \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", sections(ROOT / "README.md")["Numbers"], re.M
    )
    assert len(rows) >= 5
    for bpsp, *others in rows:
        assert [run for run in runs if abs(float(run[0]) - float(bpsp)) <= 0.0005 + 1e-9 and list(run[1:]) == others]
