"""Where all pixels around a phase have one value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mulanzip.lattice.geometry import A, D, H, V

_ABOVE_ALL = 1 << 20
#: The nearest pixels of each phase beside A: their phase, and row and column offsets.
_NEAR: dict[int, tuple[tuple[int, int, int], ...]] = {
    H: ((D, 0, 0), (D, -1, 0)),
    V: ((D, 0, 0), (D, 0, -1)),
    D: ((H, 0, 0), (H, 1, 0), (V, 0, 0), (V, 0, 1)),
}


def constant_surround(cells: np.ndarray, known: np.ndarray, phase: int, window: tuple[slice, slice]) -> np.ndarray:
    """The value of all pixels around a phase: int32 ``(3, n)``, -1 where they differ.

    Around means: the known A in the 3x3 neighbourhood, and the nearest known pixels.

    Args:
        cells: ``(B, h, w, 4, 3)``; known: bool ``(h, w, 4)``; phase: H, V or D.
        window: rows and columns of the ``n`` cells to look at, one image after the other.
    """
    mask = known[..., None]
    low = np.where(mask, cells, np.int32(_ABOVE_ALL))
    high = np.where(mask, cells, np.int32(-1))
    least = _extreme3(low[..., A, :], np.minimum, _ABOVE_ALL)
    most = _extreme3(high[..., A, :], np.maximum, -1)
    for near, row, column in _NEAR[phase]:
        least = np.minimum(least, _moved(low[..., near, :], row, column, _ABOVE_ALL))
        most = np.maximum(most, _moved(high[..., near, :], row, column, -1))
    found = np.where(least == most, least, np.int32(-1))[:, window[0], window[1]]
    return np.ascontiguousarray(found.reshape(-1, found.shape[-1]).T)


def _padded(x: np.ndarray, outside: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=outside)


def _moved(x: np.ndarray, rows: int, columns: int, outside: int) -> np.ndarray:
    """``y[:, i, j] = x[:, i + rows, j + columns]``; offsets are -1, 0 or 1."""
    return _padded(x, outside)[:, 1 + rows : 1 + rows + x.shape[1], 1 + columns : 1 + columns + x.shape[2]]


def _extreme3(x: np.ndarray, pick: Callable[[np.ndarray, np.ndarray], np.ndarray], outside: int) -> np.ndarray:
    """Minimum or maximum over the 3x3 neighbourhood."""
    x = _padded(x, outside)
    x = pick(pick(x[:, :-2], x[:, 1:-1]), x[:, 2:])
    return pick(pick(x[:, :, :-2], x[:, :, 1:-1]), x[:, :, 2:])
