"""Stacks of small images of one size <-> coded bytes: all images in one ANS message, without bytes between them."""

from __future__ import annotations

import hashlib

import numpy as np

from mulanzip.codec.coders import TileDecoder, TileEncoder
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import code_segment
from mulanzip.density.runtime import Runtime
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.tile_schedules import TileSchedules

#: Maximum pixels of the coarsest level.  With 16, images of 32x32 pixels would take 0.6 % more bytes.
COARSEST = 4
#: Bytes of the hash of the samples of a stack.
HASH_BYTES = 16


def encode_stack(images: np.ndarray, runtime: Runtime, schedules: TileSchedules) -> bytes:
    """Code a stack.

    Args:
        images: uint8 ``(B, H, W, C)`` in coding order of colours, C 1 or 3, small enough for a single segment.
        schedules: of the tiles of each image.
    """
    encoder = TileEncoder(runtime.statistics)
    _, height, width, _ = images.shape
    (segment,) = segments(height, width, COARSEST)
    code_segment(segment, Canvas.of(images), runtime, schedules, encoder)
    return encoder.finish()


def decode_stack(
    data: bytes, shape: tuple[int, int, int, int], runtime: Runtime, schedules: TileSchedules
) -> np.ndarray:
    """The inverse of :func:`encode_stack`.

    Args:
        shape: of the stack, ``(B, H, W, C)``.

    Raises:
        CorruptFileError: if the bytes do not end with the stack.  :func:`stack_hash` finds other damage.
    """
    images = np.zeros(shape, dtype=np.uint8)
    decoder = TileDecoder(runtime.statistics, data)
    (segment,) = segments(shape[1], shape[2], COARSEST)
    code_segment(segment, Canvas.of(images), runtime, schedules, decoder)
    decoder.finish()
    return images


def stack_hash(images: np.ndarray) -> bytes:
    """BLAKE2b-128 of the shape of a stack, 4 bytes for each of its four sides, and of its samples in coding order."""
    sides = np.array(images.shape, dtype="<u4").tobytes()
    return hashlib.blake2b(sides + np.ascontiguousarray(images).tobytes(), digest_size=HASH_BYTES).digest()
