"""``mulanzip unpack``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, size


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "-d",
    "--directory",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the images go; made if missing.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="This image alone, or those that match a pattern like 'cats/*.png'; may be given several times.",
)
@options.model("A model file to try, for archives made with a model that is not shipped.")
@options.gaussian_model("A model file to try, for chains that need one that is not shipped.")
@options.image_format
@click.option("-f", "--force", "overwrite", is_flag=True, help="Overwrite existing files.")
@options.allow_loss
@options.one_machine
@options.as_json
@options.quiet
def unpack(
    archive: Path, folder: Path, quiet: bool, as_json: bool, allow_loss: bool,
    max_pixels: int | None, max_memory: int | None, **given: Any,
) -> None:  # fmt: skip
    """Restore the images of an archive, with their names, dates and permissions.

    Images of formats that lose something (JPEG, GIF) come back as photo.jpg.png.  What is damaged is named, the
    rest is restored, and the exit code is 4 then.
    """
    from mulanzip.cli.batch import task_options
    from mulanzip.jobs.pack import unpack as unpack_files

    reporter = Reporter(quiet, as_json)
    with reporter.progress(archive.name) as progress, reporter.stopping(archive):
        result = unpack_files(
            archive,
            folder,
            progress=progress,
            report=reporter.fail,
            lost=lambda path, names: reporter.lost(path, names, allow_loss),
            **task_options(max_pixels, max_memory, **given),
        )
        of = f" of {result.wanted}" if result.written < result.wanted else ""
        reporter.say(f"{archive} -> {folder}  {result.written}{of} images, {size(result.size)} bytes")
        reporter.record({"source": str(archive), "output": str(folder), **asdict(result)})
    reporter.leave()
