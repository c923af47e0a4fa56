"""``mulanzip pack``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, size


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The archive, set.mzp say."
)
@options.coding_model
@options.effort("Of large images: how long to adapt the model to each. Small ones share the model as it is.")
@click.option(
    "--schedule",
    type=click.Choice(["default", "one", "three", "four", "six"]),
    default="default",
    show_default=True,
    help="Steps that reveal the pixels: 'one' is faster and larger.",
)
@click.option(
    "--process",
    type=click.Choice(["erasure", "gaussian", "auto"]),
    default="erasure",
    show_default=True,
    help="Of small images: 'gaussian' codes RGB images of the size of its model in chains of latents, slowly; 'auto' "
    "takes the smaller one for each group.",
)
@options.gaussian_model("Of --process gaussian: a name, or the path of a model file.", default="tiles32")
@click.option("--verify/--no-verify", default=True, help="Decode everything before the archive is kept (default).")
@options.strip
@click.option("-f", "--force", "overwrite", is_flag=True, help="Overwrite an existing archive.")
@options.allow_loss
@options.one_machine
@options.as_json
@options.quiet
def pack(
    sources: tuple[Path, ...], output: Path, quiet: bool, as_json: bool, allow_loss: bool,
    max_pixels: int | None, max_memory: int | None, **given: Any,
) -> None:  # fmt: skip
    """Compress all images below folders (or files) into one archive.

    Small images of one size are coded together, so that they need no headers: for thousands of icons, patches or
    thumbnails.  Names, order, dates, permissions, pixels and metadata come back with 'mulanzip unpack'.
    """
    from mulanzip.cli.batch import task_options
    from mulanzip.jobs.pack import pack as pack_files

    reporter = Reporter(quiet, as_json)
    with reporter.progress(output.name) as progress, reporter.stopping(output):
        result = pack_files(
            sources,
            output,
            progress=progress,
            report=reporter.fail,
            lost=lambda path, names: reporter.lost(path, names, allow_loss),
            **task_options(max_pixels, max_memory, **given),
        )
        share = 100 * result.size / max(1, result.source_size)
        sizes = f"{size(result.source_size)} -> {size(result.size)} bytes ({share:.1f} %)"
        reporter.say(f"{result.images} images -> {output}  {sizes}")
        if result.chained:
            reporter.say(
                f"  {result.chained} images in chains: {size(result.net_size)} bytes net; {size(result.borrowed_size)} "
                f"more were borrowed from {result.seeds} images before them"
            )
        reporter.record({"output": str(output), **asdict(result)})
    reporter.leave()
