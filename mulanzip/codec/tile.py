"""Coding of a tile, step by step: one function encodes, decodes and measures.

The pixels are one array of lattice level 0, which is read when encoding and filled when decoding.  A
:class:`PhaseCoder` codes the phases that a step reveals.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mulanzip.density.prediction import Prediction
from mulanzip.lattice.geometry import A, Grid, Tile, to_cells, write_cells
from mulanzip.lattice.schedules import Schedule, subset_mask
from mulanzip.timings import timed


class Predictor(Protocol):
    """A denoiser; see :meth:`mulanzip.density.passes.PassPredictor.predict`."""

    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        pass0_features: Any,
    ) -> tuple[dict[int, Prediction], Any]: ...


class PhaseCoder(Protocol):
    """Codes all colours of some cells of one phase."""

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Code ``n`` cells.

        Args:
            truth: ``(n, C)`` when encoding, None when decoding.

        Returns:
            the values, ``(n, C)``.
        """
        ...


def level_view(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """View of the pixels of a lattice level in those of level 0, ``(..., H, W, C)``."""
    stride = 1 << grid.level
    return pixels[..., ::stride, ::stride, :]


def code_tile(
    tile: Tile,
    pixels: np.ndarray,
    predictor: Predictor,
    schedule: Schedule,
    coder: PhaseCoder,
    *,
    decoding: bool,
    skipped: int = 0,
) -> int:
    """Code phases H, V and D of a tile, given the coarser level.

    The denoiser sees phase A of the tile and of a halo around it, and the phases that earlier steps revealed inside of
    the tile.  It never sees H, V or D of other tiles, so the tiles of a level are independent of each other.

    Args:
        tile: the cells to code.
        pixels: ``(H, W, C)`` of level 0, C 3 or 1.  Or images side by side, ``(B, H, W, C)``, which are independent of
            each other; each phase is coded for one image after the other.
        decoding: fill ``pixels`` instead of reading them.
        skipped: number of finer levels that ``pixels`` and ``tile`` leave out.

    Returns:
        the number of network evaluations.
    """
    level = level_view(pixels, tile.grid)
    halo = tile.with_halo()
    region = level[..., 2 * halo.top : 2 * halo.bottom, 2 * halo.left : 2 * halo.right, :]
    inside = level[..., 2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right, :]
    window = (
        slice(tile.top - halo.top, tile.bottom - halo.top),
        slice(tile.left - halo.left, tile.right - halo.left),
    )
    cells = to_cells(region)
    own = cells[..., window[0], window[1], :, :]
    truth = None if decoding else to_cells(inside)
    known = np.zeros(cells.shape[-4:-1], dtype=bool)
    known[..., A] = True
    present = tile.grid.presence()[tile.top : tile.bottom, tile.left : tile.right]
    pass0_features = None
    for step in schedule:
        with timed("network"):
            phases = {r.phase for r in step}
            predictions, pass0_features = predictor.predict(
                cells, known, window, phases, tile.grid.level + skipped, pass0_features
            )
        for reveal in step:
            mask = present[..., reveal.phase] & subset_mask(reveal.subset, tile.height, tile.width)
            every = np.broadcast_to(mask, own.shape[:-2])
            prediction = predictions[reveal.phase].select(every)
            values = coder.code_phase(prediction, None if truth is None else truth[every, reveal.phase])
            own[every, reveal.phase] = values
            known[window][..., reveal.phase] |= mask
    if decoding:
        write_cells(own, inside)
    return len(schedule)
