"""``mulanzip decompress``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, each, size


@click.command()
@options.sources
@options.output
@options.force
@options.remove
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.device
@options.threads
@options.quiet
def decompress(
    files: tuple[Path, ...],
    output: Path | None,
    force: bool,
    remove: bool,
    model: str | None,
    device: str,
    threads: int | None,
    quiet: bool,
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o chooses the format (png, tif, webp, bmp, ppm, pgm, pbm); without -o it is the source's own
    where that is lossless, else PNG.
    """
    from mulanzip.files import decompress_file

    reporter = Reporter(quiet)

    def work(source: Path) -> None:
        with reporter.progress(source) as progress:
            result = decompress_file(
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
        if remove:
            source.unlink()

    each(files, reporter, work)
