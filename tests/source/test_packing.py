"""Samples in words, in strings of bits and in fields, against a slow reading bit by bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.source.packing import SHARED, WHOLE, Fields, Packed, Packing, Place, Words


@st.composite
def packings(draw: st.DrawFn) -> Packing:
    order, flip = draw(st.sampled_from("<>")), draw(st.integers(0, 1))
    match draw(st.integers(0, 2)):
        case 0:
            size, channels = draw(st.sampled_from((1, 2))), draw(st.integers(1, 4))
            step = channels * size + draw(st.integers(0, 3))
            places = tuple(draw(st.permutations(range(0, channels * size, size))))
            return Words(size, order, False, flip * 0x81, step, places)
        case 1:
            bits = draw(st.integers(1, 16))
            return Packed(bits, order, flip << bits - 1, draw(st.integers(1, 3)))
        case _:
            size = draw(st.sampled_from((1, 2, 4)))
            cuts = sorted(draw(st.sets(st.integers(0, min(16, 8 * size)), min_size=2, max_size=5)))
            fields = [(low, high - low) for low, high in pairwise(cuts)]
            return Fields(size, order, flip, tuple(draw(st.permutations(fields))))


def _bits(packing: Packing, place: Place, row: int, column: int, channel: int) -> list[tuple[int, int]]:
    """Byte and bit of a sample's bits, the lowest one first."""
    start = place.start + row * place.row_step
    if isinstance(packing, Packed):
        first = (column * packing.channels + channel) * packing.bits
        places = [divmod(first + i, 8) for i in range(packing.bits)][::-1]
        return [(start + byte, 7 - bit if packing.order == ">" else bit) for byte, bit in places]
    if isinstance(packing, Words):
        start += column * packing.pixel_step + packing.places[channel]
        low, count = 0, 8 * packing.size
    else:
        start += column * packing.size
        low, count = packing.fields[channel]
    bytes_ = range(packing.size) if packing.order == "<" else range(packing.size - 1, -1, -1)
    return [(start + bytes_[i // 8], i % 8) for i in range(low, low + count)]


def _place(draw: st.DrawFn, packing: Packing) -> tuple[Place, int]:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    width = {
        Words: lambda p: columns * p.pixel_step,
        Packed: lambda p: -(-columns * p.channels * p.bits // 8),
        Fields: lambda p: columns * p.size,
    }[type(packing)](packing)
    step = width + draw(st.integers(0, 3))
    if draw(st.booleans()):
        return Place(2 + (rows - 1) * step, rows, columns, -step), 2 + rows * step
    return Place(2, rows, columns, step), 2 + rows * step


@given(st.data())
def test_samples_are_those_that_lie_there(data: st.DataObject) -> None:
    packing = data.draw(packings())
    place, size = data.draw(st.composite(lambda draw: _place(draw, packing))())
    memory = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8).copy()
    samples = np.zeros((place.rows, place.columns, packing.channels), packing.dtype)
    packing.read(memory, place, samples)
    used = np.zeros(size, np.uint8)
    for index in np.ndindex(samples.shape):
        bits = _bits(packing, place, *index)
        value = sum((int(memory[byte]) >> bit & 1) << i for i, (byte, bit) in enumerate(bits))
        assert samples[index] == value ^ packing.flip
        for byte, bit in bits:
            assert not used[byte] >> bit & 1
            used[byte] |= 1 << bit
    # What bytes are, and which of their bits are no samples.
    marks, others = np.zeros(size, np.uint8), memory.copy()
    for piece in packing.pieces(marks, place):
        piece.view[...] = piece.marks
    for piece in packing.pieces(others, place):
        piece.view[...] &= piece.view.dtype.type(piece.others)
    np.testing.assert_array_equal(marks == WHOLE, used == 0xFF)
    np.testing.assert_array_equal(marks == SHARED, (used != 0) & (used != 0xFF))
    np.testing.assert_array_equal(others, memory & ~used)
    assert packing.whole_bytes(place) == int((used == 0xFF).sum())
    packing.write(others, place, samples)
    np.testing.assert_array_equal(others, memory)


@pytest.mark.parametrize(
    ("packing", "place"),
    [
        (Words(1), Place(0, 4, 4, 3)),  # Rows overlap.
        (Words(2), Place(0, 1, 4, 0)),  # Words overlap.
        (Words(2, pixel_step=2), Place(15, 1, 1, 0)),  # Behind the end.
        (Words(1), Place(4, 3, 2, -3)),  # Before the start.
        (Packed(4), Place(0, 2, 5, 2)),  # Rows share a byte.
        (Packed(1), Place(0, 2, 3, 0)),
        (Fields(2, "<", 0, ((0, 5),)), Place(0, 2, 2, 3)),
        (Words(1, pixel_step=1 << 40), Place(0, 1, 2, 0)),
    ],
)
def test_places_outside_and_on_each_other_are_refused(packing: Packing, place: Place) -> None:
    with pytest.raises(ValueError, match=r"outside|overlap"):
        packing.pieces(np.zeros(16, np.uint8), place)


def test_columns_may_be_farther_apart_than_rows() -> None:
    """Arrays in Fortran order."""
    array = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    memory = np.frombuffer(array.tobytes("F"), np.uint8)
    samples = np.zeros((3, 4, 1), np.uint8)
    Words(1, pixel_step=3).read(memory, Place(0, 3, 4, 1), samples)
    np.testing.assert_array_equal(samples[..., 0], array)
