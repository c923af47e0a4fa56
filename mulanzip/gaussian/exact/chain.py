"""Many small images in one chain <-> bytes.

The first images are coded by the erasure process.  Their bytes are the content of the message that the first image of
the chain borrows from, so what is borrowed is never wasted.  Images after it borrow from those before, as many side by
side as there are bits for: what is taken from an empty message is lost.
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

#: Bits that are left in a message of which nothing is lost.
_SPARE = 64
#: What images borrow is taken to be at most so many quarters of what the first one did.
_MARGIN = 5
#: Images side by side, times steps: their noise takes 0.1 MiB each.
_BATCH = 512


@dataclass(frozen=True)
class Chain:
    """A coded stack; gross, its length is that of ``data``.

    Attributes:
        data: its bytes.
        images: in it; seeds: of them, by the erasure process; seed_size: bytes of these.
        borrowed: bits of these that were borrowed; images in the chain gave them back.
    """

    data: bytes
    images: int
    seeds: int
    seed_size: int
    borrowed: int

    @property
    def net(self) -> int:
        """Bytes that images in the chain take, without the seeds."""
        return len(self.data) - self.seed_size


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
        schedules: schedule of the images that the erasure process codes.
        progress: told the share that is done.
    """
    seeds, need = 0, None
    with torch_threads(1):
        while need is None:
            seeds = 2 * seeds or 1
            if seeds >= len(planes):
                return encode_seeds(planes, erasure, schedules)
            seed = encode_stack(planes[:seeds], erasure, schedules)
            message = Message.holding(seed)
            start = message.bits
            _push(message, planes[seeds : seeds + 1], gaussian)
            if message.lowest >= _SPARE:
                need = (start - message.lowest) * _MARGIN // 4
        rest = planes[seeds:]
        sizes = [1]
        while (done := sum(sizes)) < len(rest):
            if progress is not None:
                progress(done / len(rest))
            sizes.append(min(max(1, message.bits // need), _most(gaussian), len(rest) - done))
            _push(message, rest[done : done + sizes[-1]], gaussian)
    if progress is not None:
        progress(1)
    writer = Writer()
    writer.number(seeds)
    writer.raw(gaussian.info.model_id)
    for size in sizes:
        writer.number(size)
    data = bytes(writer.data) + message.to_bytes()
    return Chain(data, len(planes), seeds, len(seed), start - message.lowest)


def _push(message: Message, planes: np.ndarray, gaussian: GaussianRuntime) -> None:
    images = np.ascontiguousarray(planes.transpose(0, 3, 1, 2))
    images_codec(gaussian.model, gaussian.denoiser, len(images)).push(message, (gaussian.contexts(images), images))


def encode_seeds(planes: np.ndarray, erasure: Runtime, schedules: TileSchedules) -> Chain:
    """A stack in the same form, with all images coded by the erasure process."""
    writer = Writer()
    writer.number(len(planes))
    seed = encode_stack(planes, erasure, schedules)
    return Chain(bytes(writer.data) + seed, len(planes), len(planes), len(seed), 0)


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
        shape: of the stack, ``(B, H, W, 3)``.
        model: a model to try beside the shipped ones.

    Raises:
        CorruptFileError: if the bytes are not of such a stack; other wrong bytes are found by
            :func:`mulanzip.codec.stack.stack_hash`.
        ModelError: if the model is not here.
    """
    reader = Reader(data)
    seeds, model_id = _head(reader, shape[0])
    if model_id is None:
        return decode_stack(reader.rest(), shape, erasure, schedules)
    gaussian = open_gaussian(registry.by_id(model_id, model, "gaussian"), device)
    if shape[1:] != gaussian.shape:
        raise CorruptFileError("the images do not have the size that their model is for")
    planes = np.empty(shape, dtype=np.uint8)
    rest = planes[seeds:]
    sizes = _sizes(reader, len(rest), _most(gaussian))
    message, left = Message(reader.rest()), len(rest)
    with torch_threads(1):
        for size in reversed(sizes):
            codec = images_codec(gaussian.model, gaussian.denoiser, size)
            rest[left - size : left] = codec.pop(message)[1].transpose(0, 2, 3, 1)
            left -= size
            if progress is not None:
                progress(1 - left / len(rest))
    planes[:seeds] = decode_stack(message.content(), (seeds, *shape[1:]), erasure, schedules)
    return planes


@contextmanager
def _intact() -> Iterator[None]:
    """What a record that is not as it should be means."""
    try:
        yield
    except (ValueError, IndexError):
        raise CorruptFileError("the coded images are damaged") from None


def _head(reader: Reader, count: int) -> tuple[int, bytes | None]:
    """Number of seeds, and the model of the others if there are some."""
    with _intact():
        seeds = reader.number()
        if not 0 < seeds <= count:
            raise ValueError
        return seeds, reader.raw(registry.ID_BYTES) if seeds < count else None


def _sizes(reader: Reader, count: int, most: int) -> list[int]:
    """How many images are side by side, in the order in which they were pushed."""
    found: list[int] = []
    with _intact():
        while sum(found) < count:
            size = reader.number()
            if not 0 < size <= min(most, count - sum(found)):
                raise ValueError
            found.append(size)
    return found


def _most(gaussian: GaussianRuntime) -> int:
    """Images side by side."""
    return max(1, _BATCH // gaussian.model.schedule.steps)
