"""What the levels of effort mean: how long a context is fitted to the image.  Free of torch."""

from __future__ import annotations

from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import ScheduleChoices

EFFORTS = range(1, 10)
DEFAULT_EFFORT = 5
#: What ``context`` may say.
CONTEXTS = ("none", "fit")

ADAPTIVE = "adaptive"
#: What ``schedule`` may say.
SCHEDULE_CHOICES = (*SCHEDULE_NAMES, ADAPTIVE)
#: Bits per cell that one evaluation of the network is worth, if nothing else is said.
DEFAULT_MU = 1.5

#: From this effort on, a choice of schedules tries all of them; before, the cheapest and the default.
_ALL_SCHEDULES = 8

#: Steps of gradient descent by effort, from 1 on.
_STEPS = (0, 30, 60, 100, 150, 230, 350, 530, 800)
#: A step costs about as much as coding so many pixels.
_PIXELS_PER_STEP = 1 << 14
#: Side in pixels of the crops that a context is fitted to.
CROP_SIDE = 64
#: Fewest pixels of an image that can win more by a context than its bytes cost.
_MIN_PIXELS = 1 << 14


def fit_steps(effort: int, context: str | None) -> int | None:
    """Steps of gradient descent that a context is fitted with; 0 for a look as it is, None for no context.

    Args:
        effort: 1 to 9.
        context: ``none``, or ``fit`` for one at effort 1 too; by default, effort decides.

    Raises:
        ValueError: for anything else.
    """
    if effort not in EFFORTS:
        raise ValueError(f"effort must be {EFFORTS[0]} to {EFFORTS[-1]}, not {effort}")
    if context not in (None, *CONTEXTS):
        raise ValueError(f"unknown context {context!r}; use one of {', '.join(CONTEXTS)}")
    if context == "none":
        return None
    return _STEPS[effort - 1] or (_STEPS[effort] if context == "fit" else 0)


def candidates(effort: int, schedule: str, mu: float) -> ScheduleChoices:
    """The schedules that the encoder chooses from.

    Args:
        effort: 1 to 9.
        schedule: one for all tiles, or :data:`ADAPTIVE`.
        mu: see :class:`mulanzip.lattice.tile_schedules.ScheduleChoices`; of no effect with a schedule for all tiles.

    Raises:
        ValueError: for anything else.
    """
    if schedule not in SCHEDULE_CHOICES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULE_CHOICES)}")
    if not mu >= 0:
        raise ValueError(f"mu must be 0 or more, not {mu}")
    if schedule != ADAPTIVE:
        return ScheduleChoices((schedule,))
    return ScheduleChoices(SCHEDULE_NAMES if effort >= _ALL_SCHEDULES else ("default", "one"), mu)


def is_fitted(height: int, width: int) -> bool:
    """Whether an image is large enough to have a context fitted to it."""
    return min(height, width) >= CROP_SIDE and height * width >= _MIN_PIXELS


def fit_share(steps: int, height: int, width: int) -> float:
    """About which share of the work is the fit, where the rest is coding an image of this size."""
    if not is_fitted(height, width):
        return 0.0
    return steps * _PIXELS_PER_STEP / (steps * _PIXELS_PER_STEP + height * width)
