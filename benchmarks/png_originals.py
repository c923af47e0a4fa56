"""How many PNG files can be restored byte for byte.

    python -m benchmarks.png_originals PNG...

The first table counts the given files, by folder.  For the second, up to 24 gray and RGB images above 10,000 pixels are
written again by other PNG writers.  Writers that are not installed are left out: oxipng (pyoxipng), OpenCV
(opencv-python-headless), optipng, pngcrush.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mulanzip.errors import MulanzipError
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import png, stored
from mulanzip.imageio.pillow_image import to_pillow
from mulanzip.imageio.png_original import original
from mulanzip.imageio.reader import read_picture

_IMAGES, _PIXELS = 24, 10_000


def _pillow(picture: Picture, **options: Any) -> bytes:
    buffer = io.BytesIO()
    to_pillow(picture).save(buffer, "PNG", **options)
    return buffer.getvalue()


def _program(picture: Picture, *command: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.png"), Path(folder, "after.png")
        before.write_bytes(_pillow(picture))
        done = [word.format(before=before, after=after) for word in command]
        subprocess.run(done, check=True, capture_output=True)
        return after.read_bytes()


def _matplotlib(picture: Picture) -> bytes:
    from matplotlib import image

    buffer = io.BytesIO()
    image.imsave(buffer, picture.pixels.repeat(3 // picture.pixels.shape[2], 2), format="png")
    return buffer.getvalue()


def writers() -> Iterator[tuple[str, Callable[[Picture], bytes]]]:
    """Names of PNG writers, and functions that write a picture."""
    yield "Pillow", _pillow
    yield "Pillow, optimize=True", lambda p: _pillow(p, optimize=True)
    for level in range(10):
        yield f"Pillow, compress_level={level}", lambda p, level=level: _pillow(p, compress_level=level)  # type: ignore[misc]
    yield "matplotlib", _matplotlib
    try:
        import imagecodecs

        yield "libpng (imagecodecs)", lambda p: bytes(imagecodecs.png_encode(np.squeeze(p.pixels)))
    except ImportError:
        pass
    try:
        import cv2

        yield "OpenCV", lambda p: bytes(cv2.imencode(".png", np.ascontiguousarray(p.pixels[..., ::-1]))[1])
    except ImportError:
        pass
    if shutil.which("optipng"):
        yield "optipng", lambda p: _program(p, "optipng", "{before}", "-out", "{after}")
    if shutil.which("pngcrush"):
        yield "pngcrush", lambda p: _program(p, "pngcrush", "{before}", "{after}")
    try:
        import oxipng

        yield "oxipng", lambda p: bytes(oxipng.optimize_from_memory(_pillow(p)))
        yield "oxipng, level=6", lambda p: bytes(oxipng.optimize_from_memory(_pillow(p), level=6))
        zopfli = oxipng.Deflaters.zopfli(5)
        yield "oxipng, zopfli", lambda p: bytes(oxipng.optimize_from_memory(_pillow(p), deflate=zopfli))
    except ImportError:
        pass


class _Count:
    """Sums over files: restorable ones, all, bytes of side information, seconds, megapixels."""

    def __init__(self) -> None:
        self.back = self.all = self.kept = 0
        self.seconds = self.pixels = 0.0

    def add(self, source: bytes, picture: Picture, compressed_size: int) -> None:
        start = time.process_time()
        payload = original.describe(source, picture, compressed_size)
        self.seconds += time.process_time() - start
        self.pixels += picture.pixels.shape[0] * picture.pixels.shape[1] / 1e6
        self.all += 1
        if payload is not None:
            self.back += 1
            self.kept += len(payload)

    def line(self, name: str) -> str:
        kept = f"{self.kept / self.back:7.0f}" if self.back else "      -"
        return f"{name:28} {self.back:4} of {self.all:4} {kept} {self.seconds / self.pixels:9.2f}"


def main(paths: list[str]) -> None:
    """Print the two tables."""
    head = f"{'':28} {'come back':>12} {'bytes':>7} {'s/MP':>9}"
    by_folder: dict[str, _Count] = defaultdict(_Count)
    chosen: list[tuple[Picture, int]] = []
    for path in map(Path, sorted(paths)):
        try:
            picture = read_picture(path)[0]
        except (MulanzipError, OSError):
            continue
        source = path.read_bytes()
        if not source.startswith(png.SIGNATURE):
            continue
        # About the size of the model's file, and quicker to compute.
        size = len(stored.store(picture))
        by_folder[path.parent.name].add(source, picture, size)
        large = picture.pixels.shape[0] * picture.pixels.shape[1] > _PIXELS
        if picture.mode in (Mode.GRAY, Mode.RGB) and large and len(chosen) < _IMAGES:
            chosen.append((Picture(picture.mode, picture.pixels), size))
    print(head)
    for name, count in by_folder.items():
        print(count.line(name))
    if not chosen:
        return
    print()
    print(head)
    for name, write in writers():
        count = _Count()
        for picture, size in chosen:
            source = write(picture)
            # Read again: writers may change the kind of pixels.
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "a.png")
                path.write_bytes(source)
                count.add(source, read_picture(path)[0], size)
        print(count.line(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
