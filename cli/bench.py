"""``mulanzip bench``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulanzip.cli import options

if TYPE_CHECKING:
    from mulanzip.bench.codecs import Codec
    from mulanzip.bench.outcome import Measurement


class _OutputFile(click.Path):
    """A file to write.  It is checked before anything is measured."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(str(super().convert(value, param, ctx)))  # type: ignore[arg-type]
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        return path


class _Problems:
    """Messages about images that could not be measured, printed at once."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, problem: str) -> None:
        from tqdm import tqdm

        self.count += 1
        with tqdm.external_write_mode():
            click.echo(f"Error: {problem}", err=True)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--codecs",
    metavar="LIST",
    help="Codecs, with commas between them: png, webp, jls, jp2, jxl-eN (N from 1 to 10), jxl-eN-g3, "
    "mulanzip-MODEL-eN.  [default: png,webp,jxl-e7,jxl-e9,mulanzip-photo-e1]",
)
@options.threads("Maximum number of threads of mulanzip and JPEG XL.  [default: all cores]")
@options.device
@click.option("--per-file", is_flag=True, help="Print the bits per subpixel of every file, too.")
@click.option("--json", "json_path", type=_OutputFile(), metavar="OUT", help="Write all measurements to a JSON file.")
@click.option(
    "--plot", "plot_path", type=_OutputFile(), callback=options.png, metavar="OUT.png", help="Plot size against speed."
)
def bench(
    files: tuple[Path, ...],
    codecs: str | None,
    threads: int | None,
    device: str,
    per_file: bool,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Compare lossless codecs on your images.

    FILES are images, or folders with them.  Each codec runs in a process of its own.

    The table shows bits per subpixel (bpsp; fewer are better), then the size relative to PNG or to the first codec.
    Speeds exclude the loading of models and files.  Peak memory is that of the whole process: libraries, model and
    image.
    """
    from mulanzip.bench.extras import MissingExtraError, require

    try:
        require("tabulate", "mulanzip bench")
        if plot_path:
            require("matplotlib", "--plot")
    except MissingExtraError as error:
        raise click.ClickException(str(error)) from None
    from mulanzip.bench.images import find_images
    from mulanzip.bench.json_file import to_json
    from mulanzip.bench.plot import plot
    from mulanzip.bench.summary import shared
    from mulanzip.limits import available_cores

    threads = threads or available_cores()
    chosen = _choose(codecs, threads, device)
    problems = _Problems()
    paths = [path for path in find_images(files) if _is_usable(path, problems)]
    if not paths:
        raise click.ClickException("there is no image to measure")
    rows = _measure(chosen, paths, problems)
    if rows:
        _print(rows, per_file)
    compared = shared(rows)
    if len(compared) < len(rows):
        click.echo("not every codec restored every image: only the column of ratios compares the same images", err=True)
    if json_path:
        json_path.write_text(to_json(rows, threads, device), encoding="utf-8")
    if plot_path and compared:
        plot(compared, plot_path)
    if problems.count:
        raise SystemExit(1)


def _choose(names: str | None, threads: int, device: str) -> list[Codec]:
    """The codecs that are named, or the default ones."""
    from mulanzip.bench.codecs import DEFAULT_CODECS, parse_codec
    from mulanzip.errors import MulanzipError

    chosen = [name.strip() for name in names.split(",")] if names is not None else DEFAULT_CODECS
    try:
        codecs = [parse_codec(name, threads, device) for name in dict.fromkeys(chosen)]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        for codec in codecs:
            codec.require()
    except MulanzipError as error:
        raise click.ClickException(str(error)) from None
    return codecs


def _is_usable(path: Path, problems: _Problems) -> bool:
    """Whether the file can be measured; if not, say why."""
    from mulanzip.bench.images import read_image
    from mulanzip.errors import MulanzipError, UnsupportedImageError

    try:
        read_image(path)
    except UnsupportedImageError as error:
        click.echo(f"skipped {path}: {error}", err=True)
        return False
    except MulanzipError as error:
        problems.report(f"{path}: {error}")
        return False
    return True


def _measure(codecs: Sequence[Codec], paths: Sequence[Path], problems: _Problems) -> list[Measurement]:
    """Measure all images with all codecs, with a progress bar."""
    from tqdm import tqdm

    from mulanzip.bench.outcome import Measurement
    from mulanzip.bench.run import run

    rows: list[Measurement] = []
    with tqdm(total=len(codecs) * len(paths), unit="image", disable=None) as bar:
        for number, codec in enumerate(codecs, 1):
            bar.set_description(codec.name)
            if bar.disable:
                click.echo(f"{codec.name}: {len(paths)} image{'s' if len(paths) > 1 else ''}", err=True)
            for outcome in run(codec, paths):
                if isinstance(outcome, Measurement):
                    rows.append(outcome)
                if outcome.problem:
                    problems.report(outcome.problem)
                bar.update()
            bar.update(number * len(paths) - bar.n)
    return rows


def _print(rows: Sequence[Measurement], per_file: bool) -> None:
    from mulanzip.bench.tables import file_table, parts_table, summary_table

    click.echo(summary_table(rows))
    tables = [parts_table(rows), file_table(rows) if per_file else ""]
    for table in filter(None, tables):
        click.echo("\n" + table)
