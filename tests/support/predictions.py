"""Hostile and random predictions of a denoiser, and rows of subpixels in the native library."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from mulanzip.density.backends import Array
from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.model import EXACT_LIMIT
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.value_edges import MAX_OFFSET, ValueEdges
from mulanzip.lattice.geometry import H
from mulanzip.native import library
from mulanzip.native.library import BORDER
from support.pictures import worst_values

#: Numbers of components that :func:`mulanzip.density.model.prove` admits.
MOST_MIXTURES = 7
#: Linear terms between three colours.
COUPLINGS = 3

seeds = st.integers(0, 2**32 - 1)
mixtures = st.integers(1, MOST_MIXTURES)


def predicting(shapes: np.ndarray, means: np.ndarray, base: np.ndarray) -> Prediction:
    """A prediction that does not depend on the values of colours.

    Args:
        shapes: uint8 ``(2 * COLOURS * k, n)``, logits of all colours, then scales of all.
        means: int32 ``(COLOURS * k + COUPLINGS, n)``, means of all colours, then couplings.
        base: int32 ``(COLOURS, n)``.
    """
    k = len(shapes) // (2 * COLOURS)
    columns = np.arange(base.shape[1])[:, None]

    def head(features: Array, offsets: np.ndarray, colour: int) -> tuple[np.ndarray, np.ndarray]:
        assert offsets.shape == (colour, len(features))
        n = np.asarray(features)[:, 0]
        rows, wide = slice(colour * k, (colour + 1) * k), slice((COLOURS + colour) * k, (COLOURS + colour + 1) * k)
        first = COLOURS * k + (0, 0, 1)[colour]
        own = np.concatenate((means[rows], means[first : first + colour]))
        shape = np.concatenate((shapes[rows], shapes[wide]))
        return np.ascontiguousarray(shape[:, n]), np.ascontiguousarray(own[:, n])

    return Prediction(columns, base, head)


def hostile(seed: int, k: int, count: int, scale: SampleScale = EIGHT_BIT) -> Prediction:
    """Extreme predictions, within the range of an integer network."""
    rng = np.random.default_rng(seed)
    shapes = worst_values(rng, 0, 255, (2 * COLOURS * k, count)).astype(np.uint8)
    top = (scale.count - 1 << scale.log2_levels_per_step >> scale.log2_steps_per_level) << MEAN_BITS
    reach = int(rng.choice([1 << MEAN_BITS, top, EXACT_LIMIT - 1]))
    means = worst_values(rng, -reach, reach, (COLOURS * k + COUPLINGS, count)).astype(np.int32)
    base = worst_values(rng, 0, top, (COLOURS, count)).astype(np.int32)
    return predicting(shapes, means, base)


def random_edges(seed: int, unit: int, colours: int = 3) -> ValueEdges:
    """Edges with random offsets, up to the largest that are allowed."""
    rng = np.random.default_rng(seed)
    reach = int(rng.integers(1, (MAX_OFFSET >> unit) + 1))
    edges = (np.arange(1, 256) << MEAN_BITS - unit) + rng.integers(-reach, reach + 1, (colours, 255))
    edges = np.clip(np.maximum.accumulate(edges, axis=1), 0, 256 << MEAN_BITS - unit)
    return ValueEdges.moved(edges - (np.arange(1, 256) << MEAN_BITS - unit), unit)


class Row:
    """Subpixels in a row, of whose other phases nothing is known: so no surroundings are constant."""

    def __init__(self, prediction: Prediction, values: np.ndarray, statistics: SampleStatistics = PLAIN_STATISTICS):
        """Put values into a tile.

        Args:
            prediction: of ``n`` cells.
            values: ``(colours, n)``.  The last colour is the one that is coded.
            statistics: of the values.
        """
        colours, count = values.shape
        self._scale = statistics.native_scale(colours - 1)
        self.tile = library.Tile.empty(1, colours, 1, count)
        self.tile.values[0, :, H, BORDER, BORDER : BORDER + count] = values
        base = np.ascontiguousarray(prediction.base[:colours])
        positions = [statistics.level_positions(values[c].astype(np.int32), c) for c in range(colours - 1)]
        offsets = np.array(positions, dtype=np.int32).reshape(-1, count) - base[:-1]
        shapes, means = prediction.head(prediction.features, offsets, colours - 1)
        self.unit = library.Unit((H, colours - 1), (1, count), 1, shapes, means, base[-1], offsets)

    def symbols(self) -> np.ndarray:
        """First slot and number of slots of each subpixel, ``(n, 2)``."""
        return library.encode_unit(self._scale, self.tile, self.unit).astype(np.int64)

    def last_slots(self, values: np.ndarray) -> np.ndarray:
        """First slot and number of slots of the last subpixel, for each of the values that it may have, ``(m, 2)``."""
        found = []
        for value in values:
            self.tile.values[0, -1, H, BORDER, -BORDER - 1] = value
            found.append(self.symbols()[-1])
        return np.array(found)

    def decoded(self, words: np.ndarray) -> np.ndarray:
        """Values of the coded colour, ``(n,)``, from rANS words."""
        row = self.tile.values[0, -1, H, BORDER, BORDER:-BORDER]
        row[...] = -1
        decoder = library.Decoder(words)
        decoder.decode_unit(self._scale, self.tile, self.unit)
        assert decoder.is_empty()
        return row

    def bits(self) -> float:
        """Code length of all subpixels."""
        return library.measure_unit(self._scale, self.tile, self.unit) / (1 << library.LENGTH_BITS)


def lone_bits(prediction: Prediction, values: np.ndarray, statistics: SampleStatistics = PLAIN_STATISTICS) -> float:
    """Code length of subpixels ``(colours, n)``, each on its own: nothing is learned, nothing is known around."""
    return sum(
        Row(prediction.at(slice(i, i + 1)), values[: colour + 1, i : i + 1], statistics).bits()
        for colour in range(len(values))
        for i in range(values.shape[1])
    )


def code_lengths(prediction: Prediction, statistics: SampleStatistics = PLAIN_STATISTICS) -> np.ndarray:
    """Code length in bits of each value of the first colour of a single cell."""
    row = Row(prediction, np.zeros((1, 1), dtype=np.int32), statistics)
    return library.SLOT_BITS - np.log2(row.last_slots(np.arange(statistics.scale.count))[:, 1])
