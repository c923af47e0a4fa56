"""rANS of the library: the stack of words is that of constriction's ``AnsCoder``."""

from __future__ import annotations

import constriction
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import native_reference as reference
from support.native_units import Case, Kind

from mulanzip.native import library
from mulanzip.native.symbols import uniform_symbols

SLOTS = 1 << library.SLOT_BITS
Categorical = constriction.stream.model.Categorical

#: First slot and number of slots.
symbols = st.tuples(st.integers(0, SLOTS - 1), st.integers(1, SLOTS)).map(lambda x: (x[0], min(x[1], SLOTS - x[0])))


def widths_around(low: int, width: int) -> tuple[list[int], int]:
    """Slots of all that lies before a symbol, of it and of what follows, without what has none; the symbol's place."""
    parts = [(low, 0), (width, 1), (SLOTS - low - width, 0)]
    kept = [part for part in parts if part[0]]
    return [size for size, _ in kept], [mark for _, mark in kept].index(1)


def model_of(widths: list[int]) -> Categorical:
    """A model with just these numbers of slots: constriction gives each symbol one, and rounds the others down."""
    ends = np.cumsum([width - 1 for width in widths], dtype=np.float64)
    ends[:-1] += 0.5
    return Categorical(np.diff(ends, prepend=0.0), perfect=False)


@given(st.lists(symbols, max_size=40))
def test_constriction_reads_the_words(pushed: list[tuple[int, int]]) -> None:
    pushed = [symbol for symbol in pushed if symbol[1] < SLOTS]
    words = library.push(np.array(pushed, dtype=np.uint32).reshape(-1, 2))
    coder = constriction.stream.stack.AnsCoder(words)
    for symbol in pushed:
        widths, place = widths_around(*symbol)
        assert coder.decode(model_of(widths)) == place
    assert coder.is_empty()


@given(st.lists(symbols, max_size=40))
def test_constriction_writes_the_same_words(pushed: list[tuple[int, int]]) -> None:
    pushed = [symbol for symbol in pushed if symbol[1] < SLOTS]
    coder = constriction.stream.stack.AnsCoder()
    for symbol in reversed(pushed):
        widths, place = widths_around(*symbol)
        coder.encode_reverse(place, model_of(widths))
    words = library.push(np.array(pushed, dtype=np.uint32).reshape(-1, 2))
    assert words.tolist() == coder.get_compressed().tolist() == reference.push(pushed)


def test_constriction_reads_a_unit() -> None:
    case = Case(Kind(size=(8, 8), unit_size=(8, 8)))
    pushed = library.encode_unit(case.scale, case.tile(), case.unit)
    coder = constriction.stream.stack.AnsCoder(library.push(pushed))
    for symbol in pushed.tolist():
        widths, place = widths_around(*symbol)
        assert coder.decode(model_of(widths)) == place
    assert coder.is_empty()


@given(st.integers(1, 65536), st.lists(st.integers(0, 65535), max_size=20))
def test_equally_likely_values(count: int, numbers: list[int]) -> None:
    values = [number % count for number in numbers]
    encoder = reference.Encoder()
    for value in values:
        reference.code_uniform(encoder, count, value)
    assert uniform_symbols(np.array(values, dtype=np.int32), count).tolist() == list(map(list, encoder.symbols))
    assert all(width in (SLOTS // count, -(-SLOTS // count)) for _, width in encoder.symbols)
    decoder = library.Decoder(library.push(np.array(encoder.symbols, dtype=np.uint32).reshape(-1, 2)))
    assert decoder.decode_uniform(count, len(values)).tolist() == values
    assert decoder.is_empty()


@given(st.integers(1, 65536), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_any_words_are_values(count: int, words: list[int]) -> None:
    decoder, referred = library.Decoder(np.array(words, dtype=np.uint32)), reference.Decoder(words)
    expected = [reference.code_uniform(referred, count, 0) for _ in range(30)]
    assert decoder.decode_uniform(count, 30).tolist() == expected
    assert decoder.is_empty() == referred.is_empty()
