"""What the levels of effort mean: how much of an image choices look at, and how long a context is fitted.

Free of torch, and so are the results of efforts that fit no context.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import ScheduleChoices
from mulanzip.options import EncodeOptions

EFFORTS = range(1, 10)
#: Values of ``context``.
CONTEXTS = ("none", "fit")

ADAPTIVE = "adaptive"
#: Values of ``schedule``.
SCHEDULE_CHOICES = (*SCHEDULE_NAMES, ADAPTIVE)

#: Crops that presets are chosen on, down and across, by effort.  From the last on, nothing more is gained.
GRIDS = ((1, 2), (2, 3), (4, 6))
#: Steps of gradient descent by effort, from 1 on.
_STEPS = (0, 0, 0, 25, 50, 100, 200, 400, 800)
#: A step costs about as much as coding this number of pixels.
_PIXELS_PER_STEP = 1 << 14
#: Side in pixels of the crops that a context is fitted to.
CROP_SIDE = 64
#: In smaller images, a preset does not pay; nor a fitted context.
_MIN_PIXELS, _MIN_FITTED = 1 << 14, 1 << 16
#: In images with fewer pixels, a single crop decides for a preset.  On 45 pictures of 128x128, this costs at most
#: 0.02 %; trials on more crops took longer than all else.
FEW_PIXELS = 1 << 15
#: In images with fewer pixels, steps get fewer in proportion.
_PIXELS_OF_ALL_STEPS = 1 << 18


@dataclass(frozen=True, eq=False)
class SearchPlan:
    """What the encoder looks for.

    Attributes:
        context: to be used as it is: int8 ``(entries,)``; None to look for one, or for none.
        steps: of gradient descent that a context is fitted with in large images; 0 for a preset as it is; None for no
            context, and where one is given.
        schedules: that are tried on each tile.
        grids: of crops, down and across.  Each leads to a preset of its own, of which the best one is taken.
    """

    context: np.ndarray | None
    steps: int | None
    schedules: ScheduleChoices
    grids: tuple[tuple[int, int], ...] = GRIDS[:1]

    @classmethod
    def of(cls, options: EncodeOptions) -> SearchPlan:
        """The plan that options ask for.

        Raises:
            ValueError: for unknown options.
        """
        given = options.context if isinstance(options.context, np.ndarray) else None
        steps = fit_steps(options.effort, options.context if given is None else "none")
        return cls(given, steps, _schedule_choices(options.schedule, options.mu), GRIDS[: options.effort])

    @property
    def tries_models(self) -> bool:
        """Whether more models than one may be compared."""
        return self.context is None and self.is_judged

    @property
    def is_judged(self) -> bool:
        """Whether choices are compared on the whole image."""
        return len(self.grids) > 1

    def judges_adaptation(self, height: int, width: int) -> bool:
        """Whether preset and value edges are compared on the whole of an image of this size.

        In small images, this takes longer than coding, for 0.01 %: lower efforts leave it out.
        """
        if self.fit_steps(height, width):
            return True
        return self.is_judged and (bool(self.steps) or height * width >= FEW_PIXELS)

    def quick(self) -> SearchPlan:
        """A plan without trials, for a first estimate of the size."""
        return SearchPlan(self.context, None, ScheduleChoices(self.schedules.names[:1]))

    def fit_share(self, height: int, width: int) -> float:
        """Approximate share of the work that the fit is; the rest is coding an image of this size."""
        fit = self.fit_steps(height, width) * _PIXELS_PER_STEP
        return fit / (fit + height * width)

    def fit_steps(self, height: int, width: int) -> int:
        """Steps of the fit for an image of this size."""
        pixels = height * width
        if not self.steps or min(height, width) < CROP_SIDE or pixels < _MIN_FITTED:
            return 0
        return -(-self.steps * min(pixels, _PIXELS_OF_ALL_STEPS) // _PIXELS_OF_ALL_STEPS)


def fit_steps(effort: int, context: str | np.ndarray | None) -> int | None:
    """Steps of gradient descent that a context is fitted with; 0 for a preset as it is, None for no context.

    Args:
        effort: 1 to 9.
        context: ``none``; ``fit`` for a fitted one at any effort; None: effort decides.

    Raises:
        ValueError: for anything else.
    """
    if effort not in EFFORTS:
        raise ValueError(f"effort must be {EFFORTS[0]} to {EFFORTS[-1]}, not {effort}")
    if context not in (None, *CONTEXTS):
        raise ValueError(f"unknown context {context!r}; use one of {', '.join(CONTEXTS)}")
    if context == "none":
        return None
    steps = _STEPS[effort - 1 :]
    return next(filter(None, steps)) if context == "fit" else steps[0]


def _schedule_choices(schedule: str, mu: float) -> ScheduleChoices:
    """The schedules that the encoder chooses from.

    Args:
        schedule: one for all tiles, or :data:`ADAPTIVE`.
        mu: see :class:`mulanzip.lattice.tile_schedules.ScheduleChoices`; without effect unless adaptive.

    Raises:
        ValueError: for anything else.
    """
    if schedule not in SCHEDULE_CHOICES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULE_CHOICES)}")
    if not mu >= 0:
        raise ValueError(f"mu must be 0 or more, not {mu}")
    return ScheduleChoices(SCHEDULE_NAMES, mu) if schedule == ADAPTIVE else ScheduleChoices((schedule,))


def is_adapted(height: int, width: int) -> bool:
    """Whether an image is large enough to have the model adapted to it."""
    return min(height, width) >= CROP_SIDE and height * width >= _MIN_PIXELS
