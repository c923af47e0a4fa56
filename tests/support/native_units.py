"""Units for tests of the native core: what the library takes, and the same for the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.native import library
from support import native_reference as reference

#: Distances of edges: some values have no width.
_STEPS = np.array([0, 1, 31, 32, 33, 64, 8100])


@dataclass(frozen=True)
class Kind:
    """What a unit is like."""

    components: int = 4
    phase: int = 1
    colours: int = 3
    colour: int = 0
    images: int = 1
    #: Cells of the tile, and of the unit.
    size: tuple[int, int] = (3, 4)
    unit_size: tuple[int, int] = (3, 4)
    count: int = 256
    log2_steps: int = 0
    edges: bool = False
    log2_penalty: int | None = None
    #: Whether planes and parameters are what a network and an image give, or whatever memory can hold.
    hostile: bool = False
    seed: int = 0


class Case:
    """A scale, a tile and a unit."""

    def __init__(self, kind: Kind):
        self.kind = kind
        rng = np.random.default_rng(kind.seed)
        edges = forbidden = None
        if kind.edges:
            steps = rng.choice(_STEPS, 257) if kind.hostile else rng.integers(24, 41, 257)
            edges = np.minimum(np.cumsum(steps) - rng.integers(0, 1 << 20), 1 << 20).astype(np.int32)
            if not kind.hostile:
                edges -= edges[128] - 128 * 32
        if kind.log2_penalty is not None:
            forbidden = rng.integers(0, 256, 1 << 21, dtype=np.uint8)
        self.scale = library.Scale(kind.count, kind.log2_steps, edges, forbidden, kind.log2_penalty or 0)
        self.reference_scale = reference.Scale(
            kind.count,
            kind.log2_steps,
            None if edges is None else edges.tolist(),
            forbidden,
            kind.log2_penalty or 0,
        )
        self.centre = rng.integers(0, kind.count)
        self.values, self.residuals = self._planes(rng)
        n = kind.images * kind.unit_size[0] * kind.unit_size[1]
        self.parameters = self._parameters(rng, n)
        self.unit = library.Unit((kind.phase, kind.colour), kind.unit_size, kind.images, *self.parameters)
        self.reference_unit = reference.Unit(kind.phase, kind.colour, *kind.unit_size, *self.parameters)

    def _planes(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        kind = self.kind
        shape = (kind.images, kind.colours, 4, *(side + 2 * library.BORDER for side in kind.size))
        if kind.hostile:
            values = rng.integers(-(2**31), 2**31, shape, dtype=np.int64)
            values >>= rng.integers(0, 32, shape)  # All magnitudes.
            residuals = rng.integers(-128, 128, shape, dtype=np.int8)
        else:
            spread = 1 + kind.count // int(rng.choice([4, 32, 256, 70000]))
            values = np.clip(rng.integers(self.centre - spread, self.centre + spread, shape), 0, kind.count - 1)
            values[:, :, kind.phase + 1 :] = -1
            residuals = np.zeros(shape, dtype=np.int8)
            residuals[:, :, : kind.phase] = rng.integers(-96, 97, residuals[:, :, : kind.phase].shape, dtype=np.int8)
        # What is coded.
        own = values[:, kind.colour, kind.phase]
        inside = tuple(slice(library.BORDER, library.BORDER + side) for side in kind.unit_size)
        own[(slice(None), *inside)] = np.clip(own[(slice(None), *inside)], 0, kind.count - 1)
        if not kind.hostile:
            border = np.ones(own.shape, dtype=bool)
            border[(slice(None), *inside)] = False
            own[border] = -1
        return values.astype(np.int32), residuals

    def _parameters(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
        kind = self.kind
        rows = kind.components + kind.colour
        if kind.hostile:
            shapes = rng.integers(0, 256, (2 * kind.components, n), dtype=np.uint8)
            shapes[rng.random(shapes.shape) < 0.2] = 255
            shapes[rng.random(shapes.shape) < 0.2] = 0
            means = rng.integers(-(2**31), 2**31, (rows, n), dtype=np.int64) >> rng.integers(0, 32, (rows, n))
            places = rng.integers(-(2**31), 2**31, (kind.colour + 1, n), dtype=np.int64)
            places >>= rng.integers(0, 32, places.shape)
            base, *offsets = places.astype(np.int32)
            return shapes, means.astype(np.int32), base, np.array(offsets, dtype=np.int32).reshape(kind.colour, n)
        shapes = np.concatenate(
            [
                rng.integers(0, 256, (kind.components, n), dtype=np.uint8),
                rng.integers(60, 180, (kind.components, n), dtype=np.uint8),
            ]
        )
        around = self.centre * 32 * 0.5**kind.log2_steps
        means = rng.integers(-200, 201, (rows, n), dtype=np.int32)
        offsets = rng.integers(-200, 201, (kind.colour, n), dtype=np.int32)
        return shapes, means, np.full(n, around, dtype=np.int32), offsets

    def tile(self) -> library.Tile:
        """A copy of the planes, in which the values of the unit are known."""
        return library.Tile(self.values.copy(), self.residuals.copy())

    def blank(self) -> library.Tile:
        """A copy of the planes, in which they are not."""
        tile = self.tile()
        if not self.kind.hostile:
            tile.values[:, self.kind.colour, self.kind.phase] = -1
        return tile

    def refer(self, coder: reference.Coder, tile: library.Tile, histograms: reference.Histograms | None = None) -> None:
        """Code the unit with the reference."""
        planes = tile.values, tile.residuals
        reference.code_unit(self.reference_scale, planes, self.reference_unit, coder, histograms)
