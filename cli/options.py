"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_Command = Callable[..., Any]

sources = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, dir_okay=False)
)
output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Output file (one input only), or an existing folder."
)
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


def target(output: Path | None, files: tuple[Path, ...], name: str) -> Path | None:
    """The output path of one of ``files`` whose default name would be ``name``."""
    if output is not None and output.is_dir():
        return output / name
    if output is not None and len(files) > 1:
        raise click.UsageError(f"with several files, -o must name an existing folder; {output} is none")
    return output
