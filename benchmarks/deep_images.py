"""What becomes of every file of some folders: restored exactly, or refused with a reason; and how small it gets.

``python -m benchmarks.deep_images FOLDER... [--effort N]`` prints a table: the kind of image; bytes of the file, of its
pixels as a PNG file, as WebP (8 bits alone) and as JPEG XL of effort 7, and of the ``.mzp`` file; how it was coded;
what came back.  The last lines sum up each folder.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from mulanzip import compress_file, container, decompress_file
from mulanzip.container import Coding, Mode
from mulanzip.errors import MulanzipError
from mulanzip.imageio import png
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, default_suffix
from mulanzip.picture import Picture


def classic_sizes(picture: Picture) -> tuple[int, int | None, int]:
    """Bytes as PNG, WebP (None where it has no such images) and JPEG XL; bands one below the other."""
    pixels = picture.pixels
    if picture.is_signed:
        pixels = (pixels.astype(np.int32) + (1 << 15)).astype(np.uint16)
    if picture.mode is Mode.BANDS:
        pixels = pixels.transpose(2, 0, 1).reshape(-1, pixels.shape[1], 1)
    if picture.mode in (Mode.PALETTE, Mode.BILEVEL):
        pixels = np.asarray(picture.to_array(), dtype=np.uint8) * (255 if picture.mode is Mode.BILEVEL else 1)
    flat = np.ascontiguousarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    webp = None
    if flat.dtype == np.uint8 and max(flat.shape[:2]) < 1 << 14:
        buffer = io.BytesIO()
        image = Image.fromarray(flat)
        image = image.convert("RGBA" if "A" in image.mode else "RGB")
        image.save(buffer, "WEBP", lossless=True, exact=True, quality=100, method=6)
        webp = buffer.tell()
    return (
        len(png.encode_samples(flat)),
        webp,
        len(imagecodecs.jpegxl_encode(flat, lossless=True, effort=7, numthreads=1)),
    )


def covered(source: Path, folder: Path, effort: int) -> tuple[str, tuple[int, ...]]:
    """The rest of a file's line, and its sizes: PNG, WebP or PNG, JPEG XL, mzp."""
    compressed = folder / "a.mzp"
    picture, _ = read_picture(source)
    result = compress_file(source, compressed, effort=effort, overwrite=True)
    file = container.unpack(compressed.read_bytes())
    suffix = source.suffix if can_write(source.suffix, picture.kind) else default_suffix(picture.kind)
    output = folder / f"back{suffix}"
    done = decompress_file(compressed, output, overwrite=True)
    same = read_picture(output)[0]
    exact = same.pixels.dtype == picture.pixels.dtype and np.array_equal(same.pixels, picture.pixels)
    identical = output.read_bytes() == source.read_bytes()
    as_png, webp, jxl = classic_sizes(picture)
    coding = "model" if file.header.coding is Coding.MODEL else "stored"
    lost = "; ".join([*result.lost, *done.lost])
    state = "same file" if identical else "same pixels" if exact else "DIFFERENT"
    sizes = f"{source.stat().st_size:>9}{as_png:>9}{webp or '-':>9}{jxl:>9}{result.output_size:>9}"
    line = f"{picture.kind!s:<20}{sizes}  {coding:<7}{state}{' without ' + lost if lost else ''}"
    return line, (as_png, webp or as_png, jxl, result.output_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--effort", type=int, default=5)
    options = parser.parse_args()
    totals: dict[Path, list[tuple[int, ...]]] = defaultdict(list)
    print(f"{'file':<44}{'kind':<20}{'source':>9}{'png':>9}{'webp':>9}{'jxl e7':>9}{'mzp':>9}  coded  restored")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(path for start in options.folders for path in start.rglob("*") if path.is_file()):
            name = f"{source.parent.name}/{source.name}"[-43:]
            try:
                line, sizes = covered(source, Path(folder), options.effort)
            except MulanzipError as error:
                print(f"{name:<44}refused: {error}", flush=True)
                continue
            failed += "DIFFERENT" in line
            totals[source.parent].append(sizes)
            print(f"{name:<44}{line}", flush=True)
    for parent, rows in totals.items():
        as_png, _, jxl, mzp = map(sum, zip(*rows, strict=True))
        shares = f"{100 * mzp / as_png:.1f} % of PNG, {100 * mzp / jxl:.1f} % of JPEG XL"
        print(f"{parent.name}: {len(rows)} files, png {as_png}, jxl {jxl}, mzp {mzp}: {shares}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
