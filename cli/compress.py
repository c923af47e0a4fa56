"""``mulanzip compress``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, each, size


@click.command()
@options.sources
@options.output
@options.force
@options.remove
@options.model("Name of a model (see 'mulanzip models'), or path of a model file.", default="photo")
@click.option(
    "--effort",
    type=click.IntRange(1, 9),
    default=5,
    show_default=True,
    help="1 fast to 9 small: how long to adapt the model to each image.",
)
@click.option(
    "--context",
    type=click.Choice(["none", "fit"]),
    help="Whether to adapt the model to each image.  [default: fit, at effort 1 none]",
)
@click.option(
    "--schedule",
    type=click.Choice(["default", "one", "three", "four", "six"]),
    default="default",
    show_default=True,
    help="Steps that reveal the pixels: 'one' is faster and larger.",
)
@click.option("--verify/--no-verify", default=True, help="Decode and compare before writing (default).")
@options.device
@options.threads
@options.quiet
@options.verbose
def compress(
    files: tuple[Path, ...],
    output: Path | None,
    force: bool,
    remove: bool,
    model: str,
    effort: int,
    context: str | None,
    schedule: str,
    verify: bool,
    device: str,
    threads: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compress image files: photo.png becomes photo.png.mzp.

    The pixels, ICC, EXIF, XMP and text of the source come back exactly. A PNG file comes back byte for byte where
    the library and settings that deflated it can be found ('mulanzip info' says so).
    """
    from mulanzip.files import compress_file
    from mulanzip.inspection import info

    reporter = Reporter(quiet)

    def work(source: Path) -> None:
        with reporter.progress(source) as progress:
            result = compress_file(
                source,
                output,
                model=model,
                effort=effort,
                context=context,
                schedule=schedule,
                device=device,
                threads=threads,
                overwrite=force,
                verify=verify,
                progress=progress,
            )
        for note in result.notes:
            reporter.note(source, note)
        share = 100 * result.output_size / max(1, result.source_size)
        line = f"{source} -> {result.output}  {size(result.source_size)} -> {size(result.output_size)} bytes"
        line += f" ({share:.1f} %)"
        if verbose:
            facts = info(result.output)
            line += f", {facts.bpsp:.3f} bpsp, {facts.coding.name.lower()}, {facts.segments} segments"
            if facts.restores_file:
                line += ", original file restored byte for byte"
        reporter.say(line)
        if remove:
            source.unlink()

    each(files, reporter, work)
