"""Groups of planes that are coded together, and where in a file they are.  Free of torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mulanzip.codec.value_map import PLAIN, ValueMap, unpack
from mulanzip.density.jpeg_gamut import gamut_in
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.value_edges import tones_in
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import SEGMENT, VALUES, Container
from mulanzip.image.channels import channel_groups, from_coding_order
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.tile_schedules import TileSchedules, plan_in, tile_cells


@dataclass(frozen=True)
class ChannelGroup:
    """Planes that are coded together.

    Attributes:
        channels: which ones of the image.
        code: of their samples.
        sample_scale: of what is coded.
        segments: which ones of the file; none where all samples are the same.
    """

    channels: slice
    code: ValueMap
    sample_scale: SampleScale
    segments: slice

    @property
    def colours(self) -> int:
        """Number of channels: 3, or 1."""
        return self.channels.stop - self.channels.start

    def restore(self, indices: np.ndarray, pixels: np.ndarray) -> None:
        """Write samples ``(H, W, C)`` as they are decoded to their place in the image ``(H, W, channels)``.

        Raises:
            CorruptFileError: if they are none.
        """
        values = self.code.to_values(indices, pixels.dtype)
        pixels[..., self.channels] = from_coding_order(values) if self.colours == 3 else values


def _groups(file: Container, codes: list[ValueMap]) -> Iterator[ChannelGroup]:
    header, start = file.header, 0
    for number, channels in enumerate(channel_groups(header.mode, header.channels)):
        code, sample_scale = codes[number], codes[number].sample_scale
        if not number:
            tones = tones_in(file, channels.stop - channels.start)
            sample_scale = replace(sample_scale, value_edges=tones, gamut=gamut_in(file))
        stop = start if code.is_constant else start + len(segments(header.height, header.width))
        yield ChannelGroup(channels, code, sample_scale, slice(start, stop))
        start = stop


def groups_of(file: Container, strict: bool = True) -> list[ChannelGroup]:
    """The groups of a file that is coded by a model.

    Args:
        strict: refuse segments too many or too few.

    Raises:
        CorruptFileError: if the codes of samples are damaged, or there are other segments than there should be.
    """
    header = file.header
    count = len(channel_groups(header.mode, header.channels))
    payloads = file.of_kind(VALUES)
    if bool(payloads) != (header.depth > 8):
        raise CorruptFileError("the list of values in use is missing")
    codes = unpack(payloads[0], count, header.signed) if payloads else [PLAIN] * count
    found = list(_groups(file, codes))
    if strict and found[-1].segments.stop != len(file.of_kind(SEGMENT)):
        raise CorruptFileError("the file has segments too many or too few")
    return found


def varying(groups: list[ChannelGroup]) -> list[ChannelGroup]:
    """Those that have segments."""
    return [group for group in groups if not group.code.is_constant]


def plans_of(file: Container, groups: list[ChannelGroup]) -> list[TileSchedules]:
    """The schedules of each group's tiles; of constant ones, which have none, any.

    Raises:
        CorruptFileError: if they are damaged.
    """
    tiles = len(tile_cells(file.header.height, file.header.width))
    whole = plan_in(file, len(varying(groups)))
    found, start = [], 0
    for group in groups:
        found.append(whole.part(start, tiles))
        start += 0 if group.code.is_constant else tiles
    return found
