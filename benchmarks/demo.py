"""The demo: compress and restore three photographs, and compare with PNG, WebP and JPEG XL.

python -m benchmarks.demo
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

import mulanzip
from mulanzip.cli.bench import bench
from mulanzip.imageio.reader import read_picture

IMAGES = Path(__file__).parent / "images"
OUTPUT = Path("demo-output")


@click.command()
def main() -> None:
    """Compress and restore the photographs in benchmarks/images, then print a table."""
    OUTPUT.mkdir(exist_ok=True)
    sources = sorted(IMAGES.glob("*.webp"))
    restored = 0
    for source in sources:
        compressed = mulanzip.compress_file(source, OUTPUT / (source.name + ".mzp"), overwrite=True)
        back = mulanzip.decompress_file(compressed.output, OUTPUT / (source.stem + ".png"), overwrite=True)
        click.echo(f"{source.name} -> {compressed.output} ({compressed.output_size:,} bytes) -> {back.output}")
        restored += np.array_equal(read_picture(source)[0].pixels, read_picture(back.output)[0].pixels)
    click.echo()
    codecs = "png,webp,jxl-e7,mulanzip-photo-e1"
    bench([*map(str, sources), "--codecs", codecs, "--per-file"], standalone_mode=False)
    if restored < len(sources):
        sys.exit(f"\nonly {restored} of {len(sources)} photographs were restored bit for bit")
    click.echo(f"\nAll {restored} photographs restored bit for bit.")


if __name__ == "__main__":
    main()
