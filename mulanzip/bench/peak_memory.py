"""Peak memory of this process."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_MIB = 1 << 20


def reset_peak() -> None:
    """Set the peak to the memory in use now, if the system can do that."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def peak_mib() -> float:
    """Largest resident set since the last reset, in MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset / _MIB)
    import resource

    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) / 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / _MIB if sys.platform == "darwin" else largest / 1024
