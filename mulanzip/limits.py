"""What one image may take, and what the machine has: checked before memory is taken."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mulanzip.errors import LimitError

#: Bytes that coding takes for any image: torch, the model, tables.
_FIXED = 300 << 20
#: Bytes that one tile takes while it is coded: activations, predictions, decisions.
_PER_THREAD = 250 << 20
#: Copies of an image in its different forms.
_COPIES = 5
#: Where Linux mounts the control groups that hold a container to its memory and its processor time.
_CGROUPS = Path("/sys/fs/cgroup")
#: Where Linux says how much memory can be taken without swapping.
_MEMORY = Path("/proc/meminfo")


def coding_bytes(size: int, threads: int) -> int:
    """Upper estimate of the memory that coding an image of ``size`` bytes takes, in bytes."""
    return _FIXED + min(threads, 1 + size // (3 << 18)) * _PER_THREAD + _COPIES * size


def available_memory() -> int:
    """Bytes that this process can take without swapping: those of the machine, or of its control group."""
    free = _free_memory()
    limit, used = _cgroup_number("memory.max"), _cgroup_number("memory.current")
    if limit is None or used is None:
        return free
    # The kernel takes pages of files back before it refuses memory.
    files = sum(_cgroup_number("memory.stat", key=key) or 0 for key in ("active_file", "inactive_file"))
    return min(free, max(0, limit - used + files))


def _free_memory() -> int:
    try:
        found = re.search(rb"^MemAvailable: +(\d+) kB$", _MEMORY.read_bytes(), re.MULTILINE)
    except OSError:  # Not on Linux.
        found = None
    if found:
        return int(found[1]) << 10
    import psutil  # Only here: it takes a tenth of the time that a command needs to start.

    return int(psutil.virtual_memory().available)


def available_cores() -> int:
    """Cores that this process may use, by its affinity and its control group: 1 or more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = (_cgroup_number("cpu.max", field) for field in (0, 1))
    return cores if quota is None or not period else max(1, min(cores, -(-quota // period)))


def _cgroup_number(name: str, field: int = 0, key: str | None = None) -> int | None:
    """A number of this process's control group (version 2); None where there is no such limit.

    Args:
        name: of the file.
        field: position in the file; with ``key``, the number after that word.
    """
    try:
        group = Path("/proc/self/cgroup").read_text().split("::", 1)[1].strip()
        words = (_CGROUPS / group.lstrip("/") / name).read_text().split()
        return int(words[words.index(key) + 1 if key else field])
    except (OSError, IndexError, ValueError):
        return None


@dataclass(frozen=True)
class Limits:
    """What one image may take; by default whatever the format and the machine allow.

    Attributes:
        pixels: maximum number of pixels.
        memory: maximum number of bytes, by the estimates that are made before memory is taken.
    """

    pixels: int | None = None
    memory: int | None = None

    def check_pixels(self, height: int, width: int) -> None:
        """Check the size of an image.

        Raises:
            LimitError: if it has too many pixels.
        """
        if self.pixels is not None and height * width > self.pixels:
            raise LimitError(f"the image has {width}x{height} pixels; the limit is {self.pixels:,} (--max-pixels)")

    def require(self, size: int) -> None:
        """Check that ``size`` bytes can be taken.

        Raises:
            LimitError: if not.
        """
        if self.memory is not None and size > self.memory:
            need, limit = -(-size >> 20), self.memory >> 20
            raise LimitError(f"this image needs about {need} MiB of memory; the limit is {limit} MiB (--max-memory)")
        free = available_memory()
        if size > free:
            raise LimitError(f"this image needs about {size >> 20} MiB of memory; {free >> 20} MiB are available")


#: Only the limits of the format and of the machine.
NO_LIMITS = Limits()
