"""How the model is adapted to an image before it is coded: context and value edges, chosen by exact code lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.density.context import encode
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import ValueEdges
from mulanzip.encoder.edge_choice import edge_choices
from mulanzip.encoder.effort import SearchPlan, is_adapted
from mulanzip.encoder.preset_choice import suited_presets
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
    plan: SearchPlan,
    progress: Progress | None = None,
    *,
    has_edges: bool = True,
) -> Adaptation:
    """Choose a context preset and value edges for an image, and fit a context, where that makes its file smaller.

    What a plan that looks at fewer crops, and fits no context, would take is among the choices.  So more effort makes
    no image larger that is judged as a whole.

    Args:
        groups: of channels.  Presets, edges and context are found for the first group, and judged on all of them.
        plan: its grids and its steps, with 0 for none.
        progress: called with the share of the fit that is done.
        has_edges: whether the first group may have uneven value edges, as samples of 8 bits may.
    """
    indices, statistics = groups[0]
    if not is_adapted(*indices.shape[:2]):
        return Adaptation()
    prior = runtime.model.prior
    presets = [
        prior.preset(number) for number in suited_presets(indices, runtime.at(statistics), schedules, plan.grids)
    ]
    adapted = runtime.at(statistics).adapted(presets[0])
    is_judged, steps = plan.judges_adaptation(*indices.shape[:2]), plan.fit_steps(*indices.shape[:2])
    edges = edge_choices(indices, adapted, is_judged=is_judged) if has_edges else [None]
    if not is_judged:
        return Adaptation(_kept(presets[0]), edges[0])

    def toned(choice: ValueEdges | None) -> list[Group]:
        return [(indices, replace(statistics, value_edges=choice)), *groups[1:]]

    fitted = None
    if steps:
        fitted = _fit(toned(edges[0])[0], runtime, steps, presets[-1], progress)
    contexts = presets if fitted is None else [*presets, fitted]
    if len(contexts) > 1 and all(context.any() for context in contexts):
        contexts = [*contexts, prior.preset(0)]
    edges = list({found.encode() if found else b"": found for found in (*edges, None)}.values())
    judged = _sample(segments(*indices.shape[:2]))
    # Payloads are whole bytes, so a small difference may not be one: what comes first is preferred.
    margin = 16 * len(judged)

    def best(costs: list[float]) -> int:
        return min(range(len(costs)), key=lambda i: costs[i] + (margin if i else 0))

    @cache
    def bits(number: int, edges_number: int) -> float:
        context, own_edges = contexts[number], edges[edges_number]
        own = 8 * (len(encode(context, prior)) + CHUNK_OVERHEAD) if context.any() else 0
        own += 8 * (len(own_edges.encode()) + CHUNK_OVERHEAD) if own_edges else 0
        return own + _bits(judged, toned(own_edges), runtime.adapted(_kept(context)), schedules)

    number = best([bits(i, 0) for i in range(len(contexts))]) if len(contexts) > 1 else 0
    edges_number = best([bits(number, i) for i in range(len(edges))]) if len(edges) > 1 else 0
    return Adaptation(_kept(contexts[number]), edges[edges_number])


def _kept(context: np.ndarray) -> np.ndarray | None:
    """None for the network as it was trained."""
    return context if context.any() else None


def _fit(group: Group, runtime: Runtime, steps: int, start: np.ndarray, progress: Progress | None) -> np.ndarray | None:
    """A fitted context; None without torch."""
    if find_spec("torch") is None:
        note("torch is not installed, so no context is fitted: pip install 'mulanzip[torch]'", NotFittedWarning)
        return None
    from mulanzip.density.torch_threads import torch_threads
    from mulanzip.encoder.context_fit import Fitter

    indices, statistics = group
    execution = Execution(threads=runtime.threads, progress=progress)
    with torch_threads(runtime.threads), inner_threads(runtime.threads):
        return Fitter(runtime.model).fit(indices, steps, execution, statistics=statistics, start=start)


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
