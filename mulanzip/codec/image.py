"""Images <-> coded segments, one group of channels after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mulanzip.codec.segment import decode_segments, encode_segments
from mulanzip.codec.side_info import ChannelGroup, SideInfo
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import SEGMENT, Container
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import level_grids
from mulanzip.progress import Progress, nth_part


@dataclass(frozen=True)
class CodedGroup:
    """A group of channels of a file, and all that decoding it needs.

    Attributes:
        group: its side information.
        runtime: the model, adapted to the image, and to the statistics of its samples.
        payloads: of its segments.
        shape: ``(H, W, colours)`` of the image.
        progress: for the part of the work that this group is.
    """

    group: ChannelGroup
    runtime: Runtime
    payloads: list[bytes]
    shape: tuple[int, int, int]
    progress: Progress | None

    def decode(self, level: int = 0) -> np.ndarray:
        """Indices ``(H, W, colours)`` of a level.

        Raises:
            CorruptFileError: if a segment is damaged.
        """
        return decode_segments(
            self.payloads, self.shape, self.runtime, self.group.schedules, self.progress, level=level
        )


def coded_groups(
    file: Container, side: SideInfo, runtime: Runtime, progress: Progress | None = None
) -> Iterator[CodedGroup]:
    """The groups of a file that are coded: every loop over the channels of a file is this one.

    Args:
        side: of the file.
        runtime: the model of the file, as it was trained.
        progress: called with the share that is done.

    Raises:
        CorruptFileError: if the context is damaged, or the model has too few colours.
    """
    runtime = runtime.adapted(side.context(runtime.model.prior))
    payloads = file.of_kind(SEGMENT)
    groups = side.varying
    for done, group in enumerate(groups):
        if group.colours > runtime.model.config.colours:
            raise CorruptFileError("the image has colours, and the file names a model of gray images")
        yield CodedGroup(
            group,
            runtime.at(group.statistics),
            payloads[group.segments],
            (file.header.height, file.header.width, group.colours),
            nth_part(progress, done, len(groups)),
        )


def new_pixels(file: Container, side: SideInfo, level: int = 0) -> np.ndarray:
    """Pixels of a level of a file, ``(H, W, channels)``; of these, constant channels have their samples."""
    grid = level_grids(file.header.height, file.header.width)[level]
    pixels = np.empty((grid.height, grid.width, file.header.channels), dtype=file.header.dtype)
    for group in side.groups:
        if group.is_constant:
            pixels[..., group.channels] = group.value_map.values[0]
    return pixels


def encode_groups(picture: Picture, side: SideInfo, runtime: Runtime, progress: Progress | None = None) -> list[bytes]:
    """Code a picture as its side information says.

    Args:
        runtime: the model as it was trained.
        progress: called with the share that is done.

    Returns:
        payloads of the segments.
    """
    runtime = runtime.adapted(side.context(runtime.model.prior))
    payloads, groups = [], side.varying
    for done, group in enumerate(groups):
        part = nth_part(progress, done, len(groups))
        payloads += encode_segments(group.indices(picture), runtime.at(group.statistics), group.schedules, part)
    return payloads


def decode_groups(file: Container, runtime: Runtime, progress: Progress | None = None, *, level: int = 0) -> np.ndarray:
    """Pixels of a file, ``(H, W, channels)``: those of level 0, or of a coarser one.

    Args:
        runtime: the model of the file, as it was trained.
        progress: called with the share that is done.

    Raises:
        CorruptFileError: if it is damaged.
    """
    side = SideInfo.read(file)
    pixels = new_pixels(file, side, level)
    for coded in coded_groups(file, side, runtime, progress):
        coded.group.restore(coded.decode(level), pixels)
    return pixels
