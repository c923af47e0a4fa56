"""Cut samples out of a file, and fill them in again.

What is left of a file without its whole bytes of samples is its skeleton.  Bytes that hold samples and other bits stay
in it, with the bits of the samples cleared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.source.packing import FREE, WHOLE, Packing, Piece, Place

#: The offset of a block that is not in the file, or is there already as another one.
ABSENT = -1


@dataclass(frozen=True)
class Layout:
    """How the samples of an image lie in a file.

    Attributes:
        height, width: of the image, in pixels.
        planes: number of planes that are stored apart; each has all blocks.
        block_height, block_width: of the blocks (strips, tiles) that are stored apart; those at the right and at the
            bottom may be smaller.
        row_step: bytes from a row of a block to the one below it; negative where rows are stored bottom-up.
        packing: how the samples lie in the rows of a block.
    """

    height: int
    width: int
    planes: int
    block_height: int
    block_width: int
    row_step: int
    packing: Packing

    @classmethod
    def of_rows(cls, height: int, width: int, row_step: int, packing: Packing, planes: int = 1) -> Layout:
        """One block for each plane."""
        return cls(height, width, planes, height, width, row_step, packing)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Number of planes, and of blocks down and across a plane."""
        return self.planes, -(-self.height // self.block_height), -(-self.width // self.block_width)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the image: height, width, channels."""
        return self.height, self.width, self.planes * self.packing.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the samples in memory."""
        return self.packing.dtype


@dataclass(frozen=True)
class Hole:
    """Where the samples of an image lie.

    Attributes:
        layout: of the image.
        offsets: int64, position of the first byte of the first row of each block, by plane, down, across; or ABSENT.
    """

    layout: Layout
    offsets: np.ndarray

    def places(self, samples: np.ndarray | None = None) -> Iterator[tuple[Place, np.ndarray]]:
        """The blocks that are in the file, and the view of ``samples``, ``(H, W, channels)``, that each belongs to."""
        layout = self.layout
        planes, down, across = layout.grid
        if samples is None:
            samples = np.broadcast_to(np.zeros((), layout.dtype), layout.shape)
        channels = layout.packing.channels
        offsets = self.offsets.reshape(planes, down, across)
        for plane, i, j in np.argwhere(offsets >= 0).tolist():
            top, left = i * layout.block_height, j * layout.block_width
            block = samples[
                top : top + layout.block_height,
                left : left + layout.block_width,
                plane * channels : (plane + 1) * channels,
            ]
            yield Place(int(offsets[plane, i, j]), block.shape[0], block.shape[1], layout.row_step), block

    def whole_bytes(self) -> int:
        """Number of bytes that are cut out of the file."""
        return sum(self.layout.packing.whole_bytes(place) for place, _ in self.places())


def joined(hole: Hole) -> Hole:
    """The same samples as one block for each plane, where the blocks are whole rows that follow each other."""
    layout = hole.layout
    by_plane = hole.offsets.reshape(layout.planes, -1)
    is_whole = layout.block_width == layout.width and not (hole.offsets == ABSENT).any()
    if not is_whole or (np.diff(by_plane, axis=1) != layout.block_height * layout.row_step).any():
        return hole
    return Hole(replace(layout, block_height=layout.height), by_plane[:, 0].copy())


def _check_samples(hole: Hole, size: int) -> None:
    """Raises ValueError if an image has more samples than a file of ``size`` bytes has bits."""
    height, width, channels = hole.layout.shape
    if height * width * channels > 8 * size:
        raise ValueError("the image has more samples than the file has bits")


class Claims:
    """Which bytes of a file are samples.

    Args:
        size: of the file.
    """

    def __init__(self, size: int):
        self.marks = np.zeros(size, np.uint8)

    def add(self, hole: Hole) -> None:
        """Claim the bytes of a hole.

        Raises:
            ValueError: if they lie outside the file, overlap each other, or are claimed, or if the image has more
                samples than the file has bits; none of them is claimed then.
        """
        _check_samples(hole, len(self.marks))
        done: list[Piece] = []
        try:
            for place, _ in hole.places():
                for piece in hole.layout.packing.pieces(self.marks, place):
                    if piece.view.any():
                        raise ValueError("samples lie where others are")
                    piece.view[...] = piece.marks
                    done.append(piece)
        except ValueError:
            for piece in done:
                piece.view[...] = FREE
            raise


def read(data: bytes, hole: Hole) -> np.ndarray:
    """The samples of an image, ``(H, W, channels)``; 0 where blocks are absent.

    Raises:
        ValueError: if they lie outside ``data``, or overlap, or are more than ``data`` has bits.
    """
    _check_samples(hole, len(data))
    memory = np.frombuffer(data, np.uint8)
    samples = np.zeros(hole.layout.shape, hole.layout.dtype)
    for place, block in hole.places(samples):
        hole.layout.packing.read(memory, place, block)
    return samples


def cut(data: bytes, holes: Sequence[Hole]) -> bytes:
    """The skeleton of a file.

    Raises:
        ValueError: if holes lie outside ``data``, or overlap.
    """
    claims = Claims(len(data))
    memory = np.frombuffer(bytearray(data), np.uint8)
    for hole in holes:
        claims.add(hole)
        for place, _ in hole.places():
            for piece in hole.layout.packing.pieces(memory, place):
                if piece.others:
                    piece.view[...] &= piece.view.dtype.type(piece.others)
    return memory[claims.marks != WHOLE].tobytes()


def restored_size(skeleton: int, holes: Sequence[Hole]) -> int:
    """Size of the file in bytes, from that of its skeleton."""
    return skeleton + sum(hole.whole_bytes() for hole in holes)


def restore(skeleton: bytes, holes: Sequence[Hole], images: Sequence[np.ndarray]) -> bytes:
    """Fill the holes of a skeleton: the inverse of :func:`cut` and :func:`read`.

    Takes about three times the size of the file, see :func:`restored_size`.

    Args:
        images: the samples of each hole, ``(H, W, channels)``.

    Raises:
        CorruptFileError: if skeleton, holes and images do not fit together.
    """
    if len(holes) != len(images):
        raise CorruptFileError("the file has another number of images than of places for them")
    for hole, image in zip(holes, images, strict=True):
        if image.shape != hole.layout.shape or image.dtype != hole.layout.dtype:
            raise CorruptFileError("an image does not fit the place that it was taken from")
    size = restored_size(len(skeleton), holes)
    claims, memory = Claims(size), np.zeros(size, np.uint8)
    try:
        for hole in holes:
            claims.add(hole)
    except ValueError as error:
        raise CorruptFileError(f"the places of the images are damaged: {error}") from None
    memory[claims.marks != WHOLE] = np.frombuffer(skeleton, np.uint8)
    for hole, image in zip(holes, images, strict=True):
        for place, block in hole.places(image):
            hole.layout.packing.write(memory, place, block)
    return memory.tobytes()
