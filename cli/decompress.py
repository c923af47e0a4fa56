"""``mulanzip decompress``"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.report import size

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome


@click.command()
@options.sources
@click.option(
    "--scale",
    type=click.Choice(["1/2", "1/4", "1/8"]),
    help="A preview instead: every 2nd, 4th or 8th pixel, much faster, as photo.preview.png.",
)
@click.option("--salvage", is_flag=True, help="Of a damaged file: what can be trusted, as photo.salvaged.png.")
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.image_format
@options.converting
def decompress(
    scale: str | None, salvage: bool, remove: bool, skip_done: bool, suffix: str | None, **given: Any
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o chooses the format (png, tif, webp, bmp, ppm, pgm, pbm), or --format does; without them it
    is the source's own where that is lossless, else PNG.  '-' is standard input; its result goes to standard
    output.

    With --salvage, segments of the file whose hash is wrong are left out, the rest is exact; which parts of the
    image are affected is told, and the exit code is 4 even though something was written.  Files that are not damaged
    are left alone.
    """
    if remove and (scale or salvage):
        raise click.UsageError("--rm would delete the original: leave it out with --scale and --salvage")
    if scale and salvage:
        raise click.UsageError("--scale and --salvage do not go together")
    if skip_done and salvage:
        raise click.UsageError("--skip-done and --salvage do not go together: what was salvaged may not be all")
    from mulanzip.jobs.batch import is_compressed
    from mulanzip.jobs.files import FileResult
    from mulanzip.jobs.names import planned_name
    from mulanzip.jobs.restore import decompress as decompress_file

    work: Callable[..., FileResult]
    if salvage:
        from mulanzip.jobs.salvage_file import MARK, decompress_damaged

        work, mark = partial(decompress_damaged, model=given.pop("model")), MARK
    else:
        from mulanzip.imageio.preview import MARK

        step, mark = (int(scale.removeprefix("1/")), MARK) if scale else (1, "")
        work = partial(decompress_file, scale=step, model=given.pop("model"))

    def done(outcome: Outcome) -> str:
        return f"{outcome.source} -> {outcome.output}  {size(outcome.output_size)} bytes"

    name = partial(planned_name, suffix=suffix, mark=mark)
    batch.convert(
        work, is_compressed, name, done, remove=remove, suffix=suffix, skip_done=skip_done, read_back=remove, **given
    )
