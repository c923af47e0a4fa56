"""``mulanzip compress``"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.batch import Conversion
from mulanzip.cli.options import Outputs, Sources
from mulanzip.cli.report import LEFT_ALONE, Reporter, size
from mulanzip.errors import UnreadableImageError
from mulanzip.options import GRADES, EncodeOptions, Execution, Keeping

if TYPE_CHECKING:
    from mulanzip.jobs.batch import Outcome

_ALL = "--all keeps damaged files, and files that are no images, as they are"
#: Suffixes that a compressed file should not have.
_OF_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".npy", ".jxl")


@click.command(cls=options.WithEffort)
@options.sources
@options.coding_model
@options.effort("How carefully to adapt the model to each image: 1 is fast, 9 is small; 4 to 9 need torch.")
@click.option(
    "--context",
    type=click.Choice(["none", "fit"]),
    default=EncodeOptions.context,
    help="'fit' adapts the model to each image; 'none' uses the model as it is.  [default: fit from --effort 4 on]",
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
@click.option(
    "--series",
    is_flag=True,
    help="Take folders: ct/ becomes ct.tar.mzp, an archive whose slices are coded given each other.",
)
@click.option("--pixels", is_flag=True, help="Keep pixels and metadata, not the file: of a JPEG file, say.")
@click.option("--only-modelled", is_flag=True, help="Refuse kinds of images that no model codes.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also keep damaged files, files that are no images, and hidden ones, as they are.",
)
@click.option(
    "--require",
    type=click.Choice(GRADES),
    default=Keeping.require,
    show_default=True,
    help="Refuse files of which less would come back: the file, its content, or all samples.",
)
@options.strip
@options.outputs
@options.executing
@options.jobs
@options.reporting
@options.verbose
def compress(  # noqa: PLR0913
    sources: Sources,
    outputs: Outputs,
    execution: Execution,
    reporter: Reporter,
    jobs: int | None,
    dask: str | None,
    series: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Compress image files: photo.png becomes photo.png.mzp.

    Files come back byte for byte, or what does not is named ('mulanzip info' says how much comes back).  FILE '-' is
    standard input; its result goes to standard output.
    """
    from mulanzip.jobs.batch import is_image, is_plain
    from mulanzip.jobs.compress import compress as compress_one
    from mulanzip.jobs.files import FileOptions
    from mulanzip.jobs.names import compressed_name
    from mulanzip.jobs.series import compress_series, series_name

    if series and (outputs.remove or sources.recursive or dask):
        raise click.UsageError("--series takes whole folders, and deletes none: no -r, --rm and --dask with it")
    if outputs.remove and not given["verify"]:
        raise click.UsageError("--rm deletes sources whose results are verified; --no-verify does not go with it")

    def done(outcome: Outcome) -> str:
        share = 100 * outcome.output_size / max(1, outcome.source_size)
        line = f"{outcome.source} -> {outcome.output}  {size(outcome.source_size)} -> {size(outcome.output_size)} bytes"
        line += f" ({share:.1f} %)"
        if verbose and outcome.output is not None and outcome.output.is_file():
            from mulanzip.inspect.info import info

            facts = info(outcome.output)
            rate = "" if facts.bpsp is None else f"{facts.bpsp:.3f} bpsp, "
            line += f", {rate}{facts.coding.name.lower()}, {facts.segments} segments"
            line += f", grade {facts.grade.name.lower()}"
        return line

    if outputs.output is not None and outputs.output.suffix.lower() in _OF_IMAGES:
        reporter.warn(f"{outputs.output} becomes a .mzp file, whatever its suffix")
    coding = {key: given.pop(key) for key in ("model", "effort", "context", "schedule", "mu")}
    keeping = Keeping(**{key: given.pop(key) for key in ("pixels", "only_modelled", "everything", "require", "strip")})
    work = partial(compress_series if series else compress_one, encoding=EncodeOptions(**coding))
    wanted = is_plain if keeping.everything else is_image
    if not (keeping.everything or keeping.pixels or keeping.strip or keeping.only_modelled):
        reporter.advice = dict.fromkeys((UnreadableImageError.reason, LEFT_ALONE), _ALL)
    files = FileOptions(keeping=keeping, **given)
    name = series_name if series else compressed_name
    conversion = Conversion(work, files, execution, wanted, name, done, hidden=keeping.everything)
    batch.convert(conversion, sources, outputs, reporter, jobs, dask)
