"""Image files of all kinds, and what comes back of them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mulanzip.image.kinds import Kind
from mulanzip.image.picture import Picture
from mulanzip.imageio import tiff_tags
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture
from mulanzip.limits import NO_LIMITS, Limits
from support.pictures import noise


def pillow_image(mode: str, height: int = 13, width: int = 17) -> Image.Image:
    """An image of any of the six modes, with all kinds of alpha and colours where nothing is seen."""
    if mode == "1":
        return Image.fromarray(noise(height, width, 1) > 127)
    if mode == "P":
        image = Image.fromarray(noise(height, width, 1) % 20).convert("P")
        image.putpalette(noise(1, 20).tobytes())
        return image
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = noise(height, width, channels)
    if mode in ("LA", "RGBA"):
        pixels[..., -1] = np.where(pixels[..., -1] < 100, 0, pixels[..., -1])
    return Image.fromarray(pixels)


def nifti(array: np.ndarray) -> bytes:
    """A NIfTI file of uint8, int16 or float32, the slowest axis first."""
    kind = {1: 2, 2: 4, 4: 16}[array.itemsize]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, array.ndim, *array.shape[::-1], *[1] * (7 - array.ndim))
    struct.pack_into("<hh", header, 70, kind, 8 * array.itemsize)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + array.astype(array.dtype.newbyteorder("<")).tobytes()


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def restored(picture: Picture, folder: Path, suffix: str = ".png") -> Picture:
    """The picture after it was written and read again."""
    path = folder / f"restored{suffix}"
    path.write_bytes(write_picture(picture, path)[0])
    return read_picture(path)[0]


def picture_of(kind: Kind, height: int = 13, width: int = 17) -> Picture:
    """A picture of noise that uses all bits."""
    pixels = noise(height, width, 2 * kind.channels).reshape(height, width, -1).view(np.uint16)
    if kind.depth == 8:
        pixels = pixels.astype(np.uint8)
    elif kind.signed:
        pixels = pixels.view(np.int16)
    else:
        pixels = pixels >> 16 - kind.depth
    return Picture(kind.mode, np.ascontiguousarray(pixels), bits=max(9, kind.depth))


def read(data: bytes, limits: Limits = NO_LIMITS) -> Picture:
    """The picture in the bytes of a file."""
    return read_picture(io.BytesIO(data), limits)[0]


def assert_same(a: Picture, b: Picture) -> None:
    assert a.mode is b.mode
    assert a.palette == b.palette
    np.testing.assert_array_equal(a.pixels, b.pixels)
    assert a.pixel_hash() == b.pixel_hash()
    assert a.metadata == b.metadata


def tiff_file(tags: dict[int, tuple[int, list[int] | bytes]], pixels: bytes, order: str = "<") -> bytes:
    """A TIFF file of one strip; tags are pairs of a type and its values."""
    tags = {**tags, 273: (4, [8]), 279: (4, [len(pixels)])}
    entries = {}
    for tag, (kind, values) in tags.items():
        code = {1: "B", 3: "H", 4: "I"}.get(kind, "")
        data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
        entries[tag] = tiff_tags.Entry(kind, data)
    pixels += bytes(len(pixels) % 2)
    directory = tiff_tags.to_block(tiff_tags.Directory(order, entries))
    # The directory's offsets count from 8: those to values move with it.
    block = bytearray(directory[8:])
    for i in range(len(entries)):
        at = 2 + 12 * i
        _, kind, count, value = struct.unpack(order + "HHII", block[at : at + 12])
        if count * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}[kind] > 4:
            block[at + 8 : at + 12] = struct.pack(order + "I", value + len(pixels))
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8 + len(pixels)) + pixels + bytes(block)


def layout(width: int, height: int, bits: list[int], photometric: int, **more: Any) -> dict[int, Any]:
    """Tags of an uncompressed TIFF image."""
    return {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [len(bits)]),
        278: (4, [height]),
        **more.get("tags", {}),
    }


def picture_only(picture: Picture) -> Picture:
    return Picture(picture.mode, picture.pixels, picture.palette)
