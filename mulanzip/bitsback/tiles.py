"""Many small images in one chain <-> bytes.

The first images are coded by the erasure process.  Their bytes are the content of the message that the first image of
the chain borrows from, so what is borrowed is never wasted.  Images after it borrow from those before: first one, then
twice as many each time, so that there is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip import registry
from mulanzip.bitsback.images import images_codec
from mulanzip.bitsback.message import Message
from mulanzip.bitsback.runtime import GaussianRuntime, open_gaussian
from mulanzip.errors import CorruptFileError
from mulanzip.exact.runtime import Runtime
from mulanzip.plan import Plan
from mulanzip.progress import Progress
from mulanzip.records import Reader, Writer
from mulanzip.stacks import decode_stack, encode_stack

#: Bits per subpixel that the first image can borrow, with some to spare.
_BORROWED = 7
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
    planes: np.ndarray, gaussian: GaussianRuntime, erasure: Runtime, plan: Plan, progress: Progress | None = None
) -> Chain:
    """Code a stack.

    Args:
        planes: uint8 ``(B, side, side, 3)`` in coding order of colours.
        plan: schedule of the images that the erasure process codes.
        progress: told the share that is done.
    """
    seeds, seed = _seeds(planes, erasure, plan)
    rest = planes[seeds:]
    if not len(rest):
        return encode_seeds(planes, erasure, plan)
    writer = Writer()
    writer.number(seeds)
    writer.raw(gaussian.info.model_id)
    message = Message.holding(seed)
    start = message.bits
    with erasure.intra_threads(1):
        for first, last in _batches(len(rest), gaussian):
            images = np.ascontiguousarray(rest[first:last].transpose(0, 3, 1, 2))
            codec = images_codec(gaussian.model, gaussian.denoiser, len(images))
            codec.push(message, (gaussian.contexts(images), images))
            if progress is not None:
                progress(last / len(rest))
    data = bytes(writer.data) + message.to_bytes()
    return Chain(data, len(planes), seeds, len(seed), start - message.lowest)


def encode_seeds(planes: np.ndarray, erasure: Runtime, plan: Plan) -> Chain:
    """A stack in the same form, with all images coded by the erasure process."""
    writer = Writer()
    writer.number(len(planes))
    seed = encode_stack(planes, erasure, plan)
    return Chain(bytes(writer.data) + seed, len(planes), len(planes), len(seed), 0)


def decode_tiles(
    data: bytes,
    shape: tuple[int, int, int, int],
    erasure: Runtime,
    plan: Plan,
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
            :func:`mulanzip.stacks.stack_hash`.
        ModelError: if the model is not here.
    """
    seeds, model_id, coded = _unpack(data, shape[0])
    if model_id is None:
        return decode_stack(coded, shape, erasure, plan)
    gaussian = open_gaussian(registry.by_id(model_id, model, "gaussian"), device)
    if shape[1:] != gaussian.shape:
        raise CorruptFileError("the images do not have the size that their model is for")
    planes = np.empty(shape, dtype=np.uint8)
    rest = planes[seeds:]
    message = Message(coded)
    with erasure.intra_threads(1):
        for first, last in reversed(_batches(len(rest), gaussian)):
            codec = images_codec(gaussian.model, gaussian.denoiser, last - first)
            rest[first:last] = codec.pop(message)[1].transpose(0, 2, 3, 1)
            if progress is not None:
                progress(1 - first / len(rest))
    planes[:seeds] = decode_stack(message.content(), (seeds, *shape[1:]), erasure, plan)
    return planes


def _unpack(data: bytes, count: int) -> tuple[int, bytes | None, bytes]:
    """Number of seeds, the model of the others if there are some, and what is coded."""
    reader = Reader(data)
    try:
        seeds = reader.number()
        if not 0 < seeds <= count:
            raise ValueError
        model_id = reader.raw(registry.ID_BYTES) if seeds < count else None
    except (ValueError, IndexError):
        raise CorruptFileError("the coded images are damaged") from None
    return seeds, model_id, reader.rest()


def _seeds(planes: np.ndarray, erasure: Runtime, plan: Plan) -> tuple[int, bytes]:
    """How many images the erasure process codes, for one image of the chain to borrow from; and their bytes."""
    seeds = 1
    while True:
        seed = encode_stack(planes[:seeds], erasure, plan)
        if 8 * len(seed) >= _BORROWED * planes[0].size or seeds == len(planes):
            return seeds, seed
        seeds = min(2 * seeds, len(planes))


def _batches(count: int, gaussian: GaussianRuntime) -> list[tuple[int, int]]:
    """Images that are coded side by side, in the order in which they are pushed."""
    most = max(1, _BATCH // gaussian.model.schedule.steps)
    found, first, size = [], 0, 1
    while first < count:
        last = min(first + size, count)
        found.append((first, last))
        # What lies below is at least as much as this batch will borrow.
        size = min(most, 2 * size) if first else 1
        first = last
    return found
