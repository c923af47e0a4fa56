"""Length and learning rates of a run; free of torch, so that the command line can show the defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Length and learning rates of a run.

    Attributes:
        steps: number of optimiser steps; learning rates fall to zero over them.
        rate: factor of all learning rates; at 1, a run that starts from good weights loses much of them.
        matrix_rate: peak learning rate of orthogonalised updates.
        other_rate: peak learning rate of Adam.
        ema: decay of the running average of the weights, per step.
        seed: of the initial weights and of the training data.
    """

    steps: int = 20_000
    rate: float = 1.0
    matrix_rate: float = 0.007
    other_rate: float = 0.002
    ema: float = 0.999
    seed: int = 0
