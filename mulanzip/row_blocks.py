"""Large images strip by strip, where what is computed of all samples would take several times the memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: About so many samples at a time.
_SAMPLES = 1 << 20


def row_blocks(pixels: np.ndarray) -> Iterator[slice]:
    """Rows of ``pixels``, ``(H, ...)``, from top to bottom: slices that follow each other."""
    height = len(pixels)
    rows = max(1, _SAMPLES * height // max(1, pixels.size))
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))
