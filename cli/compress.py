"""``mulanzip compress``"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.report import size

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome


@click.command()
@options.sources
@options.coding_model
@options.effort("1 fast to 9 small: how long to adapt the model to each image.")
@click.option(
    "--context",
    type=click.Choice(["none", "fit"]),
    help="Whether to adapt the model to each image.  [default: fit, at effort 1 none]",
)
@click.option(
    "--schedule",
    type=click.Choice(["default", "one", "three", "four", "six", "adaptive"]),
    default="default",
    show_default=True,
    help="Steps that reveal the pixels: 'one' decodes faster and is larger; 'adaptive' chooses for each tile.",
)
@click.option(
    "--mu",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    metavar="BITS",
    help="With --schedule adaptive: bits that four pixels may take more for each run of the network they save.",
)
@click.option("--verify/--no-verify", default=True, help="Decode and compare before writing (default).")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Let the Dask cluster of this scheduler do it; files may be URLs that fsspec knows. Skips what is done.",
)
@options.strip
@options.converting
@options.verbose
def compress(verbose: bool, verify: bool, remove: bool, **given: Any) -> None:
    """Compress image files: photo.png becomes photo.png.mzp.

    The pixels, ICC, EXIF, XMP and text of the source come back exactly; a PNG file comes back byte for byte where the
    library and settings that deflated it can be found ('mulanzip info' says so).  '-' is standard input; its
    result goes to standard output.
    """
    from mulanzip.inspect.info import info
    from mulanzip.jobs.batch import is_image
    from mulanzip.jobs.compress import compress as compress_file
    from mulanzip.jobs.names import compressed_name
    from mulanzip.options import EncodeOptions

    if remove and not verify:
        raise click.UsageError("--rm deletes sources whose results are verified; --no-verify does not go with it")

    def done(outcome: Outcome) -> str:
        share = 100 * outcome.output_size / max(1, outcome.source_size)
        line = f"{outcome.source} -> {outcome.output}  {size(outcome.source_size)} -> {size(outcome.output_size)} bytes"
        line += f" ({share:.1f} %)"
        if verbose and outcome.output is not None and outcome.output.is_file():
            facts = info(outcome.output)
            line += f", {facts.bpsp:.3f} bpsp, {facts.coding.name.lower()}, {facts.segments} segments"
            if facts.restores_file:
                line += ", original file restored byte for byte"
        return line

    coding = {key: given.pop(key) for key in ("model", "effort", "context", "schedule", "mu")}
    work = partial(compress_file, encoding=EncodeOptions(**coding))
    batch.convert(work, is_image, compressed_name, done, remove=remove, verify=verify, **given)
