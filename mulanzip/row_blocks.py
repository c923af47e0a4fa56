"""Work on large images block by block of rows, so that temporary arrays stay small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Maximum number of samples of a block of several rows.
_SAMPLES = 1 << 20


def row_blocks(pixels: np.ndarray) -> Iterator[slice]:
    """Slices of the rows of ``pixels``, ``(H, ...)``: consecutive, from top to bottom, each of one row or more."""
    height = len(pixels)
    rows = max(1, _SAMPLES * height // max(1, pixels.size))
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))
