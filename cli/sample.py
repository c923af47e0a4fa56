"""``mulanzip sample``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options


@click.command()
@options.drawing_model
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    metavar="N",
    help="Number of images to draw.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The picture to write, with all images in rows, such as grid.png.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed; the same one draws the same images.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    metavar="N",
    help="Steps from noise to image; fewer are faster, and the images are worse.",
)
@options.overwrite("Overwrite an existing picture.")
def sample(model: str, count: int, output: Path, seed: int, steps: int, overwrite: bool) -> None:
    """Draw new images with a model."""
    from mulanzip.image.kinds import Kind, Mode
    from mulanzip.image.picture import Picture
    from mulanzip.imageio.writer import require_writable, write_picture
    from mulanzip.jobs import atomic
    from mulanzip.jobs.files import FileOptions

    require_writable(output, Kind(Mode.RGB, 8))
    atomic.check(output, FileOptions(overwrite=overwrite))
    from mulanzip.gaussian import api  # Only now: it takes a second.

    images = api.sample(api.open_model(model), count, steps, seed)
    data, _ = write_picture(Picture.from_array(api.grid(images)), output)
    atomic.write(data, output)
    click.echo(f"{count} images of {images.shape[2]}x{images.shape[1]} -> {output}")
