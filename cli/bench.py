"""``mulanzip bench``"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mulanzip.bench.codecs import Codec


class _OutputFile(click.Path):
    """A file to write, refused before the measuring and not after it."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(str(super().convert(value, param, ctx)))  # type: ignore[arg-type]
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        return path


def _choose(names: str | None, threads: int, device: str) -> list[Codec]:
    """The codecs named, or those of the default list that can run."""
    from mulanzip.bench.codecs import DEFAULT_CODECS, has_jpegxl, parse_codec
    from mulanzip.errors import MulanzipError

    chosen = [name.strip() for name in names.split(",")] if names is not None else list(DEFAULT_CODECS)
    if names is None and not has_jpegxl():
        chosen = [name for name in chosen if not name.startswith("jxl-")]
        click.echo("JPEG XL is left out: it needs pip install mulanzip[bench]", err=True)
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


def _usable(path: Path, report: Callable[[str], None]) -> bool:
    """Whether the file can be measured."""
    from mulanzip.bench.benchmark import read_image
    from mulanzip.errors import MulanzipError, UnsupportedImageError

    try:
        read_image(path)
    except UnsupportedImageError as error:
        click.echo(f"skipped {path}: {error}", err=True)
        return False
    except MulanzipError as error:
        report(f"{path}: {error}")
        return False
    return True


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--codecs",
    metavar="LIST",
    help="Comma-separated: png, webp, jxl-eN (N from 1 to 10), mulanzip-MODEL-eN.  "
    "[default: png,webp,jxl-e7,jxl-e9,mulanzip-photo-e1]",
)
@click.option("-T", "--threads", type=click.IntRange(min=1), help="For mulanzip and JPEG XL.  [default: all cores]")
@click.option("--device", default="auto", show_default=True, help="Where mulanzip's network runs.")
@click.option("--per-file", is_flag=True, help="Also print the bits per subpixel of every file.")
@click.option("--json", "json_path", type=_OutputFile(), metavar="OUT", help="Write all measurements.")
@click.option("--plot", "plot_path", type=_OutputFile(), metavar="OUT.png", help="Draw size against speed.")
def bench(
    files: tuple[Path, ...],
    codecs: str | None,
    threads: int | None,
    device: str,
    per_file: bool,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Compare lossless codecs on the images FILES (files or folders).

    Every codec runs in a process of its own.  bpsp is bits per subpixel, less is better; the column after it
    is the size relative to PNG (or to the first codec).  Speeds leave out the loading of models and of files.
    Peak memory counts the whole process: libraries, model and image.
    """
    from tqdm import tqdm

    from mulanzip.bench import benchmark, plot
    from mulanzip.errors import MulanzipError
    from mulanzip.limits import available_cores

    if plot_path:
        try:
            plot.require_matplotlib()
        except MulanzipError as error:
            raise click.ClickException(str(error)) from None
    threads = threads or available_cores()
    chosen = _choose(codecs, threads, device)
    problems: list[str] = []

    def report(problem: str) -> None:
        problems.append(problem)
        with tqdm.external_write_mode():
            click.echo(f"Error: {problem}", err=True)

    paths = [path for path in benchmark.expand(files) if _usable(path, report)]
    if not paths:
        raise click.ClickException("there is no image to measure")

    rows: list[benchmark.Row] = []
    with tqdm(total=len(chosen) * len(paths), unit="image", disable=None) as bar:
        for number, codec in enumerate(chosen, 1):
            bar.set_description(codec.name)
            if bar.disable:
                click.echo(f"{codec.name}: {len(paths)} image{'s' if len(paths) > 1 else ''}", err=True)
            for outcome in benchmark.run(codec, paths):
                if isinstance(outcome, benchmark.Row):
                    rows.append(outcome)
                if outcome.problem:
                    report(outcome.problem)
                bar.update()
            bar.update(number * len(paths) - bar.n)

    if rows:
        click.echo(benchmark.summary_table(rows))
        tables = [benchmark.parts_table(rows), benchmark.file_table(rows) if per_file else ""]
        for table in filter(None, tables):
            click.echo("\n" + table)
    if json_path:
        json_path.write_text(benchmark.to_json(rows, threads, device), encoding="utf-8")
    if plot_path and rows:
        plot.plot(rows, plot_path)
    if problems:
        raise SystemExit(1)
