"""Images <-> coded segments, one group of planes after the other (:func:`mulanzip.planes.plane_groups`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mulanzip import context as contexts
from mulanzip.adaptation import find_context, for_file
from mulanzip.codec import decode_segments, encode_segments
from mulanzip.container import CONTEXT, SEGMENT, VALUES, Chunk, Container, Header
from mulanzip.errors import CorruptFileError
from mulanzip.exact.runtime import Runtime
from mulanzip.lattice import level_grids, segments
from mulanzip.noise import SCHEDULE_NAMES, SCHEDULES, Schedule
from mulanzip.picture import Picture
from mulanzip.planes import from_coding_order, plane_groups, to_coding_order
from mulanzip.progress import Progress, part_of
from mulanzip.sample_choice import choose_code
from mulanzip.sample_code import PLAIN, SampleCode, pack, unpack


@dataclass(frozen=True)
class Group:
    """Planes that are coded together.

    Attributes:
        channels: which ones of the image.
        code: of their samples.
        segments: which ones of the file; none where all samples are the same.
    """

    channels: slice
    code: SampleCode
    segments: slice

    @property
    def colours(self) -> int:
        """Number of channels: 3, or 1."""
        return self.channels.stop - self.channels.start

    def planes_of(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels ``(H, W, channels)`` -> the group's in coding order of colours, ``(H, W, C)``."""
        part = pixels[..., self.channels]
        return to_coding_order(part) if self.colours == 3 else part

    def restore(self, indices: np.ndarray, pixels: np.ndarray) -> None:
        """Write samples ``(H, W, C)`` as they are decoded to their place in the image ``(H, W, channels)``.

        Raises:
            CorruptFileError: if they are none.
        """
        values = self.code.to_values(indices, pixels.dtype)
        pixels[..., self.channels] = from_coding_order(values) if self.colours == 3 else values


def _groups(header_channels: list[slice], codes: list[SampleCode], per_group: int) -> Iterator[Group]:
    start = 0
    for channels, code in zip(header_channels, codes, strict=True):
        stop = start if code.is_constant else start + per_group
        yield Group(channels, code, slice(start, stop))
        start = stop


def groups_of(file: Container, strict: bool = True) -> list[Group]:
    """The groups of a file that is coded by a model.

    Args:
        strict: refuse segments too many or too few.

    Raises:
        CorruptFileError: if the codes of samples are damaged, or there are other segments than there should be.
    """
    header = file.header
    channels = plane_groups(header.mode, header.channels)
    payloads = file.of_kind(VALUES)
    if bool(payloads) != (header.depth > 8):
        raise CorruptFileError("the list of values in use is missing")
    codes = unpack(payloads[0], len(channels), header.signed) if payloads else [PLAIN] * len(channels)
    found = list(_groups(channels, codes, len(segments(header.height, header.width))))
    if strict and found[-1].segments.stop != len(file.of_kind(SEGMENT)):
        raise CorruptFileError("the file has segments too many or too few")
    return found


def encode_groups(
    picture: Picture,
    runtime: Runtime,
    schedule: Schedule,
    context: np.ndarray | None,
    steps: int,
    share: float,
    progress: Progress | None,
) -> list[Chunk]:
    """Code a picture.

    Args:
        context: to be used as it is; else one is fitted to the first group that varies, with so many ``steps``.
        share: of the work that the fit is.
        progress: told the share that is done.

    Returns:
        all chunks of its pixels.
    """
    channels = plane_groups(picture.mode, picture.pixels.shape[2])
    blank = [Group(part, PLAIN, slice(0, 0)) for part in channels]
    planes = [group.planes_of(picture.pixels) for group in blank]
    codes = [choose_code(part, runtime, schedule) if picture.is_deep else PLAIN for part in planes]
    chunks = [Chunk(VALUES, pack(codes, picture.is_signed))] if picture.is_deep else []
    varying = [i for i, code in enumerate(codes) if not code.is_constant]
    indices = {i: codes[i].to_indices(planes[i]) for i in varying}
    if context is None and varying:
        first = varying[0]
        fitted = runtime.at(codes[first].grain)
        context = find_context(indices[first], fitted, schedule, steps, part_of(progress, 0, share))
    if context is not None and context.any():
        chunks.append(Chunk(CONTEXT, contexts.encode(context, runtime.model.prior)))
        runtime = runtime.adapted(context)
    for done, i in enumerate(varying):
        start = share + (1 - share) * done / len(varying)
        reached = part_of(progress, start, share + (1 - share) * (done + 1) / len(varying))
        payloads = encode_segments(indices[i], runtime.at(codes[i].grain), schedule, reached)
        chunks += [Chunk(SEGMENT, payload) for payload in payloads]
    return chunks


def schedule_of(header: Header) -> Schedule:
    """The order in which a file's pixels are revealed."""
    return SCHEDULES[SCHEDULE_NAMES[header.schedule]]


def decode_groups(file: Container, runtime: Runtime, progress: Progress | None = None, *, level: int = 0) -> np.ndarray:
    """Pixels of a file, ``(H, W, channels)``: those of level 0, or of a coarser one.

    Raises:
        CorruptFileError: if it is damaged.
    """
    header = file.header
    groups, payloads = groups_of(file), file.of_kind(SEGMENT)
    runtime = for_file(runtime, file)
    grid = level_grids(header.height, header.width)[level]
    pixels = np.empty((grid.height, grid.width, header.channels), dtype=header.dtype)
    for done, group in enumerate(groups):
        if group.code.is_constant:
            pixels[..., group.channels] = group.code.values[0]
            continue
        indices = decode_segments(
            payloads[group.segments],
            (header.height, header.width, group.colours),
            runtime.at(group.code.grain),
            schedule_of(header),
            part_of(progress, done / len(groups), (done + 1) / len(groups)),
            level=level,
        )
        group.restore(indices, pixels)
    return pixels
