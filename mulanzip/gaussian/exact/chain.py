"""Many small images of one size <-> the bytes of one bits-back message.

The erasure process codes the first images.  Their bytes are the message's initial bits, which the first image of the
chain needs; so the initial bits are useful data.  Later images take bits of those before them.  As many are coded side
by side as the message has bits for, because bits that an empty message supplies are wasted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mulanzip import registry
from mulanzip.codec.stack import decode_stack, encode_stack
from mulanzip.density.runtime import Runtime
from mulanzip.density.torch_threads import torch_threads
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError
from mulanzip.gaussian.exact.images import images_codec
from mulanzip.gaussian.exact.runtime import GaussianRuntime, open_gaussian
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.progress import Progress
from mulanzip.varint import Reader, Writer

#: The initial bits suffice if at least this number of bits was never taken.
_SPARE_BITS = 64
#: Bits reserved for each further image, in quarters of the bits that the first one took.
_RESERVE_QUARTERS = 5
#: Limit of the images side by side times the steps of the model: their noise takes 0.1 MiB each.
_BATCH = 512


@dataclass(frozen=True)
class Chain:
    """A coded stack of images.

    Attributes:
        data: its bytes, whose number is the gross length.
        images: number of images in the stack.
        initial_images: number of images at the start that the erasure process codes.
        initial_size: size of these in bytes.
        initial_bits_used: number of their bits that the chain took and gave back.
    """

    data: bytes
    images: int
    initial_images: int
    initial_size: int
    initial_bits_used: int

    @property
    def net(self) -> int:
        """Bytes that the images in the chain take, without the initial images."""
        return len(self.data) - self.initial_size


def encode_tiles(
    planes: np.ndarray,
    gaussian: GaussianRuntime,
    erasure: Runtime,
    schedules: TileSchedules,
    progress: Progress | None = None,
) -> Chain:
    """Code a stack.

    Args:
        planes: uint8 ``(B, side, side, 3)`` in coding order of colours.
        schedules: of the images that the erasure process codes.
        progress: called with the fraction done.
    """
    initial_images, reserve = 0, None
    with torch_threads(1):
        while reserve is None:
            initial_images = 2 * initial_images or 1
            if initial_images >= len(planes):
                return encode_initial_images(planes, erasure, schedules)
            initial = encode_stack(planes[:initial_images], erasure, schedules)
            message = Message.holding(initial)
            start = message.bits
            _push(message, planes[initial_images : initial_images + 1], gaussian)
            if message.min_bits >= _SPARE_BITS:
                reserve = (start - message.min_bits) * _RESERVE_QUARTERS // 4
        rest = planes[initial_images:]
        sizes = [1]
        while (done := sum(sizes)) < len(rest):
            if progress is not None:
                progress(done / len(rest))
            sizes.append(min(max(1, message.bits // reserve), _max_batch(gaussian), len(rest) - done))
            _push(message, rest[done : done + sizes[-1]], gaussian)
    if progress is not None:
        progress(1)
    writer = Writer()
    writer.number(initial_images)
    writer.raw(gaussian.info.model_id)
    for size in sizes:
        writer.number(size)
    data = bytes(writer.data) + message.to_bytes()
    return Chain(data, len(planes), initial_images, len(initial), start - message.min_bits)


def _push(message: Message, planes: np.ndarray, gaussian: GaussianRuntime) -> None:
    images = np.ascontiguousarray(planes.transpose(0, 3, 1, 2))
    images_codec(gaussian.model, gaussian.denoiser, len(images)).push(message, (gaussian.contexts(images), images))


def encode_initial_images(planes: np.ndarray, erasure: Runtime, schedules: TileSchedules) -> Chain:
    """Code a stack in the same form with initial images alone, all by the erasure process."""
    writer = Writer()
    writer.number(len(planes))
    initial = encode_stack(planes, erasure, schedules)
    return Chain(bytes(writer.data) + initial, len(planes), len(planes), len(initial), 0)


def decode_tiles(
    data: bytes,
    shape: tuple[int, int, int, int],
    erasure: Runtime,
    schedules: TileSchedules,
    *,
    model: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> np.ndarray:
    """The inverse of :func:`encode_tiles`.

    Args:
        shape: shape of the stack, ``(B, H, W, 3)``.
        model: a model to try besides the shipped ones.
        progress: called with the fraction done.

    Raises:
        CorruptFileError: if the bytes cannot be decoded.  :func:`mulanzip.codec.stack.stack_hash` finds other damage.
        ModelError: if the model is missing.
    """
    reader = Reader(data)
    initial_images, model_id = _head(reader, shape[0])
    if model_id is None:
        return decode_stack(reader.rest(), shape, erasure, schedules)
    gaussian = open_gaussian(registry.by_id(model_id, model, "gaussian"), device)
    if shape[1:] != gaussian.shape:
        raise CorruptFileError("the images do not have the size that their model is for")
    planes = np.empty(shape, dtype=np.uint8)
    rest = planes[initial_images:]
    sizes = _sizes(reader, len(rest), _max_batch(gaussian))
    message, left = Message(reader.rest()), len(rest)
    with torch_threads(1):
        for size in reversed(sizes):
            codec = images_codec(gaussian.model, gaussian.denoiser, size)
            rest[left - size : left] = codec.pop(message)[1].transpose(0, 2, 3, 1)
            left -= size
            if progress is not None:
                progress(1 - left / len(rest))
    planes[:initial_images] = decode_stack(message.content(), (initial_images, *shape[1:]), erasure, schedules)
    return planes


@contextmanager
def _intact() -> Iterator[None]:
    """Report invalid records as damage."""
    try:
        yield
    except (ValueError, IndexError):
        raise CorruptFileError("the coded images are damaged") from None


def _head(reader: Reader, count: int) -> tuple[int, bytes | None]:
    """Number of initial images, and the id of the others' model if there are others."""
    with _intact():
        initial_images = reader.number()
        if not 0 < initial_images <= count:
            raise ValueError
        return initial_images, reader.raw(registry.ID_BYTES) if initial_images < count else None


def _sizes(reader: Reader, count: int, limit: int) -> list[int]:
    """Number of images side by side in each batch, in the order in which the batches were pushed."""
    found: list[int] = []
    with _intact():
        while sum(found) < count:
            size = reader.number()
            if not 0 < size <= min(limit, count - sum(found)):
                raise ValueError
            found.append(size)
    return found


def _max_batch(gaussian: GaussianRuntime) -> int:
    """The largest number of images side by side."""
    return max(1, _BATCH // gaussian.model.schedule.steps)
