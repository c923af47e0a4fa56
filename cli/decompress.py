"""``mulanzip decompress``"""

from __future__ import annotations

import re
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


def _region(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[slice, slice] | None:
    """``top:bottom,left:right`` -> slices of rows and columns."""
    if value is None:
        return None
    found = re.fullmatch(r"(-?\d+)?:(-?\d+)?,(-?\d+)?:(-?\d+)?", value.replace(" ", ""))
    if not found:
        raise click.BadParameter(
            f"{value!r} is no region; write rows and columns, as 0:512,256:768", context, parameter
        )
    top, bottom, left, right = (None if edge is None else int(edge) for edge in found.groups())
    return slice(top, bottom), slice(left, right)


@click.command()
@options.sources
@click.option(
    "--scale",
    type=click.Choice(["1/2", "1/4", "1/8"]),
    help="Restore a preview, much faster: every 2nd, 4th or 8th pixel, as photo.preview.png.",
)
@click.option(
    "--region",
    callback=_region,
    metavar="TOP:BOTTOM,LEFT:RIGHT",
    help="Restore these pixels alone, as photo.region.png.  As in NumPy, bottom and right are not in it, what is left "
    "out is the edge, and negative numbers count from the end: 100:612,-512: is rows 100 to 611, the last 512 columns.",
)
@click.option(
    "--index",
    type=click.IntRange(min=0),
    metavar="N",
    help="Restore one slice, band or page alone, counted from 0, as photo.N.png.",
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
    region: tuple[slice, slice] | None,
    index: int | None,
    salvage: bool,
    model: str | None,
    **given: Any,
) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o, or else --format, chooses the file format.  The default is the format of the source if that is
    lossless, and PNG otherwise.  FILE '-' is standard input; its result goes to standard output.

    --scale, --region and --index go together; a region is named by the pixels of the full image.  Only what they take
    is decoded.

    --salvage names the damaged regions of the image; all other pixels are exact.  The exit code is 4, although a
    file is written.  Files that are not damaged are left alone.
    """
    parts = {"--scale": scale, "--region": region, "--index": index}
    named = [name for name, value in parts.items() if value is not None]
    if outputs.remove and (named or salvage):
        raise click.UsageError(f"--rm would delete the original: leave it out with {(named or ['--salvage'])[0]}")
    if named and salvage:
        raise click.UsageError(f"{named[0]} and --salvage do not go together")
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
        from mulanzip.jobs.restore import decompress as decompress_one
        from mulanzip.jobs.restore import mark_of

        step = int(scale.removeprefix("1/")) if scale else 1
        work = partial(decompress_one, scale=step, index=index, region=region, model=model)
        mark = mark_of(step, index, region)

    def done(outcome: Outcome) -> str:
        return f"{outcome.source} -> {outcome.output}  {size(outcome.output_size)} bytes"

    name = partial(planned_name, suffix=given["suffix"], mark=mark, is_slice=index is not None)
    files = FileOptions(read_back=outputs.remove, **given)
    conversion = Conversion(work, files, execution, is_compressed, name, done)
    batch.convert(conversion, sources, outputs, reporter, jobs)
