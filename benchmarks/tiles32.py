"""A model of Gaussian noise on small images: its bound and likelihood compared with codecs and the erasure model.

    python -m benchmarks.tiles32 cifar10_batch0_1000.npz

takes an .npz with uint8 "images" (B, 32, 32, 3), or a folder of pictures from which tiles are cut at several scales.
For a model with finitely many steps it also writes and reads archives of both processes, and prints their whole size
(gross) and the size of images in chains without the initial images (net).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

import mulanzip
from mulanzip import gaussian
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.bench.codecs import parse_codec
from mulanzip.image.channels import from_coding_order
from mulanzip.image.picture import Picture
from mulanzip.registry import DEFAULT_GAUSSIAN_MODEL
from mulanzip.training.data import load_images
from mulanzip.training.tiles import Tiles

CODECS = ("png", "webp", "jxl-e9")
STEPS = (None, 256, 64, 16)


def load(source: Path, count: int, side: int) -> np.ndarray:
    """Up to ``count`` images, RGB uint8 ``(count, side, side, 3)``."""
    if source.suffix == ".npz":
        images: np.ndarray = np.load(source)["images"][:count]
        return images
    tiles = Tiles(load_images([source]), side).draw(count, np.random.default_rng(2))
    return from_coding_order(tiles.permute(0, 2, 3, 1).numpy())


def archives(images: np.ndarray, model: str, row: Callable[[str, float], None]) -> None:
    """Pack and unpack all images with both processes."""
    for process in ("erasure", "gaussian"):
        buffer, start = io.BytesIO(), time.process_time()
        with ArchiveWriter(buffer, process=process, gaussian_model=model, threads=1) as writer:
            for number, image in enumerate(images):
                writer.add(Picture.from_array(image), f"{number:04}.png")
        middle = time.process_time()
        archive = mulanzip.Archive(buffer.getvalue(), gaussian_model=model, threads=1)
        for opened in archive.parts():
            for member, picture in zip(opened.members, opened.pictures, strict=True):
                if not np.array_equal(picture.to_array(), images[int(member.name[:4])]):
                    raise SystemExit(f"{member.name} is not restored")
        seconds = f"{middle - start:.0f} s + {time.process_time() - middle:.0f} s of the processor"
        row(f"{process}, archive, gross; {seconds}", 8 * buffer.tell() / images.size)
        chained = sum(chain.images - chain.initial_images for chain in writer.chains)
        if chained:
            row(f"- net, of {chained} in chains", 8 * sum(c.net for c in writer.chains) / (chained * images[0].size))
            used = sum(c.initial_bits_used for c in writer.chains) / len(writer.chains)
            row("- initial bits used, by one image", used / images[0].size)


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("-m", "--model", default=DEFAULT_GAUSSIAN_MODEL, show_default=True)
@click.option("--count", default=1000, show_default=True, help="Largest number of images.")
@click.option("--ode", default=256, show_default=True, help="Largest number of images for the ODE; 0 for none.")
@click.option("--samples", default=1, show_default=True, help="Importance-weighted samples of the ODE's likelihood.")
def main(source: Path, model: str, count: int, ode: int, samples: int) -> None:
    """Print bits per dimension of the images in SOURCE."""
    opened = gaussian.open_model(model)
    images = load(source, count, opened.config.side)
    click.echo(f"{len(images)} images\n\n| | bits per dimension |\n|---|---|")

    def row(name: str, value: float) -> None:
        click.echo(f"| {name} | {value:.3f} |")

    for name in CODECS:
        codec = parse_codec(name, 1, "cpu")
        row(f"{name}, whole files", 8 * float(np.mean([len(codec.encode(image)) for image in images])) / images[0].size)
    row("erasure, code length", float(np.mean([mulanzip.code_length(image) for image in images])) / images[0].size)
    if opened.config.steps is not None:
        archives(images, model, row)
    for steps in dict.fromkeys((*STEPS, opened.config.steps)):
        bound = gaussian.bound(opened, images, steps, draws=4)
        row(f"Gaussian, bound with {'infinitely many' if steps is None else steps} steps", bound.bits_per_dim)
        if steps is None:
            for term in ("reconstruction", "prior", "diffusion", "context"):
                row(f"- {term}", float(getattr(bound, term).mean()) / bound.subpixels)
    if not ode:
        return
    chosen = images[:ode]
    row(f"Gaussian, bound of the first {len(chosen)}", gaussian.bound(opened, chosen, draws=16).bits_per_dim)
    found = gaussian.likelihood(opened, chosen, samples)
    row(f"Gaussian, ODE of the first {len(chosen)}, {found.evaluations} evaluations", found.bits_per_dim)


if __name__ == "__main__":
    main()
