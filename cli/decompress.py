"""``mulanzip decompress``"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, each, size


@click.command()
@options.sources
@options.output
@options.force
@options.remove
@click.option(
    "--scale",
    type=click.Choice(["1/2", "1/4", "1/8"]),
    help="A preview instead: every 2nd, 4th or 8th pixel, much faster, as photo.preview.png.",
)
@click.option("--salvage", is_flag=True, help="Of a damaged file: what can be trusted, as photo.salvaged.png.")
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.device
@options.threads
@options.quiet
def decompress(
    files: tuple[Path, ...],
    output: Path | None,
    force: bool,
    remove: bool,
    scale: str | None,
    salvage: bool,
    model: str | None,
    device: str,
    threads: int | None,
    quiet: bool,
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o chooses the format (png, tif, webp, bmp, ppm, pgm, pbm); without -o it is the source's own
    where that is lossless, else PNG.

    With --salvage, segments of the file whose hash is wrong are left out, the rest is exact; which parts of the
    image are affected is told, and the exit code is 4 even though something was written.
    """
    if remove and (scale or salvage):
        raise click.UsageError("--rm would delete the original: leave it out with --scale and --salvage")
    if scale and salvage:
        raise click.UsageError("--scale and --salvage do not go together")
    from mulanzip.errors import CorruptFileError
    from mulanzip.files import FileResult, decompress_file

    reporter = Reporter(quiet)
    restore: Callable[..., FileResult] = decompress_file
    if salvage:
        from mulanzip.salvage import salvage_file as restore
    elif scale:
        restore = partial(decompress_file, scale=int(scale.removeprefix("1/")))

    def work(source: Path) -> None:
        with reporter.progress(source) as progress:
            result = restore(
                source,
                output,
                model=model,
                device=device,
                threads=threads,
                overwrite=force,
                progress=progress,
            )
        for note in result.notes:
            reporter.note(source, note)
        reporter.say(f"{source} -> {result.output}  {size(result.output_size)} bytes")
        if salvage:
            raise CorruptFileError(f"the file is damaged: {result.output} holds what can be trusted")
        if remove:
            source.unlink()

    each(files, reporter, work)
