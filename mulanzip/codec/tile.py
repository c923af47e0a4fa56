"""Coding of a tile, step by step: one function encodes, decodes and measures."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mulanzip.codec.coders import TileCoder
from mulanzip.codec.planes import Canvas, TilePlanes
from mulanzip.density.prediction import Prediction
from mulanzip.lattice.geometry import A, Tile, to_cells
from mulanzip.lattice.schedules import Schedule
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


def code_tile(
    tile: Tile, canvas: Canvas, predictor: Predictor, schedule: Schedule, coder: TileCoder, *, skipped: int = 0
) -> int:
    """Code phases H, V and D of a tile, given the coarser level.

    The denoiser sees phase A of the tile and of a halo around it, and the phases that earlier steps revealed inside of
    the tile.  It never sees H, V or D of other tiles, so the tiles of a level are independent of each other.

    Args:
        tile: the cells to code.
        canvas: images side by side are independent of each other; each phase is coded for one image after the other.
        skipped: number of finer levels that ``canvas`` and ``tile`` leave out.

    Returns:
        the number of network evaluations.
    """
    level = canvas.level(tile.grid)
    halo = tile.with_halo()
    region = level[..., 2 * halo.top : 2 * halo.bottom, 2 * halo.left : 2 * halo.right, :]
    window = (
        slice(tile.top - halo.top, tile.bottom - halo.top),
        slice(tile.left - halo.left, tile.right - halo.left),
    )
    cells = to_cells(region)
    own = cells[..., window[0], window[1], :, :]
    known = np.zeros(cells.shape[-4:-1], dtype=bool)
    known[..., A] = True
    planes = TilePlanes(tile, canvas, decoding=coder.decoding)
    present = tile.grid.presence()[tile.top : tile.bottom, tile.left : tile.right]
    pass0_features = None
    for phases in schedule:
        with timed("network"):
            predictions, pass0_features = predictor.predict(
                cells, known, window, set(phases), tile.grid.level + skipped, pass0_features
            )
        for phase in phases:
            mask = present[..., phase]
            if mask.any():
                every = np.broadcast_to(mask, own.shape[:-2])
                values = coder.code_phase(planes, phase, predictions[phase].select(every))
                own[every, phase] = values
            known[window][..., phase] |= mask
    planes.write(decoding=coder.decoding)
    return len(schedule)
