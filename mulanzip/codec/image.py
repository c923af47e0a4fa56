"""Images <-> coded segments, one group of planes after the other (:func:`mulanzip.image.channels.channel_groups`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mulanzip.codec.segment import decode_segments, encode_segments
from mulanzip.codec.side_info import groups_of, plans_of
from mulanzip.codec.value_map import PLAIN, pack
from mulanzip.density import context as contexts
from mulanzip.density import jpeg_gamut as gamuts
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.adapt import find_adaptation, for_file
from mulanzip.encoder.scale_choice import choose_value_map
from mulanzip.format.container import CONTEXT, GAMUT, SCHEDULES_CHUNK, SEGMENT, VALUE_EDGES, VALUES, Chunk, Container
from mulanzip.image.channels import channel_groups, group_in_coding_order
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import level_grids
from mulanzip.lattice.schedules import MIXED
from mulanzip.lattice.tile_schedules import ScheduleChoices, TileSchedules, tile_cells
from mulanzip.lattice.tile_schedules import encode as encode_plan
from mulanzip.progress import Progress, part_of


def encode_groups(
    picture: Picture,
    runtime: Runtime,
    candidates: ScheduleChoices,
    context: np.ndarray | None,
    steps: int | None,
    share: float,
    progress: Progress | None,
) -> tuple[list[Chunk], int]:
    """Code a picture.

    Args:
        candidates: schedules to choose from.
        context: to be used as it is; else one is fitted to the first group that varies, with so many ``steps``, and
            judged on all, and its tones are found.  None for neither.
        share: of the work that the fit is.
        progress: told the share that is done.

    Returns:
        all chunks of its pixels, and the number that the header has for their schedules.
    """
    plan = TileSchedules.uniform(candidates.names[0])
    planes = [
        group_in_coding_order(picture.pixels, part) for part in channel_groups(picture.mode, picture.pixels.shape[2])
    ]
    codes = [choose_value_map(part, runtime, plan) if picture.is_deep else PLAIN for part in planes]
    chunks = [Chunk(VALUES, pack(codes, picture.is_signed))] if picture.is_deep else []
    coded = [
        (code.to_indices(part), code.sample_scale)
        for part, code in zip(planes, codes, strict=True)
        if not code.is_constant
    ]
    if gamut := gamuts.find(planes[0]):
        chunks.append(Chunk(GAMUT, gamuts.encode(gamut)))
        coded[0] = coded[0][0], replace(coded[0][1], gamut=gamut)
    if context is None and steps is not None and coded:
        deep = picture.is_deep
        found = find_adaptation(coded, runtime, plan, steps, part_of(progress, 0, share), toned=not deep)
        context = found.context
        if found.tones:
            chunks.append(Chunk(VALUE_EDGES, found.tones.encode()))
            coded[0] = coded[0][0], replace(coded[0][1], value_edges=found.tones)
    if context is not None and context.any():
        chunks.append(Chunk(CONTEXT, contexts.encode(context, runtime.model.prior)))
        runtime = runtime.adapted(context)
    plans, payloads = [], []
    for done, (indices, sample_scale) in enumerate(coded):
        start, stop = (share + (1 - share) * i / len(coded) for i in (done, done + 1))
        segments, plan = encode_segments(indices, runtime.at(sample_scale), candidates, part_of(progress, start, stop))
        payloads += segments
        plans.append(plan)
    plan = TileSchedules.joined(plans, len(tile_cells(*picture.pixels.shape[:2]))) if plans else plan
    if plan.header_value == MIXED:
        chunks.append(Chunk(SCHEDULES_CHUNK, encode_plan(plan)))
    return [*chunks, *(Chunk(SEGMENT, payload) for payload in payloads)], plan.header_value


def decode_groups(file: Container, runtime: Runtime, progress: Progress | None = None, *, level: int = 0) -> np.ndarray:
    """Pixels of a file, ``(H, W, channels)``: those of level 0, or of a coarser one.

    Raises:
        CorruptFileError: if it is damaged.
    """
    header = file.header
    groups, payloads = groups_of(file), file.of_kind(SEGMENT)
    plans, runtime = plans_of(file, groups), for_file(runtime, file)
    grid = level_grids(header.height, header.width)[level]
    pixels = np.empty((grid.height, grid.width, header.channels), dtype=header.dtype)
    for done, group in enumerate(groups):
        if group.code.is_constant:
            pixels[..., group.channels] = group.code.values[0]
            continue
        indices = decode_segments(
            payloads[group.segments],
            (header.height, header.width, group.colours),
            runtime.at(group.sample_scale),
            plans[done],
            part_of(progress, done / len(groups), (done + 1) / len(groups)),
            level=level,
        )
        group.restore(indices, pixels)
    return pixels
