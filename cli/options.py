"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def _bytes(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """``500M``: bytes, with units of 1024."""
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", value or "", re.IGNORECASE)
    if value is not None and (not found or not int(found[1])):
        raise click.BadParameter(f"{value} is no size; write 800M or 2G, say")
    return int(found[1]) << _UNITS[found[2].upper()] if found else None


def _output(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    """Refuse what can only be meant as a folder but is none."""
    if value is not None and value.endswith(("/", os.sep)) and not Path(value).is_dir():
        raise click.UsageError(f"there is no folder {value} (--output-dir makes one)")
    return None if value is None else Path(value)


def _all(*decorators: _Decorator) -> _Decorator:
    """Decorators as one, the first on top."""
    return lambda command: reduce(lambda inner, decorator: decorator(inner), reversed(decorators), command)


def model(help_text: str, default: str | None = None) -> _Decorator:
    return click.option("-m", "--model", default=default, show_default=default is not None, help=help_text)


def gaussian_model(help_text: str, default: str | None = None) -> _Decorator:
    return click.option("--gaussian-model", metavar="NAME", default=default, show_default=bool(default), help=help_text)


#: Of the model that codes.
coding_model = model("Name of a model (see 'mulanzip models'), or path of a model file.", default="photo")


def effort(help_text: str) -> _Decorator:
    return click.option("--effort", type=click.IntRange(1, 9), default=5, show_default=True, help=help_text)


allow_loss = click.option(
    "--allow-metadata-loss", "allow_loss", is_flag=True, help="Metadata that cannot be kept is no failure."
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per file on standard output; text goes to stderr."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
verbose = click.option("-v", "--verbose", is_flag=True, help="Print more about each file.")

#: Which files.
sources = _all(
    click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path)),
    click.option("-r", "--recursive", is_flag=True, help="Take the files below folders; hidden ones are left out."),
    click.option(
        "--files-from",
        type=click.Path(path_type=Path),
        metavar="LIST",
        help="Also the files named in LIST, one per line; '-' is standard input.",
    ),
    click.option("-0", "--null", is_flag=True, help="Names in LIST end with NUL, as 'find -print0' writes them."),
)
#: How an image is worked on.
one_machine = _all(
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "reference"]),
        default="auto",
        show_default=True,
        help="Where the network runs; 'reference' is slow and plain. No effect on the bytes.",
    ),
    click.option(
        "-T", "--threads", type=click.IntRange(min=1), help="Threads at most (all cores). No effect on the bytes."
    ),
    click.option("--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger images (exit code 6)."),
    click.option("--max-memory", callback=_bytes, metavar="SIZE", help="Refuse images that need more: 800M, 2G."),
)
#: How several are.
_jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    help="Files at the same time, as far as memory goes.  [default: one per thread]",
)
checking = _all(one_machine, _jobs, as_json, quiet)
#: Where results go, and what may happen to files.
converting = _all(
    click.option(
        "-o", "--output", callback=_output, help="Output file (one input only), existing folder, or '-': stdout."
    ),
    click.option(
        "--output-dir",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Results go to DIR, made if missing, in folders like those below each folder that is named.",
    ),
    click.option("-f", "--force", "overwrite", is_flag=True, help="Overwrite existing outputs."),
    click.option(
        "--skip-done", is_flag=True, help="Leave out files whose output is there, whole, and of the same pixels."
    ),
    click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, write nothing."),
    click.option(
        "--rm/-k",
        "--remove/--keep",
        "remove",
        default=False,
        help="Delete each source when its verified result is in place, or keep it (default).",
    ),
    allow_loss,
    checking,
)


def _strip(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    if value == "none":
        return ()
    from mulanzip.imageio.metadata import STRIPPABLE, stripped

    names = STRIPPABLE if value == "all" else tuple(name.strip() for name in value.split(","))
    try:
        stripped({}, names)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return names


def _suffix(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from mulanzip.imageio.writer import WRITERS

    suffix = "." + value.lower().removeprefix(".")
    if suffix not in WRITERS:
        raise click.BadParameter(f"{value} is no lossless format; use one of {', '.join(s[1:] for s in WRITERS)}")
    return suffix


strip = click.option(
    "--strip",
    callback=_strip,
    default="none",
    show_default=True,
    metavar="LIST",
    help="Metadata to leave out: none, all, or some of icc,exif,xmp,resolution,text,other.",
)
image_format = click.option(
    "--format",
    "suffix",
    callback=_suffix,
    metavar="FORMAT",
    help="Format of results that -o does not name: png, tif, webp, bmp, ppm, pgm, pbm.",
)
