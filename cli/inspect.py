"""``mulanzip inspect``"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "kind",
    type=click.Choice(["bits", "noise"]),
    required=True,
    help="'bits': how many bits each pixel takes; 'noise': the schedule of each tile, brighter where more bits are.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    callback=options.png,
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="The picture to write, a PNG file.",
)
@options.overwrite("Overwrite an existing OUT.png.")
@options.decoding_model
@options.quiet
def inspect(file: Path, kind: str, output: Path, overwrite: bool, model: str | None, reporter: Reporter) -> None:
    """Draw where the bits of a .mzp file are.

    FILE '-' is standard input.
    """
    from PIL import Image

    from mulanzip.errors import MulanzipError
    from mulanzip.inspect import maps
    from mulanzip.jobs import atomic
    from mulanzip.jobs.files import STREAM, FileOptions

    try:
        data = sys.stdin.buffer.read() if file == STREAM else file.read_bytes()
        atomic.check(output, FileOptions(overwrite=overwrite), file)
        with reporter.progress(str(file)) as progress:
            bits = maps.bits_map(data, model=model, progress=progress)
        if kind == "bits":
            picture, white = maps.bits_picture(bits)
            legend = f"black is 0 bits per pixel, white {white:.3g} or more; {bits.mean():.3f} on the mean"
        else:
            picture, legend = maps.schedule_picture(maps.schedule_map(data), bits), maps.SCHEDULE_LEGEND
        coded = io.BytesIO()
        Image.fromarray(picture).save(coded, "PNG")
        atomic.write(coded.getvalue(), output)
    except (MulanzipError, OSError, MemoryError) as error:
        reporter.fail(file, error)
    else:
        reporter.say(f"{file} -> {output}  {legend}")
    sys.exit(reporter.exit_code)
