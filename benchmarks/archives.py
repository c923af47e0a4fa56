"""Thousands of small images: one archive, against one PNG, WebP or JPEG XL file per image.

``python -m benchmarks.archives SOURCE... [--count N] [--side N] [--shrink N]`` takes arrays ``images`` of ``.npz``
files, ``(N, H, W, 3)``, or image files, which it reduces by averaging areas and cuts into squares.  It prints bytes per
image.  For other formats it also prints them without headers: minus the size of the file of a black image, which is a
little more than headers.  The archive is counted whole, with names, directory and hashes.  Times are processor time and
wall time of one thread, without loading the model.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from mulanzip import Archive, pack_arrays


def squares(source: Path, side: int, shrink: int) -> np.ndarray:
    """Images ``(N, side, side, 3)`` from a file."""
    if source.suffix == ".npz":
        with np.load(source) as arrays:
            images: np.ndarray = arrays["images"]
        return images
    with Image.open(source) as image:
        small = image.convert("RGB").resize((image.width // shrink, image.height // shrink), Image.Resampling.BOX)
    pixels = np.asarray(small)
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    cut = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return cut.swapaxes(1, 2).reshape(-1, side, side, 3)


def webp(pixels: np.ndarray) -> int:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True, quality=100, method=6)
    return buffer.tell()


def png(pixels: np.ndarray) -> int:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.tell()


def jpeg_xl(effort: int) -> Callable[[np.ndarray], int]:
    return lambda pixels: len(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=effort, numthreads=1))


OTHERS = {
    "PNG, optimised": png,
    "WebP, method 6": webp,
    "JPEG XL, effort 7": jpeg_xl(7),
    "JPEG XL, effort 9": jpeg_xl(9),
}


def timed(work: Callable[[], object]) -> str:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return f"{time.process_time() - processor:.1f} s of the processor, {time.perf_counter() - wall:.1f} s in all"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--shrink", type=int, default=3, help="factor by which image files are reduced")
    options = parser.parse_args()
    every = np.concatenate([squares(source, options.side, options.shrink) for source in options.sources])
    images = every[np.linspace(0, len(every) - 1, min(options.count, len(every))).astype(int)]
    count, subpixels = len(images), images[0].size
    print(f"{count} images of {images.shape[2]}x{images.shape[1]}")
    pack_arrays(images[:64], threads=1)  # Loads the model and builds its operators.
    archives: list[bytes] = []
    packing = timed(lambda: archives.append(pack_arrays(images, threads=1)))
    found: list[np.ndarray] = []

    def unpack() -> None:
        parts = Archive(archives[0], threads=1).parts()
        found.extend(picture.to_array() for opened in parts for picture in opened.pictures)

    unpacking = timed(unpack)
    if not np.array_equal(np.sort(np.stack(found), axis=0), np.sort(images, axis=0)):
        raise SystemExit("the archive does not hold these images")
    print(f"{'bytes per image':<20}{'whole':>9}{'bpsp':>8}{'without headers':>18}{'bpsp':>8}")
    for name, encode in OTHERS.items():
        whole = sum(map(encode, images)) / count
        bare = whole - encode(np.zeros_like(images[0]))
        print(f"{name:<20}{whole:>9.1f}{8 * whole / subpixels:>8.3f}{bare:>18.1f}{8 * bare / subpixels:>8.3f}")
    whole = len(archives[0]) / count
    print(f"{'mulanzip archive':<20}{whole:>9.1f}{8 * whole / subpixels:>8.3f}")
    print(f"pack: {packing}; unpack: {unpacking}")


if __name__ == "__main__":
    main()
