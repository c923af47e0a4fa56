"""A job for worker processes, in a module that imports torch."""

from __future__ import annotations

import os

import torch


def threads(_: int) -> tuple[str, int]:
    """The number of threads in the environment, and the number that torch uses."""
    return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()
