"""``mulanzip decompress``"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.report import size

if TYPE_CHECKING:
    from mulanzip.batch import Outcome


@click.command()
@options.sources
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.image_format
@options.converting
def decompress(remove: bool, suffix: str | None, **given: Any) -> None:
    """Restore images: photo.png.mzp becomes photo.png.

    The suffix of -o chooses the format (png, tif, webp, bmp, ppm, pgm, pbm), or --format does; without them it
    is the source's own where that is lossless, else PNG.  '-' is standard input; its result goes to standard
    output.
    """
    from mulanzip.batch import is_compressed, restored_name
    from mulanzip.files import decompress_file

    def done(outcome: Outcome) -> str:
        return f"{outcome.source} -> {outcome.output}  {size(outcome.output_size)} bytes"

    name = partial(restored_name, suffix=suffix)
    batch.convert(decompress_file, is_compressed, name, done, remove=remove, verify=remove, suffix=suffix, **given)
