"""How the model is adapted to an image before it is coded: context and value edges, chosen by exact code lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.density import context
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import ValueEdges
from mulanzip.encoder.edge_choice import choose_edges
from mulanzip.encoder.effort import is_fitted
from mulanzip.encoder.preset_choice import choose_preset
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.lattice.geometry import Segment, segments
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.notes import note
from mulanzip.options import Execution
from mulanzip.progress import Progress

#: Contexts are judged on segments with at least this number of pixels together, or on all.
_JUDGED_PIXELS = 1 << 20
#: Indices ``(H, W, C)`` in coding order of colours, and their statistics.
Group = tuple[np.ndarray, SampleStatistics]


class NotFittedWarning(UserWarning):
    """An effort asks for a fitted context, and torch, which fits it, is not installed."""


@dataclass(frozen=True)
class Adaptation:
    """How the model is adapted to an image.

    Attributes:
        context: int8 ``(entries,)``; None for the network as it was trained.
        edges: between the values of the first group of channels; None where they are even.
    """

    context: np.ndarray | None = None
    edges: ValueEdges | None = None


def find_adaptation(
    groups: Sequence[Group],
    runtime: Runtime,
    schedules: TileSchedules,
    steps: int,
    progress: Progress | None = None,
    *,
    has_edges: bool = True,
) -> Adaptation:
    """Choose a context preset and value edges for an image, and fit a context, where that makes its file smaller.

    Args:
        groups: of channels.  Preset, edges and context are found for the first group; the fitted context is judged on
            all of them.
        steps: of gradient descent; with 0, the context is the preset.
        progress: called with the share of the fit that is done.
        has_edges: whether the first group may have uneven value edges, as samples of 8 bits may.
    """
    indices, statistics = groups[0]
    if not is_fitted(*indices.shape[:2]):
        return Adaptation()
    prior = runtime.model.prior
    preset = prior.preset(choose_preset(indices, runtime.at(statistics), schedules))
    edges = choose_edges(indices, runtime.at(statistics).adapted(preset), steps > 0) if has_edges else None
    if steps and find_spec("torch") is None:
        note("torch is not installed, so no context is fitted: pip install 'mulanzip[torch]'", NotFittedWarning)
        steps = 0
    if not steps:
        return Adaptation(preset if preset.any() else None, edges)
    from mulanzip.density.torch_threads import torch_threads
    from mulanzip.encoder.context_fit import Fitter

    even, groups = groups, [(indices, replace(statistics, value_edges=edges)), *groups[1:]]
    with torch_threads(runtime.threads), inner_threads(runtime.threads):
        fitter = Fitter(runtime.model)
        fitted = fitter.fit(
            indices,
            steps,
            Execution(threads=runtime.threads, progress=progress),
            statistics=groups[0][1],
            start=preset,
        )
        judged = _sample(segments(*indices.shape[:2]))

        def bits(choice: np.ndarray | None, groups: Sequence[Group]) -> float:
            own = 0 if choice is None else 8 * (len(context.encode(choice, prior)) + CHUNK_OVERHEAD)
            return own + _bits(judged, groups, runtime.adapted(choice), schedules)

        choices = [None, *(choice for choice in (preset, fitted) if choice.any())]
        least, best = min(((bits(choice, groups), i) for i, choice in enumerate(choices)))
        if edges and least + 8 * (len(edges.encode()) + CHUNK_OVERHEAD) > bits(choices[best], even):
            edges = None
    return Adaptation(choices[best], edges)


def _sample(parts: list[Segment]) -> list[Segment]:
    """Every n-th segment, enough to judge by."""
    pixels = [sum(4 * t.height * t.width for t in part.tiles) for part in parts]
    every = max(1, sum(pixels) // _JUDGED_PIXELS)
    return parts[::-every][::-1]


def _bits(parts: list[Segment], groups: Sequence[Group], runtime: Runtime, schedules: TileSchedules) -> float:
    return sum(
        sum(measure_segments(Canvas.of(indices), runtime.at(statistics), schedules, parts))
        for indices, statistics in groups
    )
