"""How many cores this process may use."""

from __future__ import annotations

import os


def available() -> int:
    """Cores that the system lets this process run on, where it tells; else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def running() -> int:
    """Threads on this machine that run or wait for a core, the caller's among them; 1 where nobody tells."""
    try:
        with open("/proc/loadavg") as file:
            return int(file.read().split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return 1
