"""Options: what is done to an image, and how it is carried out.  Every default stands here, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mulanzip.limits import NO_LIMITS, Limits, available_cores
from mulanzip.progress import Progress, part_of
from mulanzip.registry import AUTO

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class EncodeOptions:
    """What is done to an image.

    Attributes:
        model: name of a shipped model, or path of a model file; or ``auto``: ``gray`` for images without colours,
            ``photo`` for the others.
        effort: 1 (fast) to 9 (small).
        context: ``none``, ``fit``, or None: ``effort`` decides; or a context to use as it is, int8 ``(entries,)``.
        schedule: one of :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`, or ``adaptive``.
        mu: with ``adaptive``, bits per cell (four pixels) that a tile may grow for each evaluation of the network that
            it saves the decoder.
        stored: whether the image may be stored as JPEG XL, WebP or PNG where that is smaller.
    """

    model: str = AUTO
    effort: int = 5
    context: str | np.ndarray | None = None
    schedule: str = "default"
    mu: float = 1.5
    stored: bool = True


@dataclass(frozen=True)
class Execution:
    """How the work is carried out.  Nothing here changes a byte of any result.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``reference``.
        threads: maximum number of threads; None for all cores.
        limits: what one image may take.
        progress: called with the share that is done, 0 to 1.
    """

    device: str = "auto"
    threads: int | None = None
    limits: Limits = NO_LIMITS
    progress: Progress | None = None

    @property
    def thread_count(self) -> int:
        """Number of threads, 1 or more."""
        return self.threads or available_cores()

    def part(self, start: float, stop: float) -> Execution:
        """The same, for work that takes the progress from ``start`` to ``stop``."""
        return replace(self, progress=part_of(self.progress, start, stop))

    def silent(self) -> Execution:
        """The same without progress."""
        return replace(self, progress=None)
