"""Images <-> coded segments, one group of channels after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np

from mulanzip.codec.neighbours import Neighbourhood, most_kept
from mulanzip.codec.planes import Canvas
from mulanzip.codec.region import Rectangle, segments_of_region
from mulanzip.codec.segment import Wanted, decode_canvas, encode_canvas, new_level
from mulanzip.codec.side_info import ChannelGroup, SideInfo
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import SEGMENT, Container
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import level_grids, segments
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
        number: of the group in the side information.
        neighbourhood: the groups before that this one may look at, all coded.
        only: positions of the segments that are wanted; None for all.
    """

    group: ChannelGroup
    runtime: Runtime
    payloads: list[bytes]
    shape: tuple[int, int, int]
    progress: Progress | None
    number: int
    neighbourhood: Neighbourhood
    only: Set[int] | None = None

    def new_canvas(self, level: int = 0) -> Canvas:
        """For the indices of a level, none of which is decoded."""
        return self.neighbourhood.canvas(self.number, new_level(self.shape, level, self.runtime))

    def decode(self, level: int = 0) -> Canvas:
        """The indices of a level, ``(H, W, colours)``, as the pixels of a canvas; zeros where none are wanted.

        Raises:
            CorruptFileError: if a segment is damaged.
        """
        canvas, size = self.new_canvas(level), self.shape[:2]
        wanted = Wanted(level, self.only)
        decode_canvas(self.payloads, canvas, size, self.runtime, self.group.schedules, self.progress, wanted)
        return canvas


def coded_groups(
    file: Container,
    side: SideInfo,
    runtime: Runtime,
    progress: Progress | None = None,
    only: Mapping[int, Set[int]] | None = None,
) -> Iterator[CodedGroup]:
    """The groups of a file that are coded: every loop over the channels of a file is this one.

    Each has to be decoded before the next one is asked for: later ones may look at it.

    Args:
        side: of the file.
        runtime: the model of the file, as it was trained.
        progress: called with the share that is done.
        only: numbers of the groups that are wanted, with those that these look at, and of their segments; None for all.

    Raises:
        CorruptFileError: if the context is damaged, or the model has too few colours.
    """
    runtime = runtime.adapted(side.context(runtime.model.prior))
    payloads = file.of_kind(SEGMENT)
    neighbourhood = side.neighbourhood()
    varying = [(i, group) for i, group in enumerate(side.groups) if not group.is_constant]
    wanted = [(i, group) for i, group in varying if only is None or i in only]
    for done, (number, group) in enumerate(wanted):
        if group.colours > runtime.model.config.colours:
            raise CorruptFileError("the image has colours, and the file names a model of gray images")
        yield CodedGroup(
            group,
            runtime.at(group.statistics),
            payloads[group.segments],
            (file.header.height, file.header.width, group.colours),
            nth_part(progress, done, len(wanted)),
            number,
            neighbourhood,
            None if only is None else only[number],
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
    payloads, neighbourhood = list[bytes](), side.neighbourhood()
    for number, group in enumerate(side.groups):
        if not group.is_constant:
            part = nth_part(progress, number, len(side.groups))
            canvas = neighbourhood.canvas(number, group.indices(picture))
            payloads += encode_canvas(canvas, runtime.at(group.statistics), group.schedules, part)
    return payloads


def bytes_kept(file: Container) -> int:
    """Memory that groups take which are kept while others are decoded that look at them.

    Raises:
        CorruptFileError: if the side information is damaged.
    """
    header, references = file.header, SideInfo.read(file).references
    return most_kept(references) * header.height * header.width * (header.dtype.itemsize + 1)


def decode_groups(
    file: Container,
    runtime: Runtime,
    progress: Progress | None = None,
    *,
    level: int = 0,
    only: int | None = None,
    region: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """Pixels of a file, ``(H, W, channels)``: those of level 0, or of a coarser one.

    Args:
        runtime: the model of the file, as it was trained.
        progress: called with the share that is done.
        only: the one channel that is wanted, of bands or slices; None for all.
        region: rows and columns of the level that are wanted, with both ends and without steps; None for all.

    Raises:
        CorruptFileError: if it is damaged.
    """
    side = SideInfo.read(file)
    pixels = new_pixels(file, side, level)
    if only is None and region is None:
        wanted = None
    else:
        rows, columns = region or (slice(0, pixels.shape[0]), slice(0, pixels.shape[1]))
        rectangle = Rectangle(rows.start, rows.stop, columns.start, columns.stop)
        groups = [number for number, group in enumerate(side.groups) if only is None or number == only]
        parts = segments(*pixels.shape[:2])
        wanted = segments_of_region(parts, dict.fromkeys(groups, rectangle), side.references)
    for coded in coded_groups(file, side, runtime, progress, wanted):
        coded.group.restore(coded.decode(level).pixels, pixels)
    return pixels[region or ()][..., slice(only, None if only is None else only + 1)]
