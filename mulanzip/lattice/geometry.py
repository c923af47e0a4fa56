"""Geometry of an image: levels, 2x2 cells, phases, tiles and segments.

Level 0 is the image.  Level ``l + 1`` keeps the pixels of level ``l`` with even row and even column.  A *cell* of level
``l`` is a 2x2 block: phase ``A`` at (0, 0), which is the pixel of level ``l + 1``, then ``H`` (0, 1), ``V`` (1, 0) and
``D`` (1, 1).  Cells on the border of an odd-sized image lack phases.  Such a phase is *absent*: it is never coded, and
never known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

A, H, V, D = range(4)
PHASE_NAMES = "AHVD"
#: (row, column) of each phase inside its cell.
PHASE_OFFSETS = ((0, 0), (0, 1), (1, 0), (1, 1))

#: Maximum pixels of the coarsest level, which is coded with uniform probabilities.
COARSEST_PIXELS = 16
#: Maximum side of a tile, in cells.  It bounds the memory of coding, which handles one tile at a time.
TILE_CELLS = 256
#: Levels with more cells have at least two tiles, which can be coded in parallel.
SINGLE_TILE_CELLS = 1 << 14
#: Width in cells of the surroundings of a tile that the denoiser sees.
HALO_CELLS = 8


@dataclass(frozen=True)
class Grid:
    """A lattice level: its index, and its size in pixels."""

    level: int
    height: int
    width: int

    @property
    def cell_height(self) -> int:
        return (self.height + 1) // 2

    @property
    def cell_width(self) -> int:
        return (self.width + 1) // 2

    def presence(self) -> np.ndarray:
        """Which phases are present: bool, shape ``(cell_height, cell_width, 4)``."""
        present = np.ones((self.cell_height, self.cell_width, 4), dtype=bool)
        if self.width % 2:
            present[:, -1, [H, D]] = False
        if self.height % 2:
            present[-1, :, [V, D]] = False
        return present


@dataclass(frozen=True)
class Tile:
    """A rectangle of cells ``[top, bottom) x [left, right)`` of one level: the unit of coding."""

    grid: Grid
    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def with_halo(self) -> Tile:
        """This tile and up to :data:`HALO_CELLS` cells around it, clipped to the level."""
        return Tile(
            self.grid,
            max(0, self.top - HALO_CELLS),
            min(self.grid.cell_height, self.bottom + HALO_CELLS),
            max(0, self.left - HALO_CELLS),
            min(self.grid.cell_width, self.right + HALO_CELLS),
        )


@dataclass(frozen=True)
class Segment:
    """Tiles that are coded together, from coarse to fine.

    The *base* segment holds the coarsest level, and then all levels that are a single tile.  Each other segment is one
    tile, and depends on coarser levels alone.

    Attributes:
        base: the coarsest level; None in other segments.
        first: number of tiles in the segments before.
    """

    tiles: tuple[Tile, ...]
    base: Grid | None = None
    first: int = 0

    @property
    def is_base(self) -> bool:
        return self.base is not None


def level_grids(height: int, width: int, coarsest: int = COARSEST_PIXELS) -> list[Grid]:
    """All levels, from fine to coarse; the last one has at most ``coarsest`` pixels.

    Raises:
        ValueError: if a side is smaller than 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f"image sides must be at least 1, not {width}x{height}")
    grids = [Grid(0, height, width)]
    while grids[-1].height * grids[-1].width > coarsest:
        last = grids[-1]
        grids.append(Grid(last.level + 1, last.cell_height, last.cell_width))
    return grids


def _cuts(cells: int, parts: int) -> list[int]:
    """Ends of ``parts`` equal parts of a side of ``cells`` cells."""
    return [cells * i // parts for i in range(parts + 1)]


def tiles(grid: Grid) -> list[Tile]:
    """The tiles of a level in raster order: as few as possible with sides of ``TILE_CELLS`` or less, or two halves."""
    height, width = grid.cell_height, grid.cell_width
    down, across = -(-height // TILE_CELLS), -(-width // TILE_CELLS)
    if down * across == 1 and height * width > SINGLE_TILE_CELLS:
        down, across = (2, 1) if height > width else (1, 2)
    rows, columns = _cuts(height, down), _cuts(width, across)
    return [Tile(grid, top, bottom, left, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


def segments(height: int, width: int, coarsest: int = COARSEST_PIXELS) -> list[Segment]:
    """All segments of an image in coding order.  They depend on the sizes of the image and its coarsest level alone."""
    base: list[Tile] = []
    others: list[Segment] = []
    *grids, last = level_grids(height, width, coarsest)
    for grid in reversed(grids):
        level_tiles = tiles(grid)
        if len(level_tiles) == 1:
            base += level_tiles
        else:
            first = len(base) + len(others)
            others += [Segment((tile,), first=first + i) for i, tile in enumerate(level_tiles)]
    return [Segment(tuple(base), last), *others]


def level_view(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """View of the pixels of a lattice level in those of level 0, ``(..., H, W, C)``."""
    stride = 1 << grid.level
    return pixels[..., ::stride, ::stride, :]


def to_cells(pixels: np.ndarray) -> np.ndarray:
    """Pixels ``(..., h, w, C)`` of any rectangle with even origin -> cells ``(..., ceil(h/2), ceil(w/2), 4, C)``.

    Absent phases hold 0.
    """
    *batch, h, w, channels = pixels.shape
    cells = np.zeros((*batch, (h + 1) // 2, (w + 1) // 2, 4, channels), dtype=pixels.dtype)
    for phase, (row, column) in enumerate(PHASE_OFFSETS):
        part = pixels[..., row::2, column::2, :]
        cells[..., : part.shape[-3], : part.shape[-2], phase, :] = part
    return cells


def write_cells(cells: np.ndarray, pixels: np.ndarray) -> None:
    """The inverse of :func:`to_cells`: write the present phases to ``pixels``, ``(..., h, w, C)``."""
    for phase, (row, column) in enumerate(PHASE_OFFSETS):
        part = pixels[..., row::2, column::2, :]
        part[...] = cells[..., : part.shape[-3], : part.shape[-2], phase, :]
