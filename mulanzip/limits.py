"""How large an image may be, and is there enough memory?  Asked before it is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mulanzip.errors import LimitError

#: What coding takes whatever the image: torch, the model, tables.
_FIXED = 300 << 20
#: What one tile takes while it is coded: activations, predictions, decisions.
_PER_THREAD = 250 << 20
#: Copies of an image in its different forms.
_COPIES = 5


def coding_bytes(size: int, threads: int) -> int:
    """Upper estimate of what coding an image of so many bytes takes, in bytes."""
    return _FIXED + min(threads, 1 + size // (3 << 18)) * _PER_THREAD + _COPIES * size


def available() -> int | None:
    """Bytes that can be taken without swapping, where the system tells."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


@dataclass(frozen=True)
class Limits:
    """What one image may take; by default whatever the format and the machine allow.

    Attributes:
        pixels: at most so many.
        memory: bytes at most, by the estimates that are made before memory is taken.
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
        free = available()
        if free is not None and size > free:
            raise LimitError(f"this image needs about {size >> 20} MiB of memory; {free >> 20} MiB are available")


#: Those of the format and the machine.
NO_LIMITS = Limits()
