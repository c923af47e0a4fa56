"""The arrays of an image and of a tile while they are coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.lattice.geometry import PHASE_OFFSETS, A, Grid, Tile, level_view
from mulanzip.native.library import BORDER, LEARNED
from mulanzip.native.library import Tile as NativeTile

_CODED_PHASES = range(1, 4)


@dataclass(frozen=True)
class Canvas:
    """An image while it is coded, or images side by side.

    Attributes:
        pixels: indices ``(H, W, C)`` or ``(B, H, W, C)`` in coding order of colours, C 1 or 3: read when encoding,
            filled when decoding.
        residuals: int8 ``(..., H/2, W/2, C)``, rounded up: of the pixels of level 1, as those of level 0 are not kept,
            but for slices of a stack: ``(H, W, 1)``.  In 1/16 standard deviation; 0 for pixels that no mixture coded.
        slice: what a slice of a stack has beside these.
    """

    pixels: np.ndarray
    residuals: np.ndarray
    slice: Slice | None = None

    @classmethod
    def of(cls, pixels: np.ndarray) -> Canvas:
        """For an image none of whose tiles is coded yet."""
        *batch, height, width, colours = pixels.shape
        return cls(pixels, np.zeros((*batch, (height + 1) // 2, (width + 1) // 2, colours), dtype=np.int8))

    @classmethod
    def of_slice(cls, pixels: np.ndarray, earlier: Sequence[tuple[Canvas, bool]]) -> Canvas:
        """For a slice of a stack, none of whose tiles is coded yet.

        Args:
            pixels: ``(H, W, 1)``.
            earlier: slices that it looks at, of the same size, and whether their pixels stand for the same values.
        """
        return cls(pixels, np.zeros(pixels.shape, dtype=np.int8), Slice(tuple(earlier)))

    def anew(self) -> Canvas:
        """The same pixels before any of their tiles is coded."""
        return Canvas.of(self.pixels) if self.slice is None else Canvas.of_slice(self.pixels, self.slice.earlier)

    @property
    def finest(self) -> int:
        """The finest level whose residuals are kept."""
        return 0 if self.slice else 1

    def level(self, grid: Grid) -> np.ndarray:
        """View of the pixels of a level."""
        return level_view(self.pixels, grid)

    def residuals_of(self, level: int) -> np.ndarray:
        """View of the residuals of a level, :attr:`finest` or more."""
        stride = 1 << level - self.finest
        return self.residuals[..., ::stride, ::stride, :]


@dataclass
class Slice:
    """What a slice of a stack has beside its samples.

    Attributes:
        earlier: the slices that it looks at, and whether their pixels stand for the same values as its own.
        learned: what units have learned, int32 ``(LEARNED,)`` each,
            by level, top and left of the tile, and phase.
    """

    earlier: tuple[tuple[Canvas, bool], ...]
    learned: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict)

    def begin(self, key: tuple[int, ...]) -> np.ndarray:
        """What a unit begins with: what the same unit of the first earlier slice has learned.

        Raises:
            CorruptFileError: if that unit was not decoded, because the file is damaged.
        """
        first = self.earlier[0][0].slice if self.earlier else None
        if first is not None and key not in first.learned:
            raise CorruptFileError("the same place of an earlier slice is missing")
        self.learned[key] = np.zeros(LEARNED, np.int32) if first is None else first.learned[key].copy()
        return self.learned[key]

    def finish(self) -> None:
        """Let go of earlier slices: all of this one is coded."""
        self.earlier = ()


class TilePlanes:
    """Values and residuals of a tile, plane by plane, with a border of :data:`BORDER` cells.

    Of the border, phase A is known where it lies in the image.

    Attributes:
        native: the planes as the native library takes them.
    """

    def __init__(self, tile: Tile, canvas: Canvas, *, decoding: bool):
        """The planes before phases H, V and D are coded; unless decoding, the values of these are there already."""
        self._tile, self._canvas = tile, canvas
        level = canvas.level(tile.grid)
        images = level.shape[0] if level.ndim == 4 else 1
        earlier = _earlier_planes(tile, canvas.slice.earlier) if canvas.slice and canvas.slice.earlier else None
        self.native = NativeTile.empty(images, level.shape[-1], tile.height, tile.width, earlier)
        top, left = max(0, tile.top - BORDER), max(0, tile.left - BORDER)
        bottom = min(tile.grid.cell_height, tile.bottom + BORDER)
        right = min(tile.grid.cell_width, tile.right + BORDER)
        source = (..., slice(top, bottom), slice(left, right), slice(None))
        start_row, start_column = top - tile.top + BORDER, left - tile.left + BORDER
        target = (
            slice(None),
            slice(None),
            A,
            slice(start_row, start_row + bottom - top),
            slice(start_column, start_column + right - left),
        )
        self.native.values[target] = _by_plane(level[..., ::2, ::2, :][source])
        self.native.residuals[target] = _by_plane(canvas.residuals_of(tile.grid.level + 1)[source])
        if not decoding:
            for phase in _CODED_PHASES:
                part = self._part(level, phase)
                _inside(self.native.values, phase, part.shape[-3:-1])[...] = _by_plane(part)

    def extent(self, phase: int) -> tuple[int, int]:
        """Rows and columns of cells that have a phase."""
        rows, columns = self._part(self._canvas.level(self._tile.grid), phase).shape[-3:-1]
        return rows, columns

    def values(self, phase: int) -> np.ndarray:
        """View of the values of a phase, int32 ``(B, C, rows, columns)``."""
        return _inside(self.native.values, phase, self.extent(phase))

    def learned(self, phase: int) -> np.ndarray | None:
        """What a unit begins with, and where it leaves what it has learned; None where it begins with nothing."""
        tile = self._tile
        found = self._canvas.slice
        return None if found is None else found.begin((tile.grid.level, tile.top, tile.left, phase))

    def write(self, *, decoding: bool) -> None:
        """Write what was coded to the canvas: residuals that finer levels need; and pixels, when decoding."""
        grid = self._tile.grid
        for phase in _CODED_PHASES:
            if decoding:
                self._copy(self.native.values, self._canvas.level(grid), phase)
            if grid.level >= self._canvas.finest:
                self._copy(self.native.residuals, self._canvas.residuals_of(grid.level), phase)

    def _copy(self, planes: np.ndarray, level: np.ndarray, phase: int) -> None:
        part = self._part(level, phase)
        source = np.moveaxis(_inside(planes, phase, part.shape[-3:-1]), 1, -1)
        part[...] = source if level.ndim == 4 else source[0]

    def _part(self, level: np.ndarray, phase: int) -> np.ndarray:
        """The pixels of a phase of the tile in those of its level."""
        tile, (row, column) = self._tile, PHASE_OFFSETS[phase]
        rows, columns = slice(2 * tile.top + row, 2 * tile.bottom, 2), slice(2 * tile.left + column, 2 * tile.right, 2)
        return level[..., rows, columns, :]


def _earlier_planes(tile: Tile, earlier: Sequence[tuple[Canvas, bool]]) -> tuple[np.ndarray, np.ndarray]:
    """Values and residuals of earlier slices, ``(slices, 4, height + 4, width + 4)``.

    All in the tile is known, and nothing in the border: so a tile depends on no other tile of earlier slices.  Values
    are not known where they stand for others.
    """
    shape = (len(earlier), len(PHASE_OFFSETS), tile.height + 2 * BORDER, tile.width + 2 * BORDER)
    values, residuals = np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.int8)
    for number, (canvas, is_alike) in enumerate(earlier):
        sources: list[tuple[np.ndarray, np.ndarray]] = [(residuals, canvas.residuals_of(tile.grid.level))]
        if is_alike:
            sources.append((values, canvas.level(tile.grid)))
        for target, level in sources:
            for phase, (row, column) in enumerate(PHASE_OFFSETS):
                part = level[row::2, column::2, 0][tile.top : tile.bottom, tile.left : tile.right]
                target[number, phase, BORDER : BORDER + part.shape[0], BORDER : BORDER + part.shape[1]] = part
    return values, residuals


def _inside(planes: np.ndarray, phase: int, extent: tuple[int, int]) -> np.ndarray:
    """View of a phase without the border, ``(B, C, rows, columns)``."""
    return planes[:, :, phase, BORDER : BORDER + extent[0], BORDER : BORDER + extent[1]]


def _by_plane(pixels: np.ndarray) -> np.ndarray:
    """``(h, w, C)`` or ``(B, h, w, C)`` -> ``(B, C, h, w)``."""
    moved = np.moveaxis(pixels, -1, -3)
    return moved if pixels.ndim == 4 else moved[None]
