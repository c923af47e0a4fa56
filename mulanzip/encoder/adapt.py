"""What the model learns of an image before it is coded.  The encoder's choice, made by exact code lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mulanzip.codec.segment import code_segment
from mulanzip.density import context
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.value_edges import ValueEdges
from mulanzip.encoder.edge_choice import choose_edges
from mulanzip.encoder.effort import is_fitted
from mulanzip.encoder.preset_choice import choose_preset
from mulanzip.entropy.ans import BitCounter
from mulanzip.format.container import CHUNK_OVERHEAD, CONTEXT, Container
from mulanzip.lattice.geometry import Segment, segments
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.progress import Progress

#: Contexts are judged on segments that have at least so many pixels together, or on all.
_JUDGED_PIXELS = 1 << 20
#: Samples, and their grain.
Group = tuple[np.ndarray, SampleScale]


@dataclass(frozen=True)
class Adaptation:
    """What is found for an image.

    Attributes:
        context: int8 ``(entries,)``; None where there is none.
        tones: of the first group of planes; None where they are even.
    """

    context: np.ndarray | None = None
    tones: ValueEdges | None = None


def find_adaptation(
    groups: Sequence[Group],
    runtime: Runtime,
    plan: TileSchedules,
    steps: int,
    progress: Progress | None = None,
    *,
    toned: bool = True,
) -> Adaptation:
    """Choose a look for an image, see whether its tones are even, and fit a context, as far as its file gets smaller.

    Args:
        groups: of planes, samples ``(H, W, C)`` in coding order of colours, C 1 or 3, and their grain.  The first
            group decides; the context is judged on all.
        steps: of gradient descent; without any, the look is all of the context.
        progress: told the share that is done.
        toned: whether the first group may have tones: samples of 8 bits.
    """
    planes, sample_scale = groups[0]
    if not is_fitted(*planes.shape[:2]):
        return Adaptation()
    prior = runtime.model.prior
    preset = prior.preset(choose_preset(planes, runtime.at(sample_scale), plan))
    tones = choose_edges(planes, runtime.at(sample_scale).adapted(preset), steps > 0) if toned else None
    if not steps:
        return Adaptation(preset if preset.any() else None, tones)
    from mulanzip.encoder.context_fit import Fitter

    even, groups = groups, [(planes, replace(sample_scale, value_edges=tones)), *groups[1:]]
    with runtime.intra_threads(runtime.threads):
        found = Fitter(runtime.model).fit(
            planes, steps, runtime.threads, progress, sample_scale=groups[0][1], start=preset
        )
        judged = _sample(segments(*planes.shape[:2]))

        def bits(choice: np.ndarray | None, groups: Sequence[Group]) -> float:
            own = 0 if choice is None else 8 * (len(context.encode(choice, prior)) + CHUNK_OVERHEAD)
            return own + _bits(judged, groups, runtime.adapted(choice), plan)

        choices = [None, *(choice for choice in (preset, found) if choice.any())]
        least, best = min(((bits(choice, groups), i) for i, choice in enumerate(choices)))
        if tones and least + 8 * (len(tones.encode()) + CHUNK_OVERHEAD) > bits(choices[best], even):
            tones = None
    return Adaptation(choices[best], tones)


def context_in(file: Container, prior: context.Prior) -> np.ndarray | None:
    """The context that a file carries: int8 ``(entries,)``; None where there is none.

    Raises:
        CorruptFileError: if it is damaged.
    """
    coded = file.of_kind(CONTEXT)
    return context.decode(coded[0], prior) if coded else None


def for_file(runtime: Runtime, file: Container) -> Runtime:
    """What a file is to be decoded with: the model, adapted by the context if there is one.

    Raises:
        CorruptFileError: if the context is damaged.
    """
    return runtime.adapted(context_in(file, runtime.model.prior))


def _sample(parts: list[Segment]) -> list[Segment]:
    """Enough segments to judge by, evenly from all."""
    pixels = [sum(4 * t.height * t.width for t in part.tiles) for part in parts]
    every = max(1, sum(pixels) // _JUDGED_PIXELS)
    return parts[::-every]


def _bits(parts: list[Segment], groups: Sequence[Group], runtime: Runtime, plan: TileSchedules) -> float:
    counter = BitCounter()
    for (planes, sample_scale), part in product(groups, parts):
        code_segment(part, planes, runtime.at(sample_scale), plan, counter, decoding=False)
    return counter.bits
