"""How many JPEG or GIF files come back byte for byte, and in how many bytes they are kept.

    python -m benchmarks.originals jpeg|gif IMAGE...

Each image is written by several encoders with several settings, compressed at effort 1, restored and compared.  GIF
files are made of the top left 256x256 pixels.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL
from PIL import Image, features

from mulanzip import keep, picture_decoder
from mulanzip.options import EncodeOptions, Grade

_SIDE, _FRAMES = 256, 8
Writer = Callable[[Image.Image], bytes]


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _jpeg(**options: Any) -> Writer:
    return lambda image: _saved(image, "JPEG", **options)


def _with_thumbnail(image: Image.Image) -> bytes:
    """A JPEG file with a smaller one in its EXIF block."""
    small = _saved(image.resize((160, 120)), "JPEG")
    first = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x0112, 3, 1, 1, 26)
    rows = ((0x0103, 3, 6), (0x0201, 4, 68), (0x0202, 4, len(small)))
    second = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in rows)
    exif = first + struct.pack("<H", len(rows)) + second + bytes(4) + small
    return _saved(image, "JPEG", quality=80, exif=b"Exif\0\0" + exif)


def _random_bytes(image: Image.Image) -> bytes:
    """Bytes that nothing makes smaller, always the same."""
    return np.random.default_rng(zlib.crc32(image.tobytes())).bytes(2000)


JPEG: dict[str, Writer] = {
    "Pillow, default (75, 4:2:0)": _jpeg(),
    "Pillow, 90, 4:4:4, optimised": _jpeg(quality=90, subsampling=0, optimize=True),
    "Pillow, 95, 4:2:2, progressive": _jpeg(quality=95, subsampling=1, progressive=True),
    "Pillow, 85, gray": lambda image: _saved(image.convert("L"), "JPEG", quality=85),
    "Pillow, 85, restart markers": _jpeg(quality=85, restart_marker_rows=1),
    "Pillow, EXIF thumbnail": _with_thumbnail,
    "Pillow, 80, data behind the end": lambda image: _saved(image, "JPEG", quality=80) + _random_bytes(image),
    "libjpeg-turbo (imagecodecs), 92": lambda image: bytes(imagecodecs.jpeg8_encode(np.asarray(image), level=92)),
    "libjpeg-turbo (imagecodecs), 4:2:0": lambda image: bytes(
        imagecodecs.jpeg8_encode(np.asarray(image), level=70, subsampling="420")
    ),
}


def _indexed(image: Image.Image, colours: int = 256) -> Image.Image:
    return image.crop((0, 0, _SIDE, _SIDE)).quantize(colours)


def _giflib(image: Image.Image) -> bytes:
    indexed = _indexed(image)
    colours = np.array(indexed.getpalette(), np.uint8).reshape(-1, 3)
    return bytes(imagecodecs.gif_encode(np.asarray(indexed), colormap=colours))


def _animation(image: Image.Image) -> bytes:
    """Parts of an image, each further to the right."""
    frames = [image.crop((8 * i, 0, 8 * i + _SIDE // 2, _SIDE // 2)) for i in range(_FRAMES)]
    first, *others = (frame.quantize(palette=_indexed(image)) for frame in frames)
    return _saved(first, "GIF", save_all=True, append_images=others)


GIF: dict[str, Writer] = {
    "Pillow, 256 colours": lambda image: _saved(_indexed(image), "GIF"),
    "Pillow, 256 colours, in order": lambda image: _saved(_indexed(image), "GIF", interlace=0),
    "Pillow, 16 colours": lambda image: _saved(_indexed(image, 16), "GIF"),
    "giflib (imagecodecs)": _giflib,
    f"Pillow, {_FRAMES} frames": _animation,
}


def main(kind: str, paths: list[str]) -> None:
    """Print a table: for each writer the files, those that came back, their bytes before and after."""
    images = [Image.open(path).convert("RGB") for path in sorted(map(Path, paths))]
    print(f"{'':34} {'come back':>12} {'source':>11} {'mzp':>11} {'ratio':>6}")
    total, writers = np.zeros(4, np.int64), {"jpeg": JPEG, "gif": GIF}[kind]
    for name, write in writers.items():
        sums = np.zeros(4, np.int64)
        for image in images:
            source = write(image)
            kept = keep.keep(source, encoding=EncodeOptions(effort=1))
            is_back = kept.grade is Grade.FILE and picture_decoder.restore_file(kept.file) == source
            sums += (is_back, 1, len(source), kept.file.size)
        print(_line(name, sums), flush=True)
        total += sums
    print(_line("all", total))
    turbo = features.version("libjpeg_turbo")
    print(f"\nPillow {PIL.__version__}, libjpeg-turbo {turbo}, imagecodecs {imagecodecs.__version__}")


def _line(name: str, sums: np.ndarray) -> str:
    back, count, source, kept = sums.tolist()
    return f"{name:34} {back:4} of {count:4} {source:11,} {kept:11,} {kept / source:6.3f}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
