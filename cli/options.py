"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_Command = Callable[..., Any]


def _output(context: click.Context, _: click.Parameter, value: str | None) -> Path | None:
    """Refuse what can only be meant as a folder but is none."""
    if value is None or Path(value).is_dir():
        return None if value is None else Path(value)
    if value.endswith(("/", os.sep)):
        raise click.UsageError(f"there is no folder {value}")
    if len(context.params.get("files", ())) > 1:
        raise click.UsageError(f"with several files, -o must name an existing folder; {value} is none")
    return Path(value)


# Eager, so that the option -o can count them.
sources = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path), is_eager=True
)
output = click.option("-o", "--output", callback=_output, help="Output file (one input only), or an existing folder.")
force = click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs.")
remove = click.option(
    "--rm/-k",
    "--remove/--keep",
    "remove",
    default=False,
    help="Delete each source after success, or keep it (default).",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
verbose = click.option("-v", "--verbose", is_flag=True, help="Print more about each file.")
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "reference"]),
    default="auto",
    show_default=True,
    help="Where the network runs; 'reference' is slow and plain. No effect on the bytes.",
)
threads = click.option(
    "-T", "--threads", type=click.IntRange(min=1), help="Threads at most (all cores). No effect on the bytes."
)


def model(help_text: str, default: str | None = None) -> Callable[[_Command], _Command]:
    return click.option("-m", "--model", default=default, show_default=default is not None, help=help_text)
