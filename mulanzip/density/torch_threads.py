"""The number of threads inside torch: set for one thread of the host, and never for the whole process.

``torch.set_num_threads`` sets the number of the thread that calls it, and also the one that every thread starts with
which is new to torch.  A library must not change the latter.  OpenMP's own setting belongs to one thread alone.

OpenMP's threads do not survive a fork: the child's only thread would wait for them for ever.  So a child has a single
thread inside torch, and requests for more are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController

_forked = False


def _after_fork_in_child() -> None:
    global _forked
    _forked = True
    # Not OpenMP's setting alone: MKL has one as well.
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
_openmp = ThreadpoolController().select(user_api="openmp")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads inside the block, in the calling thread."""
    torch.get_num_threads()  # A thread's first call sets its number, and would undo the limit.
    with _openmp.limit(limits=1 if _forked else count):
        yield


def limit_torch_threads(count: int) -> None:
    """Let torch use ``count`` threads in the calling thread from now on: for the threads of a pool."""
    torch.get_num_threads()
    _openmp.limit(limits=1 if _forked else count)
