"""``mulanzip decompress``"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.batch import Conversion
from mulanzip.cli.options import Outputs, Sources
from mulanzip.cli.report import Reporter, size
from mulanzip.options import Execution

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
def decompress(  # noqa: PLR0913
    sources: Sources,
    outputs: Outputs,
    execution: Execution,
    reporter: Reporter,
    jobs: int | None,
    scale: str | None,
    salvage: bool,
    model: str | None,
    **given: Any,
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o, or else --format, chooses the file format.  The default is the format of the source if that is
    lossless, and PNG otherwise.  FILE '-' is standard input; its result goes to standard output.

    --salvage names the damaged regions of the image; all other pixels are exact.  The exit code is 4, although a
    file is written.  Files that are not damaged are left alone.
    """
    if outputs.remove and (scale or salvage):
        raise click.UsageError("--rm would delete the original: leave it out with --scale and --salvage")
    if scale and salvage:
        raise click.UsageError("--scale and --salvage do not go together")
    if given["skip_done"] and salvage:
        raise click.UsageError("--skip-done and --salvage do not go together: what was salvaged may not be all")
    from mulanzip.jobs.batch import Work, is_compressed
    from mulanzip.jobs.files import FileOptions
    from mulanzip.jobs.names import planned_name

    work: Work
    if salvage:
        from mulanzip.jobs.salvage_file import MARK, decompress_damaged

        work, mark = partial(decompress_damaged, model=model), MARK
    else:
        from mulanzip.imageio.preview import MARK
        from mulanzip.jobs.restore import decompress as decompress_one

        step, mark = (int(scale.removeprefix("1/")), MARK) if scale else (1, "")
        work = partial(decompress_one, scale=step, model=model)

    def done(outcome: Outcome) -> str:
        return f"{outcome.source} -> {outcome.output}  {size(outcome.output_size)} bytes"

    name = partial(planned_name, suffix=given["suffix"], mark=mark)
    files = FileOptions(read_back=outputs.remove, **given)
    conversion = Conversion(work, files, execution, is_compressed, name, done)
    batch.convert(conversion, sources, outputs, reporter, jobs)
