"""Side information: everything but coded samples that a decoder needs, read from a file and written to it here alone.

The channels of an image are coded in groups (:func:`mulanzip.image.channels.channel_groups`).  Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mulanzip.codec import neighbours, value_map
from mulanzip.codec.neighbours import Neighbourhood, References
from mulanzip.codec.tile_schedule_code import decode_schedules, encode_schedules
from mulanzip.codec.value_map import PLAIN, ValueMap
from mulanzip.density import value_edges
from mulanzip.density.context import Prior
from mulanzip.density.jpeg_gamut import MAX_LOG2_PENALTY, JpegGamut
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import ValueEdges
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import (
    CONTEXT,
    GAMUT,
    NEIGHBOURS,
    SCHEDULES_CHUNK,
    SEGMENT,
    VALUE_EDGES,
    VALUES,
    Chunk,
    Container,
    Header,
)
from mulanzip.image.channels import channel_groups, from_coding_order, group_in_coding_order
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED
from mulanzip.lattice.tile_schedules import TileSchedules, tile_cells


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are coded together: three colours, or one other channel.

    Attributes:
        channels: their positions in the image.
        value_map: samples <-> the indices that are coded.
        statistics: of the indices.
        segments: positions of its segments in the file; empty where all samples are the same.
        schedules: of its tiles.
    """

    channels: slice
    value_map: ValueMap
    statistics: SampleStatistics
    segments: slice
    schedules: TileSchedules

    @property
    def colours(self) -> int:
        """Number of channels: 3 or 1."""
        return self.channels.stop - self.channels.start

    @property
    def is_constant(self) -> bool:
        """Whether all samples are the same: then nothing is coded."""
        return self.value_map.is_constant

    def indices(self, picture: Picture) -> np.ndarray:
        """What is coded of a picture: indices ``(H, W, colours)`` in coding order of colours."""
        return self.value_map.to_indices(group_in_coding_order(picture.pixels, self.channels))

    def restore(self, indices: np.ndarray, pixels: np.ndarray) -> None:
        """Write decoded indices ``(H, W, colours)`` to their channels of the image ``(H, W, channels)``.

        Raises:
            CorruptFileError: if an index stands for no sample.
        """
        values = self.value_map.to_values(indices, pixels.dtype)
        pixels[..., self.channels] = from_coding_order(values) if self.colours == 3 else values


