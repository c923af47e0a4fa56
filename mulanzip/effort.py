"""What the levels of effort mean: how long a context is fitted to the image.  Free of torch."""

from __future__ import annotations

EFFORTS = range(1, 10)
DEFAULT_EFFORT = 5
#: What ``context`` may say.
CONTEXTS = ("none", "fit")

#: Steps of gradient descent by effort, from 1 on.
_STEPS = (0, 50, 100, 150, 250, 400, 800, 1600, 3200)
#: A step costs about as much as coding so many pixels.
_PIXELS_PER_STEP = 1 << 14


def fit_steps(effort: int, context: str | None) -> int:
    """Steps of gradient descent that a context is fitted with; 0 for no context.

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
        return 0
    return _STEPS[effort - 1] or (_STEPS[effort] if context == "fit" else 0)


def fit_share(steps: int, pixels: int) -> float:
    """About which share of the work is the fit, where the rest is coding ``pixels`` pixels."""
    return steps * _PIXELS_PER_STEP / (steps * _PIXELS_PER_STEP + pixels)
