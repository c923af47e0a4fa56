"""Value edges of an image: they make the histogram that the model expects equal to the one that is seen."""

from __future__ import annotations

import math

import numpy as np

from mulanzip.codec.coders import Census
from mulanzip.codec.planes import Canvas
from mulanzip.codec.tile import code_tile
from mulanzip.density.config import MEAN_BITS
from mulanzip.density.runtime import Runtime
from mulanzip.density.value_edges import MAX_OFFSET, PLAIN_EDGES, VALUES, ValueEdges
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.image.crops import sample_crops
from mulanzip.lattice.geometry import Grid, tiles
from mulanzip.lattice.schedules import SCHEDULES
from mulanzip.row_blocks import row_blocks

#: Fractional bits of expected counts, and of widths.
_BITS = 16
#: Pseudo-count added to the observed and to the expected histogram.
_PRIOR = 16
#: Edges are high-pass filtered: a moving average of this number of taps is subtracted twice.
_TAPS = 13
#: A histogram is a comb if the sum of its absolute second differences is at least 1/3 of its pixels.  From 1/5 on, it
#: may be one.
_RUGGED, _MAYBE_RUGGED = 3, 5
#: Width assumed for a value of width zero, which can be coded all the same.
_LEAST_WIDTH = 0.1
#: Side in pixels of the crops whose values are counted.
_SIDE = 128
#: Bits per nat.  An edge that is fitted to noise seems to gain half a nat, and loses as much elsewhere.
_NAT = 1 / math.log(2)
#: Halving the unit of edges costs one bit per edge.  A unit of one level pays where values have this number of pixels.
_FINE_PAYS = 22


def edge_choices(planes: np.ndarray, runtime: Runtime, *, is_judged: bool) -> list[ValueEdges | None]:
    """Value edges that may make an image smaller; None where they are not worth their bytes.

    Args:
        planes: uint8 ``(H, W, C)`` in coding order of colours, C 1 or 3.
        runtime: for plain samples.
        is_judged: whether the caller drops edges if the whole image takes more bytes with them.  Then there is a second
            choice, of edges for more images.
    """
    combs = [
        [_is_comb(planes[..., colour], rugged) for colour in range(planes.shape[2])]
        for rugged in (_RUGGED, _MAYBE_RUGGED)[: 1 + is_judged]
    ]
    if not any(combs[-1]):
        return [None] * len(combs)
    sample = sample_crops(planes, _SIDE)
    census, share = _count(sample, runtime), sample.size / planes.size
    unit = _log2_unit(planes[..., 0].size // VALUES)
    return [_choose(of_colours, census, share, unit) for of_colours in combs]


def _choose(combs: list[bool], census: Census, share: float, unit: int) -> ValueEdges | None:
    """Edges of the colours that are combs, where they are worth their bytes.

    Args:
        share: of the image that was counted.
        unit: log2 of the unit of edges.
    """
    if not any(combs):
        return None
    offsets = _edge_offsets(census, unit)
    gains = _gains(ValueEdges.moved(offsets, unit), census)
    for colour, is_comb in enumerate(combs):
        fitted = np.count_nonzero(np.diff(offsets[colour], prepend=0))
        cost = share * 8 * len(ValueEdges.moved(offsets[[colour]], unit).encode())
        if not is_comb or gains[colour] < _NAT * fitted + cost:
            offsets[colour] = gains[colour] = 0
    return ValueEdges.moved(offsets, unit) if gains.sum() > share * 8 * CHUNK_OVERHEAD else None


def _is_comb(plane: np.ndarray, rugged: int) -> bool:
    """Whether the histogram of a channel is rugged."""
    counts = np.zeros(VALUES, dtype=np.int64)
    for rows in row_blocks(plane):
        counts += np.bincount(plane[rows].reshape(-1), minlength=VALUES)
    counts = counts[1:-1]  # Without both ends, which hold everything beyond the range.
    return bool(np.abs(np.diff(counts, 2)).sum() * rugged > counts.sum())


def _log2_unit(pixels: int) -> int:
    """log2 of the unit of edges, for an image with this mean number of pixels per value."""
    fine_enough = (unit for unit in (0, 1, 2) if pixels << 2 * unit + 1 > _FINE_PAYS << 2 * MEAN_BITS)
    return next(fine_enough, 3)


def _count(sample: np.ndarray, runtime: Runtime) -> Census:
    census, canvas = Census(runtime.statistics, sample.shape[2]), Canvas.of(sample)
    for tile in tiles(Grid(0, *sample.shape[:2])):
        code_tile(tile, canvas, runtime.network, SCHEDULES["default"], census)
    return census


def _edge_offsets(census: Census, unit: int) -> np.ndarray:
    """Offsets of edges that make the expected counts the observed ones: int64 ``(colours, 255)``, in ``2**unit``."""
    ratio = (census.seen + _PRIOR << 2 * _BITS) // (census.expected + (_PRIOR << _BITS))
    ratio[:, [0, -1]] = 1 << _BITS  # Both ends have tails.
    moved = (ratio - (1 << _BITS))[:, :-1].cumsum(1)
    moved -= _smooth(_smooth(moved))
    nearest = moved + (1 << _BITS - MEAN_BITS + unit - 1) >> _BITS - MEAN_BITS + unit
    most = MAX_OFFSET >> unit
    inner = PLAIN_EDGES[1:-1].astype(np.int64)
    places = inner + (np.clip(nearest, -most, most) << unit)
    places = np.clip(np.maximum.accumulate(places, axis=1), 0, PLAIN_EDGES[-1])
    found: np.ndarray = places - inner >> unit
    return found


def _smooth(rows: np.ndarray) -> np.ndarray:
    """Moving average of :data:`_TAPS` entries, rounded down."""
    half = _TAPS // 2
    sums = np.pad(rows, ((0, 0), (half, half)), "edge").cumsum(1)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    found: np.ndarray = (sums[:, _TAPS:] - sums[:, :-_TAPS]) // _TAPS
    return found


def _gains(edges: ValueEdges, census: Census) -> np.ndarray:
    """Bits that the counted values save with these edges: float64 ``(colours,)``."""
    widths = np.maximum(np.diff(edges.edges), _LEAST_WIDTH) / (1 << MEAN_BITS)
    found: np.ndarray = (census.seen * np.log2(widths) - _NAT * census.expected / (1 << _BITS) * (widths - 1)).sum(1)
    return found
