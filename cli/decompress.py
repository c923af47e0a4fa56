"""``mulanzip decompress``"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.batch import Conversion
from mulanzip.cli.options import Outputs, Sources
from mulanzip.cli.report import Reporter, size

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome


@click.command()
@options.sources
@click.option(
    "--scale",
    type=click.Choice(["1/2", "1/4", "1/8"]),
    help="Restore a preview, much faster: every 2nd, 4th or 8th pixel, as photo.preview.png.",
)
@click.option("--salvage", is_flag=True, help="Restore the intact parts of a damaged file, as photo.salvaged.png.")
@options.decoding_model
@options.image_format
@options.outputs
@options.executing
@options.jobs
@options.reporting
def decompress(
    sources: Sources,
    outputs: Outputs,
    reporter: Reporter,
    jobs: int | None,
    scale: str | None,
    salvage: bool,
    **given: Any,
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o, or else --format, chooses the file format.  The default is the format of the source if that is
    lossless, and PNG otherwise.  FILE '-' is standard input; its result goes to standard output.

    --salvage names the damaged regions of the image; all other pixels are exact.  The exit code is 4, although a
    file is written.  Files that are not damaged are left alone.
    """
    skip_done = given.pop("skip_done")
    if outputs.remove and (scale or salvage):
        raise click.UsageError("--rm would delete the original: leave it out with --scale and --salvage")
    if scale and salvage:
        raise click.UsageError("--scale and --salvage do not go together")
    if skip_done and salvage:
        raise click.UsageError("--skip-done and --salvage do not go together: what was salvaged may not be all")
    from mulanzip.jobs.batch import is_compressed, restored_name
    from mulanzip.jobs.files import FileResult, decompress_file

    work: Callable[..., FileResult]
    if salvage:
        from mulanzip.inspect.salvage import MARK, salvage_file

        work, mark = salvage_file, MARK
    else:
        from mulanzip.imageio.preview import MARK

        step, mark = (int(scale.removeprefix("1/")), MARK) if scale else (1, "")
        work = partial(decompress_file, scale=step, skip_done=skip_done, verify=outputs.remove)

    def done(outcome: Outcome) -> str:
        return f"{outcome.source} -> {outcome.output}  {size(outcome.output_size)} bytes"

    name = partial(restored_name, suffix=given["suffix"], mark=mark)
    conversion = Conversion(work, batch.task_options(**given), is_compressed, name, done)
    batch.convert(conversion, sources, outputs, reporter, jobs)
