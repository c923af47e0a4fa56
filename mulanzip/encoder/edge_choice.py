"""Which tones an image has: the encoder's census of values, in integers."""

from __future__ import annotations

import math

import numpy as np

from mulanzip.codec.subpixels import WINDOW, MixtureCoder, SubpixelBatch, window
from mulanzip.codec.tile import code_tile
from mulanzip.density.config import MEAN_BITS
from mulanzip.density.reweighted_window import masses
from mulanzip.density.runtime import Runtime
from mulanzip.density.value_edges import MAX_OFFSET, PLAIN_EDGES, VALUES, ValueEdges
from mulanzip.encoder.crops import sample_crops
from mulanzip.entropy.ans import BitCounter
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.lattice.geometry import Grid, tiles
from mulanzip.lattice.schedules import SCHEDULES
from mulanzip.row_blocks import row_blocks

#: Fractional bits of expected counts, and of widths.
_BITS = 16
#: So many more are taken to have been seen, and expected, of each value.
_PRIOR = 16
#: What tells is how edges differ from the mean of so many around, and that from its own mean.
_AROUND = 13
#: Second differences of a histogram are one of so many pixels or more where it is a comb; and where it may be one.
_RUGGED, _MAYBE_RUGGED = 3, 5
#: What a value without any width is taken to have, as it can be coded all the same.
_LEAST_WIDTH = 0.1
#: Side in pixels of the crops that are looked at.
_SIDE = 128
#: Nats to bits: a number that is fitted to noise seems to gain half a nat, and loses as much elsewhere.
_NAT = 1 / math.log(2)
#: Steps that are twice as fine cost a bit for each edge; steps of a level pay for it where a value has so many pixels.
_FINE_PAYS = 22


class Census(MixtureCoder):
    """Codes nothing, and counts values near the means of their distributions.

    Attributes:
        seen, expected: int64 ``(colours, 256)``, those that are there, and what distributions said, in ``2**-_BITS``.
    """

    def __init__(self, runtime: Runtime, colours: int):
        super().__init__(runtime.tables, BitCounter(), colours, runtime.sample_scale)
        self.seen = np.zeros((colours, VALUES), dtype=np.int64)
        self.expected = np.zeros((colours, VALUES), dtype=np.int64)

    def _code(self, asked: SubpixelBatch, values: np.ndarray | None) -> np.ndarray:
        assert values is not None
        low = window(asked.mean_level, WINDOW, self._sample_scale)
        for value, mass in masses(asked.mixture, low, WINDOW):
            share = (mass.astype(np.int64) << _BITS) // asked.mixture.total
            # Sums of integers: exact in floating point.
            self.expected[asked.colour] += np.bincount(value, share, VALUES).astype(np.int64)
        inside = values[(values >= low) & (values < low + WINDOW)]
        self.seen[asked.colour] += np.bincount(inside, minlength=VALUES)
        return values


def choose_edges(planes: np.ndarray, runtime: Runtime, judged: bool) -> ValueEdges | None:
    """The tones of an image; None where they are not worth their bytes.

    Args:
        planes: uint8 ``(H, W, C)`` in coding order of colours, C 1 or 3.
        runtime: of plain samples.
        judged: whether they will be dropped if the whole image takes more with them: then more is tried.
    """
    rugged = _MAYBE_RUGGED if judged else _RUGGED
    combs = [_is_comb(planes[..., colour], rugged) for colour in range(planes.shape[2])]
    if not any(combs):
        return None
    sample = sample_crops(planes, _SIDE)
    share = sample.size / planes.size
    unit = _unit(planes[..., 0].size // VALUES)
    census = _count(sample, runtime)
    steps = _steps(census, unit)
    gains = _gains(ValueEdges.moved(steps, unit), census)
    for colour, is_comb in enumerate(combs):
        fitted = np.count_nonzero(np.diff(steps[colour], prepend=0))
        cost = share * 8 * len(ValueEdges.moved(steps[[colour]], unit).encode())
        if not is_comb or gains[colour] < _NAT * fitted + cost:
            steps[colour] = gains[colour] = 0
    return ValueEdges.moved(steps, unit) if gains.sum() > share * 8 * CHUNK_OVERHEAD else None


def _is_comb(plane: np.ndarray, rugged: int) -> bool:
    """Whether neighbours in a histogram differ more than in most pictures."""
    counts = np.zeros(VALUES, dtype=np.int64)
    for rows in row_blocks(plane):
        counts += np.bincount(plane[rows].reshape(-1), minlength=VALUES)
    counts = counts[1:-1]  # Without the ends, where all beyond is.
    return bool(np.abs(np.diff(counts, 2)).sum() * rugged > counts.sum())


def _unit(pixels: int) -> int:
    """Of the steps that edges move by, for an image that has so many pixels of each value."""
    return next(unit for unit in (0, 1, 2, 3) if unit == 3 or pixels << 2 * unit + 1 > _FINE_PAYS << 2 * MEAN_BITS)


def _count(sample: np.ndarray, runtime: Runtime) -> Census:
    census = Census(runtime, sample.shape[2])
    with runtime.intra_threads(1):
        for tile in tiles(Grid(0, *sample.shape[:2])):
            code_tile(tile, sample, runtime.network, SCHEDULES["default"], census, decoding=False)
    return census


def _steps(census: Census, unit: int) -> np.ndarray:
    """Where edges have to move so that what is expected is what was seen: int64 ``(colours, 255)``."""
    ratio = (census.seen + _PRIOR << 2 * _BITS) // (census.expected + (_PRIOR << _BITS))
    ratio[:, [0, -1]] = 1 << _BITS  # Both have tails.
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
    """Means of :data:`_AROUND` entries, rounded down."""
    half = _AROUND // 2
    sums = np.pad(rows, ((0, 0), (half, half)), "edge").cumsum(1)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    found: np.ndarray = (sums[:, _AROUND:] - sums[:, :-_AROUND]) // _AROUND
    return found


def _gains(tones: ValueEdges, census: Census) -> np.ndarray:
    """Bits that the values counted take less with these widths: float64 ``(colours,)``."""
    widths = np.maximum(np.diff(tones.edges), _LEAST_WIDTH) / (1 << MEAN_BITS)
    found: np.ndarray = (census.seen * np.log2(widths) - _NAT * census.expected / (1 << _BITS) * (widths - 1)).sum(1)
    return found
