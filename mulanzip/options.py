"""Options: what is done to an image, and how it is carried out.  Every default stands here, once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from mulanzip.limits import NO_LIMITS, Limits, available_cores
from mulanzip.progress import Progress, part_of
from mulanzip.registry import AUTO

if TYPE_CHECKING:
    import numpy as np


class Grade(IntEnum):
    """How much of its source a file gives back."""

    #: All samples.
    SAMPLES = 0
    #: All samples, and every byte outside of compressed streams of pixels.
    CONTENT = 1
    #: The identical file.
    FILE = 2


#: The names of the grades, best first.
GRADES = tuple(grade.name.lower() for grade in reversed(Grade))


@dataclass(frozen=True, eq=False)
class EncodeOptions:
    """What is done to an image.

    Attributes:
        model: name of a shipped model, or path of a model file; or ``auto``: ``gray`` for images without colours,
            or ``gray-max`` where it saves enough, ``photo`` for the others.
        effort: 1 (fast) to 9 (small).
        context: ``none``, ``fit``, or None: ``effort`` decides; or a context to use as it is, int8 ``(entries,)``.
        schedule: one of :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`, or ``adaptive``.
        mu: with ``adaptive``, bits per cell (four pixels) that a tile may grow for each evaluation of the network that
            it saves the decoder.
        stored: whether the image may be stored as JPEG XL, WebP or PNG where that is smaller.
    """

    model: str = AUTO
    effort: int = 3
    context: str | np.ndarray | None = None
    schedule: str = "default"
    mu: float = 1.5
    stored: bool = True


@dataclass(frozen=True)
class Keeping:
    """How much of a source file is kept.

    Attributes:
        pixels: keep pixels and metadata, not the file.
        only_modelled: refuse kinds of images that no model codes; otherwise their files are kept as they are.
        everything: keep files that are no images, or damaged ones, as they are; otherwise they are refused.
        require: ``file``, ``content`` or ``samples``: refuse sources of which less would come back.
        strip: metadata to leave out, from :data:`mulanzip.imageio.metadata.STRIPPABLE`; with any, pixels are kept, not
            the file.
    """

    pixels: bool = False
    only_modelled: bool = False
    everything: bool = False
    require: str = "samples"
    strip: Collection[str] = ()

    @property
    def least(self) -> Grade:
        """The lowest grade that is enough.

        Raises:
            ValueError: if there is no grade of the name ``require``.
        """
        try:
            return Grade[self.require.upper()]
        except KeyError:
            raise ValueError(f"there is no grade {self.require!r}; use {', '.join(GRADES)}") from None


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
