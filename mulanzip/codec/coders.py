"""Coders of a tile's subpixels: one walk (:func:`mulanzip.codec.tile.code_tile`) encodes, decodes, measures, counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import numpy as np

from mulanzip.codec.planes import TilePlanes
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.errors import CorruptFileError
from mulanzip.native import library
from mulanzip.native.symbols import uniform_symbols
from mulanzip.timings import timed


class TileCoder(ABC):
    """Codes subpixels, one phase and colour of a tile after the other.

    Args:
        statistics: of the samples.
    """

    decoding = False

    def __init__(self, statistics: SampleStatistics):
        self._statistics = statistics
        self._scale = cache(statistics.native_scale)

    def code_phase(self, planes: TilePlanes, phase: int, prediction: Prediction) -> np.ndarray:
        """Code all colours of a phase.

        Args:
            planes: of the tile.  Their values are read, or filled when decoding; their residuals are filled.
            prediction: for the cells that have the phase, at least one.

        Returns:
            the values, int32 ``(n, C)``, one image after the other.
        """
        extent = planes.extent(phase)
        inside = planes.values(phase)
        images, colours = inside.shape[:2]
        count = images * extent[0] * extent[1]
        learned = planes.learned(phase)
        base = np.ascontiguousarray(prediction.base)
        offsets = np.empty((colours, count), dtype=np.int32)
        values = np.empty((count, colours), dtype=np.int32)
        for colour in range(colours):
            with timed("network"):
                shapes, means = prediction.head(prediction.features, offsets[:colour], colour)
            with timed("coder"):
                unit = library.Unit((phase, colour), extent, images, shapes, means, base[colour], offsets[:colour])
                if learned is not None:
                    unit.remember(learned)
                self._code(self._scale(colour), planes.native, unit)
                values[:, colour] = inside[:, colour].reshape(-1)
                offsets[colour] = self._statistics.level_positions(values[:, colour], colour) - base[colour]
        return values

    @abstractmethod
    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` samples that are equally likely.

        Args:
            values: ``(count,)``; None when decoding.

        Returns:
            the values.
        """

    @abstractmethod
    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        """Code a colour of a phase."""


class TileEncoder(TileCoder):
    """Collects symbols, and codes them from last to first, because ANS is a stack."""

    def __init__(self, statistics: SampleStatistics):
        super().__init__(statistics)
        self._symbols: list[np.ndarray] = []

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._symbols.append(uniform_symbols(values, self._statistics.scale.count))
        return values

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        self._symbols.append(library.encode_unit(scale, tile, unit))

    def finish(self) -> bytes:
        """The coded bytes: little-endian words of 32 bits, without zero bytes at the end."""
        return library.push(np.concatenate(self._symbols)).astype("<u4").tobytes().rstrip(b"\0")


class TileDecoder(TileCoder):
    """Returns what :class:`TileEncoder` coded.

    Raises:
        CorruptFileError: if the bytes cannot come from an encoder.
    """

    decoding = True

    def __init__(self, statistics: SampleStatistics, data: bytes):
        super().__init__(statistics)
        if data.endswith(b"\0"):
            raise CorruptFileError("coded data ends with padding")
        words = np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)
        self._decoder = library.Decoder(words)

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        return self._decoder.decode_uniform(self._statistics.scale.count, count)

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        self._decoder.decode_unit(scale, tile, unit)

    def finish(self) -> None:
        """Check that no symbols are left.

        Raises:
            CorruptFileError: if symbols are left.
        """
        if not self._decoder.is_empty():
            raise CorruptFileError("coded data goes on after the last pixel")


class TileMeter(TileCoder):
    """Measures code lengths, and codes nothing.

    Attributes:
        bits: of everything so far.
    """

    def __init__(self, statistics: SampleStatistics):
        super().__init__(statistics)
        self._total = 0

    @property
    def bits(self) -> float:
        return self._total / (1 << library.LENGTH_BITS)

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._total += library.measure_symbols(uniform_symbols(values, self._statistics.scale.count))
        return values

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        self._total += library.measure_unit(scale, tile, unit)


class CellMeter(TileMeter):
    """Measures the code length of each cell, too.

    Attributes:
        phases: bits of the cells of a tile's phases, all colours together: float64 ``(n,)`` each.
    """

    def __init__(self, statistics: SampleStatistics):
        super().__init__(statistics)
        self.phases: dict[int, np.ndarray] = {}

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        bits = np.zeros(unit.count, dtype=np.uint32)
        self._total += library.measure_unit(scale, tile, unit, bits)
        phase, colour = unit.place
        self.phases[phase] = bits / (1 << library.LENGTH_BITS) + (self.phases[phase] if colour else 0)


class Census(TileCoder):
    """Counts the values near the means of their distributions, and codes nothing.

    Attributes:
        seen: int64 ``(colours, count)``, observed counts.
        expected: int64 ``(colours, count)``, counts that the distributions predict, in units of ``2**-16``.
    """

    def __init__(self, statistics: SampleStatistics, colours: int):
        super().__init__(statistics)
        shape = (colours, statistics.scale.count)
        self.seen, self.expected = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        return values

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        _, colour = unit.place
        library.count_unit(scale, tile, unit, self.seen[colour], self.expected[colour])