@dataclass(frozen=True)
class SideInfo:
    """The side information of an image.

    Attributes:
        groups: of its channels, in the order in which they are coded.
        coded_context: payload of the context; None where the network is used as it was trained.
        coded_references: payload that says which groups look at others; None where none does.
    """

    groups: tuple[ChannelGroup, ...]
    coded_context: bytes | None = None
    coded_references: bytes | None = None

    @classmethod
    def build(
        cls,
        picture: Picture,
        value_maps: Sequence[ValueMap],
        gamut: JpegGamut | None = None,
        edges: ValueEdges | None = None,
        schedules: TileSchedules | None = None,
    ) -> SideInfo:
        """Side information of a picture that is to be coded, without a context.

        Args:
            value_maps: one for each group of channels.
            gamut, edges: of the first group.
            schedules: of the tiles of all groups; by default the default schedule.
        """
        height, width, channels = picture.pixels.shape
        found = _groups(channel_groups(picture.mode, channels), value_maps, len(segments(height, width)), gamut, edges)
        return cls(tuple(found)).with_schedules([schedules or TileSchedules.uniform("default")] * len(value_maps))

    @classmethod
    def read(cls, file: Container, *, strict: bool = True) -> SideInfo:
        """The side information of a file that a model codes.

        Args:
            strict: refuse missing and surplus segments.

        Raises:
            CorruptFileError: if it is damaged.
        """
        header = file.header
        channels = channel_groups(header.mode, header.channels)
        count = len(segments(header.height, header.width))
        edges = _edges_in(file, channels[0].stop - channels[0].start)
        groups = list(_groups(channels, _value_maps_in(file, len(channels)), count, _gamut_in(file), edges))
        if strict and groups[-1].segments.stop != len(file.of_kind(SEGMENT)):
            raise CorruptFileError("the file has too many or too few segments")
        varying = sum(not group.is_constant for group in groups)
        tiles = len(tile_cells(header.height, header.width))
        whole, start, schedules = _schedules_in(file, varying * tiles), 0, []
        for group in groups:
            schedules.append(whole.part(start, tiles))
            start += 0 if group.is_constant else tiles
        contexts, references = file.of_kind(CONTEXT), file.of_kind(NEIGHBOURS)
        side = cls(tuple(groups), contexts[0] if contexts else None, references[0] if references else None)
        side.references  # noqa: B018 - damage is found here.
        return side.with_schedules(schedules)

    def with_schedules(self, schedules: Sequence[TileSchedules]) -> SideInfo:
        """The same with these schedules, one entry for each group."""
        pairs = zip(self.groups, schedules, strict=True)
        return replace(self, groups=tuple(replace(group, schedules=own) for group, own in pairs))

    @property
    def varying(self) -> tuple[ChannelGroup, ...]:
        """The groups that are coded."""
        return tuple(group for group in self.groups if not group.is_constant)

    @property
    def references(self) -> References:
        """For each group the groups that it is coded given.

        Raises:
            CorruptFileError: if they are damaged.
        """
        if self.coded_references is None:
            return ((),) * len(self.groups)
        return neighbours.unpack(self.coded_references, [group.is_constant for group in self.groups])

    def neighbourhood(self) -> Neighbourhood:
        """For coding the groups one after the other."""
        maps = [(group.value_map.log2_steps, group.value_map.values.tobytes()) for group in self.groups]
        return Neighbourhood(self.references, [maps.index(own) for own in maps])

    @property
    def segment_count(self) -> int:
        """Number of segments of all groups."""
        return self.groups[-1].segments.stop

    def context(self, prior: Prior) -> np.ndarray | None:
        """The context: int8 ``(entries,)``; None where there is none.

        Raises:
            CorruptFileError: if it is damaged.
        """
        from mulanzip.density import context  # Describing a file need not load the coder.

        return None if self.coded_context is None else context.decode(self.coded_context, prior)

    @property
    def schedule(self) -> int:
        """What the header says of the schedules: the number of the only one, or MIXED."""
        numbers = {number for group in self.varying or self.groups[:1] for number in group.schedules.numbers}
        return numbers.pop() if len(numbers) == 1 else MIXED

    def joined_schedules(self, tiles: int) -> TileSchedules:
        """The schedules of the tiles of all groups, one group after the other.

        Args:
            tiles: of each group.
        """
        groups = self.varying or self.groups[:1]
        return TileSchedules.joined([group.schedules for group in groups], tiles)

    def chunks(self, header: Header) -> list[Chunk]:
        """The chunks that :meth:`read` reads, in the order of the file."""
        chunks = []
        if header.depth > 8:
            maps = [group.value_map for group in self.groups]
            chunks.append(Chunk(VALUES, value_map.pack(maps, header.signed)))
        statistics = self.groups[0].statistics
        if statistics.gamut:
            chunks.append(Chunk(GAMUT, bytes([statistics.gamut.log2_penalty])))
        if statistics.value_edges:
            chunks.append(Chunk(VALUE_EDGES, statistics.value_edges.encode()))
        if self.coded_references is not None:
            chunks.append(Chunk(NEIGHBOURS, self.coded_references))
        if self.coded_context is not None:
            chunks.append(Chunk(CONTEXT, self.coded_context))
        if header.schedule == MIXED:
            schedules = self.joined_schedules(len(tile_cells(header.height, header.width)))
            chunks.append(Chunk(SCHEDULES_CHUNK, encode_schedules(schedules)))
        return chunks


def _groups(
    channels: Sequence[slice], maps: Sequence[ValueMap], count: int, gamut: JpegGamut | None, edges: ValueEdges | None
) -> Iterator[ChannelGroup]:
    """Groups of ``count`` segments each, but for constant ones, which have none."""
    start = 0
    for number, (part, own_map) in enumerate(zip(channels, maps, strict=True)):
        statistics = SampleStatistics(own_map.sample_scale)
        if not number:
            statistics = replace(statistics, gamut=gamut, value_edges=edges)
        stop = start if own_map.is_constant else start + count
        yield ChannelGroup(part, own_map, statistics, slice(start, stop), TileSchedules.uniform("default"))
        start = stop


def _value_maps_in(file: Container, count: int) -> list[ValueMap]:
    payloads = file.of_kind(VALUES)
    if bool(payloads) != (file.header.depth > 8):
        raise CorruptFileError("the list of values in use is missing")
    return value_map.unpack(payloads[0], count, file.header.signed) if payloads else [PLAIN] * count


def _gamut_in(file: Container) -> JpegGamut | None:
    payloads = file.of_kind(GAMUT)
    if not payloads:
        return None
    if len(payloads[0]) != 1 or not 1 <= payloads[0][0] <= MAX_LOG2_PENALTY:
        raise CorruptFileError("the gamut is damaged")
    return JpegGamut(payloads[0][0])


def _edges_in(file: Container, colours: int) -> ValueEdges | None:
    payloads = file.of_kind(VALUE_EDGES)
    return value_edges.decode(payloads[0], colours) if payloads else None


def _schedules_in(file: Container, tiles: int) -> TileSchedules:
    """The schedules of ``tiles`` tiles, one group after the other."""
    if file.header.schedule != MIXED:
        return TileSchedules((file.header.schedule,))
    payloads = file.of_kind(SCHEDULES_CHUNK)
    if not payloads:
        raise CorruptFileError("the schedules are missing")
    return decode_schedules(payloads[0], tiles)
