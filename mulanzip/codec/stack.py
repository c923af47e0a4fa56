"""Stacks of small images of one size <-> coded bytes: side by side in one chain, without a byte between them."""

from __future__ import annotations

import hashlib

import numpy as np

from mulanzip.codec.segment import code_segment
from mulanzip.density.runtime import Runtime
from mulanzip.entropy.ans import SymbolDecoder, SymbolEncoder
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.tile_schedules import TileSchedules

#: The coarsest level has at most so many pixels.  Of images of 32x32 pixels, 16 would take 0.6 % more bytes.
COARSEST = 4
#: Bytes of the hash of a stack's samples.
HASH_BYTES = 16


def encode_stack(planes: np.ndarray, runtime: Runtime, schedules: TileSchedules) -> bytes:
    """Code a stack.

    Args:
        planes: uint8 ``(B, H, W, C)`` in coding order of colours, C 1 or 3; of sizes that have a single segment.
        schedules: the schedule of all tiles.
    """
    encoder = SymbolEncoder()
    _, height, width, _ = planes.shape
    (segment,) = segments(height, width, COARSEST)
    with runtime.intra_threads(1):
        code_segment(segment, planes, runtime, schedules, encoder, decoding=False)
    return encoder.finish()


def decode_stack(
    data: bytes, shape: tuple[int, int, int, int], runtime: Runtime, schedules: TileSchedules
) -> np.ndarray:
    """The inverse of :func:`encode_stack`.

    Args:
        shape: of the stack, ``(B, H, W, C)``.

    Raises:
        CorruptFileError: if the bytes are not of such a stack; other wrong bytes are found by :func:`stack_hash`.
    """
    planes = np.zeros(shape, dtype=np.uint8)
    decoder = SymbolDecoder(data)
    (segment,) = segments(shape[1], shape[2], COARSEST)
    with runtime.intra_threads(1):
        code_segment(segment, planes, runtime, schedules, decoder, decoding=True)
    decoder.finish()
    return planes


def stack_hash(planes: np.ndarray) -> bytes:
    """BLAKE2b-128 of the four sides of a stack, 4 bytes each, and of its samples in coding order."""
    sides = np.array(planes.shape, dtype="<u4").tobytes()
    return hashlib.blake2b(sides + np.ascontiguousarray(planes).tobytes(), digest_size=HASH_BYTES).digest()
