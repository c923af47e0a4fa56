"""Notes to the user that come up deep in the work: collected by the caller, else Python warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_collected: ContextVar[list[str] | None] = ContextVar("notes", default=None)


@contextmanager
def collect() -> Iterator[list[str]]:
    """Collect the notes of the block, of this thread and of threads that run in a copy of its context."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)


def note(text: str, category: type[Warning], stacklevel: int = 1) -> None:
    """Add a note to those that are being collected; a warning where nobody collects them.

    Args:
        category, stacklevel: of the warning, as for :func:`warnings.warn`.
    """
    notes = _collected.get()
    if notes is None:
        warnings.warn(text, category, stacklevel=stacklevel + 1)
    else:
        notes.append(text)
