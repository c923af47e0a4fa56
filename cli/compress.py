"""``mulanzip compress``"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.batch import Conversion
from mulanzip.cli.options import Outputs, Sources
from mulanzip.cli.report import Reporter, size
from mulanzip.options import EncodeOptions, Execution

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome


@click.command()
@options.sources
@options.coding_model
@options.effort("How long to adapt the model to each image: 1 is fast, 9 makes the smallest files.")
@click.option(
    "--context",
    type=click.Choice(["none", "fit"]),
    default=EncodeOptions.context,
    help="'fit' adapts the model to each image; 'none' uses the model as it is.  [default: fit from --effort 2 on]",
)
@options.schedule(
    "Steps that reveal the pixels: 'one' decodes faster but makes larger files; 'adaptive' chooses for each tile.",
    "adaptive",
)
@click.option(
    "--mu",
    type=click.FloatRange(min=0),
    default=EncodeOptions.mu,
    show_default=True,
    metavar="BITS",
    help="With --schedule adaptive: extra BITS allowed per 2x2 pixels for each network evaluation saved.",
)
@click.option(
    "--verify/--no-verify", default=True, help="Decode and compare before the result is written.  [default: verify]"
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Let the Dask cluster with this scheduler do the work; files may be URLs for fsspec.  Implies --skip-done.",
)
@options.strip
@options.outputs
@options.executing
@options.jobs
@options.reporting
@options.verbose
def compress(
    sources: Sources,
    outputs: Outputs,
    execution: Execution,
    reporter: Reporter,
    jobs: int | None,
    dask: str | None,
    verbose: bool,
    **given: Any,
) -> None:
    """Compress image files: photo.png becomes photo.png.mzp.

    Pixels, colour profile, EXIF, XMP and text come back exactly.  Most PNG files come back byte for byte ('mulanzip
    info' says whether).  FILE '-' is standard input; its result goes to standard output.
    """
    from mulanzip.inspect.info import info
    from mulanzip.jobs.batch import is_image
    from mulanzip.jobs.compress import compress as compress_one
    from mulanzip.jobs.files import FileOptions
    from mulanzip.jobs.names import compressed_name

    if outputs.remove and not given["verify"]:
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
    work = partial(compress_one, encoding=EncodeOptions(**coding))
    conversion = Conversion(work, FileOptions(**given), execution, is_image, compressed_name, done)
    batch.convert(conversion, sources, outputs, reporter, jobs, dask)
