"""``mulanzip sample``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options


@click.command()
@options.model("Model of Gaussian noise: a name or a file ('mulanzip models' lists them).", default="tiles32")
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=64, show_default=True, help="Images to draw.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Picture of them all, in rows: grid.png."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same images.")
@click.option(
    "--steps", type=click.IntRange(1, 100_000), default=256, show_default=True, help="Fewer are faster and worse."
)
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing picture.")
def sample(model: str, count: int, output: Path, seed: int, steps: int, force: bool) -> None:
    """Draw images that a model makes up."""
    from mulanzip.errors import MulanzipError
    from mulanzip.image.kinds import Kind, Mode
    from mulanzip.image.picture import Picture
    from mulanzip.imageio.writer import require_writable, write_picture
    from mulanzip.jobs import atomic
    from mulanzip.jobs.files import FileOptions

    require_writable(output, Kind(Mode.RGB, 8))
    try:
        atomic.check(output, FileOptions(overwrite=force))
        from mulanzip.gaussian import api  # Only now: it takes a second.

        images = api.sample(api.open_model(model), count, steps, seed)
        data, _ = write_picture(Picture.from_array(api.grid(images)), output)
        atomic.write(data, output)
    except OSError as error:
        raise MulanzipError(f"{output}: {error.strerror}") from None
    click.echo(f"{count} images of {images.shape[2]}x{images.shape[1]} -> {output}")
