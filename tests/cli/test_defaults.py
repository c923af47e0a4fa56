"""The law of defaults: what the command line is not told means the same as in the library."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from support.commands import commands

import mulanzip
from mulanzip.bench.codecs import DEFAULT_CODECS
from mulanzip.density.config import Config
from mulanzip.density.runtime import DEVICES
from mulanzip.encoder.effort import CONTEXTS, EFFORTS, SCHEDULE_CHOICES
from mulanzip.errors import MulanzipError
from mulanzip.gaussian import api as gaussian
from mulanzip.imageio.metadata import STRIPPABLE
from mulanzip.imageio.writer import WRITERS
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution
from mulanzip.registry import DEFAULT_GAUSSIAN_MODEL
from mulanzip.training.erasure import ErasureRecipe


def of(function: Callable[..., Any], *names: str) -> dict[str, Any]:
    """Defaults of a function of the library."""
    parameters = inspect.signature(function).parameters
    return {name: parameters[name].default for name in names}


def nothing(*names: str) -> dict[str, Any]:
    """Options that only the command line has: what they ask for is not done by default."""
    return dict.fromkeys(names)


SOURCES = nothing("recursive", "files_from", "null")
REPORTING = nothing("quiet", "as_json")
ENCODING = {name: getattr(EncodeOptions, name) for name in ("model", "effort", "schedule")}
EXECUTION = {
    "device": Execution.device,
    "threads": Execution.threads,
    "max_pixels": Limits.pixels,
    "max_memory": Limits.memory,
}
FILES = ("output", "overwrite", "skip_done", "dry_run")
CONVERTING = {**SOURCES, **EXECUTION, **REPORTING, **nothing("output_dir", "remove", "allow_loss", "jobs")}

#: Arguments that a command cannot do without, and what each of its options is in the library if it is not given.
COMMANDS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "compress": (
        ["a"],
        CONVERTING
        | ENCODING
        | {"context": EncodeOptions.context, "mu": EncodeOptions.mu}
        | of(mulanzip.compress_file, *FILES, "verify", "strip", "pixels", "only_modelled", "everything", "require")
        | nothing("dask", "series", "verbose"),
    ),
    "decompress": (
        ["a"],
        CONVERTING
        | of(mulanzip.decompress_file, *FILES, "model", "suffix")
        | nothing("scale", "region", "index", "salvage"),
    ),
    "pack": (
        ["a", "-o", "b"],
        EXECUTION
        | REPORTING
        | ENCODING
        | of(mulanzip.pack, "overwrite", "verify", "strip", "process", "gaussian_model")
        | nothing("allow_loss"),
    ),
    "unpack": (
        ["a", "-d", "b"],
        EXECUTION
        | REPORTING
        | of(mulanzip.unpack, "only", "model", "gaussian_model", "suffix", "overwrite")
        | nothing("allow_loss"),
    ),
    "info": (["a"], SOURCES | of(mulanzip.ledger, "model") | nothing("as_json", "verbose")),
    "inspect": (["a", "--map", "bits", "-o", "b"], of(mulanzip.bits_map, "model") | nothing("overwrite", "quiet")),
    "test": (["a"], SOURCES | EXECUTION | REPORTING | of(mulanzip.decode, "model") | nothing("jobs")),
    "models": ([], {}),
    "bench": (
        ["a"],
        {"codecs": ",".join(DEFAULT_CODECS), "device": Execution.device, "threads": Execution.threads}
        | nothing("per_file", "json_path", "plot_path"),
    ),
    "train": (
        [".", "-o", "b", "--validation", "."],
        {name: getattr(ErasureRecipe, name) for name in ("steps", "rate", "seed")}
        | {name: getattr(Config, name) for name in ("channels", "blocks", "mixtures", "hidden")}
        | {"gray": ErasureRecipe.gray_share, "process": "erasure", "colours": Config.colours}
        | {"batch": ErasureRecipe.batch_cells, "device": "cpu"}
        # Unlike the library, which has infinitely many steps, the command trains models that can compress.
        | {"noise_steps": 32}
        | nothing("start", "quiet"),
    ),
    "sample": (
        ["-o", "b"],
        {"model": DEFAULT_GAUSSIAN_MODEL, "count": 64} | of(gaussian.sample, "steps", "seed") | nothing("overwrite"),
    ),
}


def test_every_command_is_compared() -> None:
    assert commands().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_those_of_the_library(name: str) -> None:
    command, (arguments, library) = commands()[name], COMMANDS[name]
    given = command.make_context(name, list(arguments)).params
    options = {str(p.name): p for p in command.params if isinstance(p, click.Option) and not p.required}
    assert options.keys() == library.keys(), "say what a new option is in the library"
    for option, expected in library.items():
        found = given[option]
        if found is None and expected is not None:  # The library decides; the help says how.
            said = re.search(r"\[default: ([^;\]]+)", str(options[option].help))
            assert said, option
            assert said[1] == str(expected), option
        elif expected is None:
            assert found in (None, False, ()), option
        else:
            assert found == expected, option


def choices(command: str, option: str) -> list[Any]:
    (found,) = (p.type for p in commands()[command].params if p.name == option)
    if isinstance(found, click.IntRange):
        return list(range(found.min, found.max + 1))  # type: ignore[arg-type, operator]
    assert isinstance(found, click.Choice)
    return list(found.choices)


def test_choices_are_those_of_the_library() -> None:
    for command in ("compress", "pack"):
        assert choices(command, "effort") == list(EFFORTS)
    assert choices("compress", "device") == list(DEVICES)
    assert choices("compress", "context") == list(CONTEXTS)
    assert choices("compress", "schedule") == list(SCHEDULE_CHOICES)
    assert choices("pack", "schedule") == list(SCHEDULE_NAMES)


def test_helps_name_what_the_library_knows() -> None:
    helps = {p.name: str(p.help) for c in commands().values() for p in c.params if isinstance(p, click.Option)}
    assert all(re.search(r"[.\]]$", text) for text in helps.values())
    assert ",".join(STRIPPABLE) in helps["strip"]
    formats = {suffix.removeprefix(".") for suffix in WRITERS}
    assert formats - {"tiff"} <= set(re.findall(r"\w+", helps["suffix"]))


def test_the_page_names_all_reasons() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "cli.md").read_text()
    [line] = [line for line in page.splitlines() if "and a `reason`:" in line]
    documented = set(re.findall("`([a-z-]+)`", line.partition("and a `reason`:")[2]))
    assert documented == reasons(MulanzipError) | {"no-such-file", "file-system", "process"}


def reasons(cause: type[MulanzipError]) -> set[str]:
    return {cause.reason}.union(*map(reasons, cause.__subclasses__()))
