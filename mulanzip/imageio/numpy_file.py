"""Reads and writes arrays in NumPy's file format, ``.npy``."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from mulanzip.errors import UnreadableImageError
from mulanzip.image.picture import Picture
from mulanzip.limits import Limits

SIGNATURE = b"\x93NUMPY"


def header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array in ``file``, which must be at its start.

    Raises:
        ValueError: if the header is damaged, or of an unknown version.
    """
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the .npy format is unknown")
    shape, _, dtype = read(file)
    return shape, dtype


def read(file: BinaryIO, limits: Limits) -> Picture:
    """Read an array of a shape and type that :func:`mulanzip.encode` takes.

    Raises:
        UnreadableImageError, UnsupportedImageError, LimitError
    """
    shape, dtype = header(file)
    # This view takes no memory: an array that is not an image, or is too large, is refused before it is read.
    if dtype.hasobject:
        raise UnreadableImageError("the file holds Python objects, which are never loaded; save an array of numbers")
    Picture.from_array(np.broadcast_to(np.zeros((), dtype), shape))
    limits.check_pixels(*shape[:2])
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    start = file.tell()
    if file.seek(0, io.SEEK_END) - start < size:
        raise UnreadableImageError("the array is damaged: the file is too short")
    limits.require(2 * size)
    file.seek(0)
    array = np.lib.format.read_array(file, allow_pickle=False)
    picture = Picture.from_array(array)
    return replace(picture, lost=("the array's last axis, of length 1,",)) if array.shape[2:] == (1,) else picture


def encode(picture: Picture) -> bytes:
    """A ``.npy`` file of the picture's array."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(picture.to_array()), allow_pickle=False)
    return buffer.getvalue()
