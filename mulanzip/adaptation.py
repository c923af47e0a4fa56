"""Is an image worth a context of its own?  The encoder's choice, made by exact code lengths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from mulanzip import context
from mulanzip.codec import walk_segment
from mulanzip.coder import BitCounter
from mulanzip.container import CHUNK_OVERHEAD, CONTEXT, Container
from mulanzip.effort import is_fitted
from mulanzip.exact.runtime import Runtime
from mulanzip.gamut import gamut_in
from mulanzip.grain import Grain
from mulanzip.lattice import Segment, segments
from mulanzip.look_choice import best_look
from mulanzip.plan import Plan
from mulanzip.progress import Progress

#: Contexts are judged on segments that have at least so many pixels together, or on all.
_JUDGED_PIXELS = 1 << 20


def find_context(
    groups: Sequence[tuple[np.ndarray, Grain]],
    runtime: Runtime,
    plan: Plan,
    steps: int,
    progress: Progress | None = None,
) -> np.ndarray | None:
    """Choose a look for an image and fit a context to it, as far as that makes its file smaller.

    Args:
        groups: of planes: samples ``(H, W, C)`` in coding order of colours, C 1 or 3, and their grain.  It is fitted
            to the first group, and judged on all.
        steps: of gradient descent; without any, the look is all.
        progress: told the share that is done.

    Returns:
        the context, int8 ``(entries,)``; or None.
    """
    planes, grain = groups[0]
    if not is_fitted(*planes.shape[:2]):
        return None
    prior = runtime.model.prior
    look = prior.look(best_look(planes, runtime.at(grain), plan))
    if not steps:
        return look if look.any() else None
    from mulanzip.fitting import Fitter

    with runtime.intra_threads(runtime.threads):
        found = Fitter(runtime.model).fit(planes, steps, runtime.threads, progress, grain=grain, start=look)
        judged = _sample(segments(*planes.shape[:2]))
        bits = [_bits(judged, groups, runtime, plan)]
        choices = [choice for choice in (look, found) if choice.any()]
        for choice in choices:
            coded = 8 * (len(context.encode(choice, prior)) + CHUNK_OVERHEAD)
            bits.append(coded + _bits(judged, groups, runtime.adapted(choice), plan))
    return [None, *choices][int(np.argmin(bits))]


def context_in(file: Container, prior: context.Prior) -> np.ndarray | None:
    """The context that a file carries: int8 ``(entries,)``; None where there is none.

    Raises:
        CorruptFileError: if it is damaged.
    """
    coded = file.of_kind(CONTEXT)
    return context.decode(coded[0], prior) if coded else None


def for_file(runtime: Runtime, file: Container) -> Runtime:
    """What a file is to be decoded with: the model, adapted by the context and within the gamut, if there are such.

    Raises:
        CorruptFileError: if one of them is damaged.
    """
    return runtime.adapted(context_in(file, runtime.model.prior)).within(gamut_in(file))


def _sample(parts: list[Segment]) -> list[Segment]:
    """Enough segments to judge by, evenly from all."""
    pixels = [sum(4 * t.height * t.width for t in part.tiles) for part in parts]
    every = max(1, sum(pixels) // _JUDGED_PIXELS)
    return parts[::-every]


def _bits(parts: list[Segment], groups: Sequence[tuple[np.ndarray, Grain]], runtime: Runtime, plan: Plan) -> float:
    counter = BitCounter()
    for (planes, grain), part in product(groups, parts):
        walk_segment(part, planes, runtime.at(grain), plan, counter, decoding=False)
    return counter.bits
