"""The one walk over an image that encoding, decoding and measuring share.

Pixels are held as one array of level 0, which the walk reads (encoding) or fills (decoding) level
by level, tile by tile, step by step.  What "coding a phase" means is the caller's business.
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
    """Codes some cells of one phase, all colours."""

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        """Args: truth is ``(n, C)`` when encoding.  Returns: the values, ``(n, C)``."""
        ...


def level_view(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """The pixels of a level inside those of level 0, ``(..., H, W, C)``, sharing memory."""
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

    The denoiser sees phase A of the tile and of a halo around it, and whatever the steps before
    have revealed inside the tile: never H, V or D of other tiles, so tiles of a level are
    independent of each other.

    Args:
        tile: which cells.
        pixels: ``(H, W, C)`` of level 0; C is 3, or 1 for gray.  Or images side by side, ``(B, H, W, C)``, which
            see nothing of each other: what is coded together is coded for one image after the other.
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
    colours = pixels.shape[-1]
    cells = np.repeat(to_cells(region), 3 // colours, axis=-1)
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
            mask = present[..., reveal.phase] & subset_mask(reveal.part, tile.height, tile.width)
            every = np.broadcast_to(mask, own.shape[:-2])
            prediction = predictions[reveal.phase].select(every)
            values = coder.code_phase(prediction, None if truth is None else truth[every, reveal.phase])
            own[every, reveal.phase] = values
            known[window][..., reveal.phase] |= mask
    if decoding:
        write_cells(own[..., :colours], inside)
    return len(schedule)
