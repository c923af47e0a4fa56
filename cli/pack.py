"""``mulanzip pack``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, size
from mulanzip.options import Execution
from mulanzip.registry import DEFAULT_GAUSSIAN_MODEL


@click.command(cls=options.WithEffort)
@click.argument("sources", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The archive to write, such as set.mzp.",
)
@options.coding_model
@options.effort("How carefully to adapt the model to each large image; small images share the model as it is.")
@options.schedule("Steps that reveal the pixels: 'one' is faster but makes larger archives.")
@click.option(
    "--process",
    type=click.Choice(["erasure", "gaussian", "auto"]),
    default="erasure",
    show_default=True,
    help="How to code small images: 'gaussian' (slow) codes RGB images of the size of --gaussian-model in chains; "
    "'auto' takes what is smaller for each group.",
)
@options.gaussian_model("Model for --process gaussian: a name or a model file.", DEFAULT_GAUSSIAN_MODEL)
@click.option(
    "--verify/--no-verify",
    default=True,
    help="Decode and compare all images before the archive is kept.  [default: verify]",
)
@options.strip
@options.overwrite("Overwrite an existing archive.")
@options.allow_loss
@options.executing
@options.reporting
def pack(
    sources: tuple[Path, ...],
    output: Path,
    reporter: Reporter,
    allow_loss: bool,
    execution: Execution,
    **given: Any,
) -> None:
    """Compress folders of images into one archive.

    Small images of the same size are coded together and need no headers: for thousands of icons, patches or
    thumbnails.  Names, order, dates, permissions, pixels and metadata come back with 'mulanzip unpack'.
    """
    from mulanzip.cli.batch import task_options
    from mulanzip.jobs.pack import pack as pack_files

    with reporter.progress(output.name) as progress, reporter.stopping(output):
        try:
            result = pack_files(
                sources,
                output,
                progress=progress,
                report=reporter.fail,
                lost=lambda path, names: reporter.lost(path, names, allow_loss),
                leave=reporter.leave_alone,
                **task_options(execution, **given),
            )
        finally:
            reporter.say_what_is_left()
        share = 100 * result.size / max(1, result.source_size)
        sizes = f"{size(result.source_size)} -> {size(result.size)} bytes ({share:.1f} %)"
        reporter.say(f"{result.images} images -> {output}  {sizes}")
        if result.chained:
            reporter.say(
                f"  {result.chained} images in chains: {size(result.net_size)} bytes net; they used "
                f"{size(result.initial_bytes_used)} bytes of {result.initial_images} initial images"
            )
        reporter.record({"output": str(output), **asdict(result)})
    reporter.leave()
