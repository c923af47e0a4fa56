"""The models that were used last, kept in memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

from mulanzip.errors import ModelError

M = TypeVar("M")
#: Models that are kept.
SIZE = 4


def file_version(path: str | os.PathLike[str]) -> tuple[Path, int, int, int]:
    """What tells the present content of a model file from an earlier one: path, time of last change, size, inode.

    Raises:
        ModelError: if the file cannot be read.
    """
    resolved = Path(path).resolve()
    try:
        found = resolved.stat()
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror}") from None
    return resolved, found.st_mtime_ns, found.st_size, found.st_ino


class _Entry(Generic[M]):
    """A place for a model; who holds ``lock`` loads it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model: M | None = None


class ModelCache(Generic[M]):
    """At most ``size`` models; those that were not asked for longest go first.

    A model is loaded by one thread.  Others that ask for it wait; those that ask for another one do not.
    """

    def __init__(self, survives_fork: Callable[[M], bool], size: int = SIZE):
        """``survives_fork``: whether a forked child can use its parent's model."""
        self._survives_fork = survives_fork
        self._size = size
        self._reset([])
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork_in_child)

    def get(self, key: Hashable, load: Callable[[], M]) -> M:
        """The model of ``key``, which ``load`` makes if it is not there; what that raises is passed on."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.model is None:
                entry.model = load()
            return entry.model

    def _reset(self, loaded: list[tuple[Hashable, M]]) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry[M]] = OrderedDict()
        for key, model in loaded:
            self._entries[key] = _Entry()
            self._entries[key].model = model

    def _after_fork_in_child(self) -> None:
        """New locks: the thread that held an old one is not in the child."""
        found = [(key, entry.model) for key, entry in self._entries.items()]
        self._reset([(key, model) for key, model in found if model is not None and self._survives_fork(model)])
