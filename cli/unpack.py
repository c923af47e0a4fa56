"""``mulanzip unpack``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, size
from mulanzip.options import Execution


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "-d",
    "--directory",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the images to DIR, which is made if missing.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Restore only this image, or those that match a pattern such as 'cats/*.png'; may be repeated.",
)
@options.decoding_model
@options.gaussian_model("Model file to try for chains, if theirs is not shipped.")
@options.image_format
@options.overwrite("Overwrite existing files.")
@options.allow_loss
@options.executing
@options.reporting
def unpack(
    archive: Path,
    folder: Path,
    reporter: Reporter,
    allow_loss: bool,
    execution: Execution,
    **given: Any,
) -> None:
    """Restore the images of an archive.

    Names, dates and permissions come back, too.  Images from lossy formats (JPEG, GIF) become photo.jpg.png.
    Damaged images are named, and the others are restored; the exit code is 4 then.
    """
    from mulanzip.cli.batch import task_options
    from mulanzip.jobs.pack import unpack as unpack_files

    with reporter.progress(archive.name) as progress, reporter.stopping(archive):
        result = unpack_files(
            archive,
            folder,
            progress=progress,
            report=reporter.fail,
            lost=lambda path, names: reporter.lost(path, names, allow_loss),
            **task_options(execution, **given),
        )
        of = f" of {result.wanted}" if result.written < result.wanted else ""
        reporter.say(f"{archive} -> {folder}  {result.written}{of} images, {size(result.size)} bytes")
        reporter.record({"source": str(archive), "output": str(folder), **asdict(result)})
    reporter.leave()
