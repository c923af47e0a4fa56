"""RGB images of any size <-> one chain of tiles."""

from __future__ import annotations

import numpy as np

from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError
from mulanzip.gaussian.exact.chain import decode_tiles, encode_tiles
from mulanzip.gaussian.exact.runtime import GaussianRuntime
from mulanzip.image.channels import from_coding_order, to_coding_order
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.progress import Progress
from mulanzip.varint import Reader, Writer

_SCHEDULES = TileSchedules.uniform("default")
#: The largest side of a tile.
_MAX_SIDE = 512


def encode_tiled_image(
    pixels: np.ndarray, gaussian: GaussianRuntime, erasure: Runtime, progress: Progress | None = None
) -> bytes:
    """Code an image, uint8 ``(H, W, 3)`` in RGB, padded to whole tiles."""
    side = gaussian.model.side
    writer = Writer()
    writer.number(side)
    below, beside = (-length % side for length in pixels.shape[:2])
    whole = np.pad(to_coding_order(pixels), ((0, below), (0, beside), (0, 0)), mode="edge")
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    tiles = whole.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    writer.raw(encode_tiles(tiles, gaussian, erasure, _SCHEDULES, progress).data)
    return bytes(writer.data)


def decode_tiled_image(
    data: bytes,
    size: tuple[int, int],
    erasure: Runtime,
    *,
    model: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> np.ndarray:
    """The inverse of :func:`encode_tiled_image`, for an image of ``size`` (height, width).

    Raises:
        CorruptFileError, ModelError: as :func:`mulanzip.gaussian.exact.chain.decode_tiles`.
    """
    reader = Reader(data)
    try:
        side = reader.number()
    except (ValueError, IndexError):
        side = 0
    if not 0 < side <= _MAX_SIDE:
        raise CorruptFileError("the coded tiles are damaged")
    rows, columns = (-(-length // side) for length in size)
    shape = (rows * columns, side, side, 3)
    tiles = decode_tiles(reader.rest(), shape, erasure, _SCHEDULES, model=model, device=device, progress=progress)
    whole = tiles.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    return from_coding_order(whole[: size[0], : size[1]])
