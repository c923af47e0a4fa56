"""An image: first everything is chosen, then it is coded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mulanzip.codec import neighbours
from mulanzip.codec.image import encode_groups
from mulanzip.codec.side_info import SideInfo
from mulanzip.codec.value_map import PLAIN, ValueMap
from mulanzip.density import context as contexts
from mulanzip.density import jpeg_gamut
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.adapt import find_adaptation
from mulanzip.encoder.effort import SearchPlan
from mulanzip.encoder.neighbour_choice import choose_references
from mulanzip.encoder.scale_choice import choose_value_map, have_like_scales
from mulanzip.encoder.schedule_choice import choose_schedules
from mulanzip.image.channels import channel_groups, group_in_coding_order
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.progress import Progress, part_of


@dataclass(frozen=True)
class CodedImage:
    """Side information of a picture, and the payloads of its segments."""

    side: SideInfo
    payloads: list[bytes]


def encode_image(picture: Picture, runtime: Runtime, plan: SearchPlan, progress: Progress | None = None) -> CodedImage:
    """Choose everything that the plan asks for, then code.

    Args:
        runtime: the model as it was trained.
        progress: called with the share that is done.
    """
    share = plan.fit_share(*picture.pixels.shape[:2])
    side = choose_side_info(picture, runtime, plan, part_of(progress, 0, share))
    return CodedImage(side, encode_groups(picture, side, runtime, part_of(progress, share, 1)))


def choose_side_info(
    picture: Picture, runtime: Runtime, plan: SearchPlan, progress: Progress | None = None
) -> SideInfo:
    """All that a file says of a picture beside its samples.

    Args:
        runtime: the model as it was trained.
        progress: called with the share of the fit that is done.
    """
    first = TileSchedules.uniform(plan.schedules.names[0])
    channels = [
        group_in_coding_order(picture.pixels, part) for part in channel_groups(picture.mode, picture.pixels.shape[2])
    ]
    maps = _value_maps(picture, channels, runtime, first, is_judged=plan.is_judged)
    gamut = jpeg_gamut.find(channels[0])
    side = SideInfo.build(picture, maps, gamut, schedules=first)
    context = plan.context
    if context is None and plan.steps is not None and side.varying:
        groups = [(group.indices(picture), group.statistics) for group in side.varying]
        found = find_adaptation(groups, runtime, first, plan, progress, has_edges=not picture.is_deep)
        context = found.context
        side = SideInfo.build(picture, maps, gamut, found.edges, first)
    if context is not None and context.any():
        side = replace(side, coded_context=contexts.encode(context, runtime.model.prior))
    if picture.mode is Mode.BANDS:
        references = choose_references(picture, [group.is_constant for group in side.groups])
        side = replace(side, coded_references=None if references is None else neighbours.pack(references))
    if len(plan.schedules.names) == 1:
        return side
    adapted = runtime.adapted(side.context(runtime.model.prior))
    return side.with_schedules(
        [
            first
            if group.is_constant
            else choose_schedules(group.indices(picture), adapted.at(group.statistics), plan.schedules)
            for group in side.groups
        ]
    )


def _value_maps(
    picture: Picture, channels: list[np.ndarray], runtime: Runtime, schedules: TileSchedules, *, is_judged: bool
) -> list[ValueMap]:
    """A value map for each group of channels; slices of a stack share one if it suits them: so their values compare."""
    if not picture.is_deep:
        return [PLAIN] * len(channels)
    if picture.is_stack and have_like_scales(channels):
        return [choose_value_map(np.concatenate(channels), runtime, schedules, is_judged=is_judged)] * len(channels)
    return [choose_value_map(part, runtime, schedules, is_judged=is_judged) for part in channels]
