"""The compiled library as functions over numpy arrays.

Calls release Python's lock.  Arrays that a call writes to must not be used by others meanwhile.

A unit is one phase and colour of a tile, ``n = images * height * width`` subpixels, row by row.
"""

from __future__ import annotations

from ctypes import byref, c_int64, c_uint64
from functools import cache
from typing import Any

import numpy as np

from mulanzip.native.binding import DecoderStruct, ScaleStruct, TileStruct, UnitStruct, check, functions, pointer

#: Cells around a tile in its planes.
BORDER = 2
#: Phases of a cell.
PHASES = 4
#: rANS probabilities are multiples of ``2**-SLOT_BITS``.
SLOT_BITS = 24
#: Cumulative probabilities of categories are multiples of ``2**-CDF_BITS``; probabilities of bits, of ``2**-P_BITS``.
CDF_BITS = 20
P_BITS = 16
#: Earlier slices of a stack that a slice can look at.
MAX_EARLIER = 2
#: Numbers that a unit has learned.
LEARNED = 384
#: Code lengths are counted in ``2**-LENGTH_BITS`` bit.
LENGTH_BITS = 16


@cache
def tables() -> np.ndarray:
    """The tables of the format, ``mz_tables`` of the header: uint8, read-only."""
    found = np.zeros(functions().mz_tables_size() // 8, dtype=np.int64)  # Which aligns its members.
    functions().mz_fill_tables(found.ctypes.data)
    found.flags.writeable = False
    return found.view(np.uint8)


@cache
def other_colours() -> np.ndarray:
    """Bits that are set for colours that no JPEG decoder produces: uint8 ``(2**21,)``, as :class:`Scale` wants them."""
    bits = np.empty(1 << 21, dtype=np.uint8)
    functions().mz_fill_other_colours(bits.ctypes.data)
    bits.flags.writeable = False
    return bits


class Scale:
    """The numeric scale of samples: values 0..``count`` - 1, ``2**log2_steps`` of their steps are a level.

    Edges and forbidden colours are for ``count`` 256 and ``log2_steps`` 0.

    Args:
        count: 1..65536.
        log2_steps: -4..8.
        edges: int32 ``(257,)``, rising lower edges of values in 1/32 level, of which the first and the last are not
            read; None for even ones.
        forbidden: uint8 ``(2**21,)``, bit ``i % 8`` of byte ``i // 8`` says that colour ``i = green << 16 | red << 8 |
            blue`` is rare; None for none.
        log2_penalty: 0..31, how often the probability of rare colours is halved.
    """

    def __init__(
        self,
        count: int = 256,
        log2_steps: int = 0,
        edges: np.ndarray | None = None,
        forbidden: np.ndarray | None = None,
        log2_penalty: int = 0,
    ):
        self.count = count
        self._arrays = (edges, forbidden)  # They must live as long as the addresses.
        self.struct = ScaleStruct(
            count,
            log2_steps,
            None if edges is None else pointer(edges, np.int32, (257,)),
            None if forbidden is None else pointer(forbidden, np.uint8, (1 << 21,)),
            log2_penalty,
        )


class Tile:
    """The planes of a tile, or of a stack of tiles of the same place in several images.

    Attributes:
        values: int32 ``(images, colours, 4, height + 4, width + 4)``: a plane for each phase (A, H, V, D) of the cells
            with a border of two cells, -1 where unknown.
        residuals: int8, the same shape, in 1/16 standard deviation, 0 where unknown.

    Args:
        values: see above.
        residuals: see above.
        earlier: values and residuals of the same place in up to :data:`MAX_EARLIER` earlier slices of a stack: int32
            and int8 ``(slices, 4, height + 4, width + 4)``.  For tiles of one image and one colour.
    """

    def __init__(self, values: np.ndarray, residuals: np.ndarray, earlier: tuple[np.ndarray, np.ndarray] | None = None):
        images, colours, phases, height, width = values.shape
        if phases != PHASES or height < 2 * BORDER or width < 2 * BORDER:
            raise ValueError(f"planes of {PHASES} phases with borders of {BORDER} cells are wanted, not {values.shape}")
        self.values = values
        self.residuals = residuals
        self._earlier = earlier  # It must live as long as the addresses.
        slices = 0 if earlier is None else len(earlier[0])
        self.struct = TileStruct(
            images,
            colours,
            height - 2 * BORDER,
            width - 2 * BORDER,
            pointer(values, np.int32, values.shape),
            pointer(residuals, np.int8, values.shape),
            slices,
            None if earlier is None else pointer(earlier[0], np.int32, (slices, *values.shape[2:])),
            None if earlier is None else pointer(earlier[1], np.int8, (slices, *values.shape[2:])),
        )

    @classmethod
    def empty(
        cls,
        images: int,
        colours: int,
        height: int,
        width: int,
        earlier: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Tile:
        """A tile of which nothing is known; ``height`` and ``width`` are in cells, without the border."""
        shape = (images, colours, PHASES, height + 2 * BORDER, width + 2 * BORDER)
        return cls(np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.int8), earlier)


class Unit:
    """What the network says of one phase and colour of a tile.

    Args:
        place: phase 1..3 (H, V, D) and colour 0..2.
        size: height and width in cells that have the phase.
        images: the tile's.
        shapes: uint8 ``(2 K, n)``, logits and log scales of ``K`` components, 1..7.
        means: int32 ``(K + colour, n)``, means in 1/32 level without the base prediction; couplings to earlier colours.
        base: int32 ``(n,)``, base predictions in 1/32 level.
        offsets: int32 ``(colour, n)``, positions of earlier colours in 1/32 level, relative to their base predictions.
    """

    def __init__(
        self,
        place: tuple[int, int],
        size: tuple[int, int],
        images: int,
        shapes: np.ndarray,
        means: np.ndarray,
        base: np.ndarray,
        offsets: np.ndarray,
    ):
        phase, colour = self.place = place
        components = len(shapes) // 2
        self.count = images * size[0] * size[1]
        self.images = images
        self._arrays = (shapes, means, base, offsets)
        self.struct = UnitStruct(
            phase,
            colour,
            *size,
            components,
            pointer(shapes, np.uint8, (2 * components, self.count)),
            pointer(means, np.int32, (components + colour, self.count)),
            pointer(base, np.int32, (self.count,)),
            pointer(offsets, np.int32, (colour, self.count)),
            None,
        )

    def remember(self, learned: np.ndarray) -> None:
        """Begin with what was learned elsewhere, and leave there what is learned in the end.

        Args:
            learned: int32 ``(LEARNED,)``: zeros, or what another unit of the same phase left.
        """
        self._learned = learned  # It must live as long as the address.
        self.struct.learned = pointer(learned, np.int32, (LEARNED,))


def _arguments(scale: Scale, tile: Tile, unit: Unit) -> tuple[Any, ...]:
    if unit.images != tile.struct.images:
        raise ValueError(f"a unit of {unit.images} images does not fit a tile of {tile.struct.images}")
    return tables().ctypes.data, byref(scale.struct), byref(tile.struct), byref(unit.struct)


class Decoder:
    """Takes symbols off a stack of rANS words.

    Any words are safe: a decoder that ran out of them goes on with zeros.

    Args:
        words: uint32 ``(n,)``.
    """

    def __init__(self, words: np.ndarray):
        self._words = words
        self._struct = DecoderStruct()
        address = pointer(words, np.uint32, (len(words),))
        check(functions().mz_decoder_start(byref(self._struct), address, len(words)))

    def is_empty(self) -> bool:
        """Whether all symbols were taken: false at the end of a damaged stream, but for few."""
        return bool(functions().mz_decoder_is_empty(byref(self._struct)))

    def decode_unit(self, scale: Scale, tile: Tile, unit: Unit) -> None:
        """Decode the subpixels of a unit into the planes of its tile."""
        check(functions().mz_decode_unit(*_arguments(scale, tile, unit), byref(self._struct)))

    def decode_uniform(self, count: int, n: int) -> np.ndarray:
        """Decode ``n`` values that are equally likely, 0..``count`` - 1, ``count`` 1..65536: int32 ``(n,)``."""
        values = np.empty(n, dtype=np.int32)
        check(functions().mz_decode_uniform(byref(self._struct), count, n, values.ctypes.data))
        return values

    def decode_bits(self, p_one: np.ndarray) -> np.ndarray:
        """Decode ``n`` bits: int32 ``(n,)``.

        Args:
            p_one: uint16 ``(n,)``, probability of a one in units of ``2**-P_BITS``.
        """
        bits = np.empty(len(p_one), dtype=np.int32)
        address = pointer(p_one, np.uint16, (len(p_one),))
        check(functions().mz_decode_bits(byref(self._struct), address, len(p_one), bits.ctypes.data))
        return bits

    def decode_categories(self, cdf: np.ndarray) -> np.ndarray:
        """Decode ``n`` symbols of ``k`` categories, 2..256: int32 ``(n,)``.

        Args:
            cdf: int32 ``(k - 1, n)``, probability of a symbol below 1, ..., below ``k - 1``, rising, in units of
                ``2**-CDF_BITS``.

        Raises:
            ValueError: if it does not rise from 0 to 1.
        """
        below, n = cdf.shape
        symbols = np.empty(n, dtype=np.int32)
        address = pointer(cdf, np.int32, (below, n))
        check(functions().mz_decode_categories(byref(self._struct), address, below + 1, n, symbols.ctypes.data))
        return symbols

    def words(self) -> np.ndarray:
        """What is left: uint32 ``(w,)``, the last one not zero."""
        state, left = self._struct.state, self._words[: self._struct.left]
        top = [state >> shift & (1 << 32) - 1 for shift in (0, 32) if state >> shift]
        return np.concatenate((left, np.array(top, dtype=np.uint32)))


def encode_unit(scale: Scale, tile: Tile, unit: Unit) -> np.ndarray:
    """Encode the subpixels of a unit, which the planes of its tile have; writes residuals.

    Returns:
        uint32 ``(s, 2)``, first slot and number of slots of each symbol, in the order of decoding; ``s <= 2 n``.

    Raises:
        ValueError: if a value is not one of the scale's.
    """
    symbols = np.empty((2 * unit.count, 2), dtype=np.uint32)
    used = c_int64()
    check(functions().mz_encode_unit(*_arguments(scale, tile, unit), symbols.ctypes.data, len(symbols), byref(used)))
    return symbols[: used.value]


def measure_unit(scale: Scale, tile: Tile, unit: Unit, bits: np.ndarray | None = None) -> int:
    """The code length of a unit in ``2**-16`` bit; writes residuals.

    Args:
        scale: of the samples.
        tile: its planes have the values.
        unit: what is measured.
        bits: uint32 ``(n,)``, to which the code length of each subpixel is added; or None.

    Raises:
        ValueError: if a value is not one of the scale's.
    """
    total = c_uint64()
    address = None if bits is None else pointer(bits, np.uint32, (unit.count,))
    check(functions().mz_measure_unit(*_arguments(scale, tile, unit), address, byref(total)))
    return total.value


def count_unit(scale: Scale, tile: Tile, unit: Unit, seen: np.ndarray, expected: np.ndarray) -> None:
    """Count the values of a unit near the means of their distributions; writes residuals.

    Args:
        scale: of the samples, 16 values or more.
        tile: its planes have the values.
        unit: what is counted.
        seen: int64 ``(scale.count,)``, to which the number of each value is added.
        expected: int64 ``(scale.count,)``, to which the numbers that the distributions expect are added, in ``2**-16``.

    Raises:
        ValueError: if a value is not one of the scale's.
    """
    counts = [pointer(counts, np.int64, (scale.count,)) for counts in (seen, expected)]
    check(functions().mz_count_unit(*_arguments(scale, tile, unit), *counts))


def measure_symbols(symbols: np.ndarray) -> int:
    """The code length of symbols, uint32 ``(s, 2)``, in ``2**-16`` bit."""
    total = c_uint64()
    check(
        functions().mz_measure(
            tables().ctypes.data, pointer(symbols, np.uint32, (len(symbols), 2)), len(symbols), byref(total)
        )
    )
    return total.value


def push(symbols: np.ndarray, onto: np.ndarray | None = None) -> np.ndarray:
    """Push symbols from last to first onto a stack.

    Args:
        symbols: uint32 ``(s, 2)``, as :func:`encode_unit` returns them.
        onto: uint32 ``(w,)``, the words of the stack, the last one not zero; None for an empty one.

    Returns:
        uint32 ``(w,)``, the words, for :class:`Decoder`.
    """
    used = c_int64(0 if onto is None else len(onto))
    words = np.empty(used.value + len(symbols) + 2, dtype=np.uint32)
    words[: used.value] = () if onto is None else onto
    address = pointer(symbols, np.uint32, (len(symbols), 2))
    check(functions().mz_push(address, len(symbols), words.ctypes.data, len(words), byref(used)))
    return words[: used.value]
