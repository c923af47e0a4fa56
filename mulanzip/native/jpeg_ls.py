"""The coded data of JPEG-LS, from samples and parameters: ``jpeg_ls.c``."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int, c_int32, c_int64, c_void_p
from functools import cache
from typing import NamedTuple

import numpy as np

from mulanzip.native.binding import check, load, pointer

#: Bytes of coded data for a sample, at most; few samples take more than three, and memory is taken as it is used.
_MOST = 11


class Parameters(NamedTuple):
    """What coded data depend on beside samples.

    Attributes:
        has_whole_pixels: whether components of a pixel follow each other; else those of a row.
        largest: sample, 1..65535.
        thresholds: of gradients, 1..``largest``, not falling.
        reset: count at which statistics are halved, 3..65535.
    """

    has_whole_pixels: bool
    largest: int
    thresholds: tuple[int, int, int]
    reset: int


class _Struct(ctypes.Structure):
    _fields_ = (
        ("height", c_int32),
        ("width", c_int32),
        ("components", c_int32),
        ("has_whole_pixels", c_int32),
        ("largest", c_int32),
        ("reset", c_int32),
        ("thresholds", c_int32 * 3),
    )


@cache
def _functions() -> ctypes.CDLL:
    arguments = (POINTER(_Struct), c_void_p, c_void_p, c_int64, POINTER(c_int64))
    return load({"mz_encode_jpeg_ls": (c_int, arguments)})


def encode(samples: np.ndarray, parameters: Parameters) -> bytes:
    """The whole bytes of the coded data of an image without loss.

    Args:
        samples: uint16 ``(H, W, C)``, sides up to 65535, C 1..4.

    Raises:
        ValueError: if a sample or a parameter is out of range.
    """
    height, width, components = samples.shape
    struct = _Struct(
        height,
        width,
        components,
        parameters.has_whole_pixels,
        parameters.largest,
        parameters.reset,
        (c_int32 * 3)(*parameters.thresholds),
    )
    address, used = pointer(samples, np.uint16, samples.shape), c_int64()
    coded = np.empty(_MOST * samples.size + 16, np.uint8)
    check(_functions().mz_encode_jpeg_ls(byref(struct), address, coded.ctypes.data, len(coded), byref(used)))
    return coded[: used.value].tobytes()
