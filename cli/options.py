"""Options that several commands share.  Those that belong together reach the command as one argument."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from mulanzip.cli.report import Reporter
from mulanzip.jobs.urls import as_path
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution
from mulanzip.registry import DEFAULT_GAUSSIAN_MODEL

_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True)
class Sources:
    """Which files a command works on.

    Attributes:
        files: as they are named.
        recursive: take the files below folders.
        files_from: a file with the names of more.
        null: names in ``files_from`` end with NUL, not with a new line.
    """

    files: tuple[Path, ...]
    recursive: bool
    files_from: Path | None
    null: bool


@dataclass(frozen=True)
class Outputs:
    """Where results go, and what may happen to sources.

    Attributes:
        output: a file, an existing folder, or standard output.
        output_dir: a folder that mirrors those of the sources.
        remove: delete each source when its result is in place.
        allow_loss: lost metadata is no failure.
    """

    output: Path | None
    output_dir: Path | None
    remove: bool
    allow_loss: bool


def _execution(device: str, threads: int | None, max_pixels: int | None, max_memory: int | None) -> Execution:
    return Execution(device, threads, Limits(max_pixels, max_memory))


def _bytes(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """``500M``: bytes, with units of 1024."""
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", value or "", re.IGNORECASE)
    if value is not None and (not found or not int(found[1])):
        raise click.BadParameter(f"{value} is no size; write 800M or 2G, for example")
    return int(found[1]) << _UNITS[found[2].upper()] if found else None


def _output(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    """Refuse what can only be meant as a folder but is none."""
    if value is not None and value.endswith(("/", os.sep)) and not Path(value).is_dir():
        raise click.UsageError(f"there is no folder {value} (--output-dir makes one)")
    return None if value is None else as_path(value)


def png(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a name that promises another format than the picture has."""
    if value is not None and value.suffix.lower() not in ("", ".png"):
        raise click.BadParameter(f"the picture is a PNG file; {value} names another format")
    return value


class _Address(click.Path):
    """The path or the URL of a file."""

    def coerce_path_result(self, value: str | os.PathLike[str]) -> Path:
        return as_path(os.fspath(value))


def _all(*decorators: _Decorator) -> _Decorator:
    """Decorators as one, the first on top."""
    return lambda command: reduce(lambda inner, decorator: decorator(inner), reversed(decorators), command)


def _together(name: str, make: Callable[..., Any], *options: str) -> _Decorator:
    """Hand the values of several options to the command as one argument, which ``make`` makes of them."""

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def gathered(**given: Any) -> Any:
            parts = {option: given.pop(option) for option in options}
            return command(**given, **{name: make(**parts)})

        return gathered

    return decorate


def model(help_text: str, default: str | None = None) -> _Decorator:
    return click.option(
        "-m", "--model", metavar="MODEL", default=default, show_default=default is not None, help=help_text
    )


def gaussian_model(help_text: str, default: str | None = None) -> _Decorator:
    return click.option(
        "--gaussian-model", metavar="MODEL", default=default, show_default=default is not None, help=help_text
    )


#: The model that codes.
coding_model = model(
    "Model to compress with: auto (by the number of channels), a name ('mulanzip models' lists them) or a model file.",
    EncodeOptions.model,
)
#: A model that decodes, beside those that are shipped.
decoding_model = model("Model file to try if a file was made with a model that is not shipped.")
#: The model that draws.
drawing_model = model(
    "Model with Gaussian noise: a name ('mulanzip models' lists them) or a model file.", DEFAULT_GAUSSIAN_MODEL
)


class WithEffort(click.Command):
    """A command with ``--effort``, which says so to those who write ``-9``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            level = error.option_name.lstrip("-")
            if len(level) == 1 and level in "123456789":
                raise click.UsageError(f"there is no option -{level}; write -e {level} for the effort", ctx) from None
            raise


def effort(help_text: str) -> _Decorator:
    return click.option(
        "-e",
        "--effort",
        type=click.IntRange(1, 9),
        default=EncodeOptions.effort,
        show_default=True,
        metavar="N",
        help=help_text,
    )


def schedule(help_text: str, *names: str) -> _Decorator:
    return click.option(
        "--schedule",
        type=click.Choice(["default", "one", *names]),
        default=EncodeOptions.schedule,
        show_default=True,
        help=help_text,
    )


def overwrite(help_text: str) -> _Decorator:
    return click.option("-f", "--force", "overwrite", is_flag=True, help=help_text)


def threads(help_text: str) -> _Decorator:
    return click.option("-T", "--threads", type=click.IntRange(min=1), metavar="N", help=help_text)


device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "reference"]),
    default=Execution.device,
    show_default=True,
    help="Where the network runs; 'reference' is slow and simple.  Results are the same everywhere.",
)
allow_loss = click.option(
    "--allow-metadata-loss", "allow_loss", is_flag=True, help="Metadata that cannot be kept is not a failure."
)
verbose = click.option("-v", "--verbose", is_flag=True, help="Print more about each file.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per file; text goes to standard error."
)
#: How a command speaks: ``reporter``.
quiet = _all(_together("reporter", Reporter, "quiet"), _quiet)
as_json = _all(_together("reporter", Reporter, "as_json"), _as_json)
reporting = _all(_together("reporter", Reporter, "quiet", "as_json"), _as_json, _quiet)

#: Which files: ``sources``.
sources = _all(
    _together("sources", Sources, "files", "recursive", "files_from", "null"),
    click.argument("files", nargs=-1, metavar="[FILE]...", type=_Address(readable=False)),
    click.option(
        "-r", "--recursive", is_flag=True, help="Take images, or .mzp files, below folders, except hidden ones."
    ),
    click.option(
        "--files-from",
        type=click.Path(path_type=Path),
        metavar="LIST",
        help="Also take the files named in LIST, one per line; '-' is standard input.",
    ),
    click.option("-0", "--null", is_flag=True, help="Names in LIST end with NUL, as 'find -print0' writes them."),
)
#: How one image is worked on: ``execution``.
executing = _all(
    _together("execution", _execution, "device", "threads", "max_pixels", "max_memory"),
    device,
    threads("Maximum number of threads.  Results are the same for any number.  [default: all cores]"),
    click.option("--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger images (exit code 6)."),
    click.option(
        "--max-memory",
        callback=_bytes,
        metavar="SIZE",
        help="Refuse images that need more memory, such as 800M or 2G (exit code 6).",
    ),
)
#: How many files at a time.
jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Work on N files at the same time, if memory allows.  [default: one per thread]",
)
#: Where results go: ``outputs``.
outputs = _all(
    _together("outputs", Outputs, "output", "output_dir", "remove", "allow_loss"),
    click.option(
        "-o",
        "--output",
        callback=_output,
        metavar="PATH",
        help="Output file (for one input), existing folder, or '-' for standard output.",
    ),
    click.option(
        "--output-dir",
        type=_Address(file_okay=False),
        metavar="DIR",
        help="Write results to DIR, which is made if missing, in subfolders like those of the sources.",
    ),
    overwrite("Overwrite existing outputs."),
    click.option("--skip-done", is_flag=True, help="Skip files whose output exists and holds the same image."),
    click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and write nothing."),
    click.option(
        "--rm/-k",
        "--remove/--keep",
        "remove",
        default=False,
        help="Delete each source after its result is verified and in place.  [default: keep]",
    ),
    allow_loss,
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
    help="Format of the results, if -o does not name it: png, tif, webp, bmp, ppm, pgm, pbm, pnm, pam or npy.",
)
