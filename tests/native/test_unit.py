"""Units: the library does what the reference does, to the bit, with all that a network, an image or a file may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import native_reference as reference
from support.native_units import Case, Kind

from mulanzip.native import library


@st.composite
def kinds(draw: st.DrawFn) -> Kind:
    colours = draw(st.integers(1, 3))
    size = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    scale = draw(st.sampled_from(["plain", "edges", "gamut", "both", "deep"]))
    deep = scale == "deep"
    return Kind(
        components=draw(st.integers(1, 7)),
        phase=draw(st.integers(1, 3)),
        colours=colours,
        colour=colours - 1 if scale in ("gamut", "both") else draw(st.integers(0, colours - 1)),
        images=draw(st.integers(1, 2)),
        size=size,
        unit_size=(draw(st.integers(1, size[0])), draw(st.integers(1, size[1]))),
        count=draw(st.sampled_from([1, 2, 3, 255, 256, 257, 4096, 65535, 65536])) if deep else 256,
        log2_steps=draw(st.integers(-4, 8)) if deep else 0,
        edges=scale in ("edges", "both"),
        log2_penalty=draw(st.sampled_from([0, 1, 8, 31])) if scale in ("gamut", "both") else None,
        hostile=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


GAMUT = Kind(colour=2, log2_penalty=8, edges=True)
DEEP = Kind(colours=1, count=65536, log2_steps=8)


@given(kinds())
@example(Kind(size=(0, 3), unit_size=(0, 3)))
@example(Kind(images=0))
@example(GAMUT)
@example(replace(GAMUT, hostile=True))
@example(DEEP)
@example(replace(DEEP, hostile=True))
def test_encoding_measuring_and_decoding(kind: Kind) -> None:
    case = Case(kind)
    encoder, referred = reference.Encoder(), case.tile()
    case.refer(encoder, referred)

    encoded = case.tile()
    symbols = library.encode_unit(case.scale, encoded, case.unit)
    assert symbols.tolist() == [list(symbol) for symbol in encoder.symbols]
    assert encoded.residuals.tobytes() == referred.residuals.tobytes()
    assert encoded.values.tobytes() == case.values.tobytes()
    words = library.push(symbols)
    assert words.tolist() == encoder.words()

    measured = case.tile()
    bits = np.zeros(case.unit.count, dtype=np.uint32)
    lengths = [reference.TABLES.code_length(width) for _, width in encoder.symbols]
    assert library.measure_unit(case.scale, measured, case.unit, bits) == sum(lengths) == bits.sum()
    assert measured.residuals.tobytes() == referred.residuals.tobytes()
    assert library.measure_symbols(symbols) == sum(lengths)

    decoded = case.blank()
    decoder = library.Decoder(words)
    decoder.decode_unit(case.scale, decoded, case.unit)
    assert decoder.is_empty()
    assert decoded.values.tobytes() == case.values.tobytes()
    assert decoded.residuals.tobytes() == referred.residuals.tobytes()


@settings(max_examples=20)
@given(kinds())
def test_counting(kind: Kind) -> None:
    case = Case(replace(kind, count=max(kind.count, 16)))
    histograms, referred = reference.Histograms(case.scale.count), case.tile()
    case.refer(reference.Counter(), referred, histograms)
    counted = case.tile()
    seen, expected = np.zeros((2, case.scale.count), dtype=np.int64)
    library.count_unit(case.scale, counted, case.unit, seen, expected)
    assert seen.tolist() == histograms.seen
    assert expected.tolist() == histograms.expected
    assert counted.residuals.tobytes() == referred.residuals.tobytes()


@given(kinds(), st.integers(0, 2**32 - 1), st.booleans())
def test_decoding_of_any_words(kind: Kind, seed: int, few: bool) -> None:
    case = Case(kind)
    words = np.random.default_rng(seed).integers(0, 2**32, 3 if few else 2 * case.unit.count + 2, dtype=np.uint32)
    referred, decoder = case.blank(), reference.Decoder(words.tolist())
    case.refer(decoder, referred)
    decoded, native = case.blank(), library.Decoder(words)
    native.decode_unit(case.scale, decoded, case.unit)
    assert decoded.values.tobytes() == referred.values.tobytes()
    assert decoded.residuals.tobytes() == referred.residuals.tobytes()
    assert native.is_empty() == decoder.is_empty()
    own = decoded.values[:, kind.colour, kind.phase, 2 : 2 + kind.unit_size[0], 2 : 2 + kind.unit_size[1]]
    assert ((own >= 0) & (own < kind.count)).all()


@pytest.mark.slow
@pytest.mark.parametrize("colour", range(3))
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_a_large_unit_learns_like_the_reference(phase: int, colour: int) -> None:
    """Enough subpixels for all rates and clamps of what is learned; smooth rows, so that classes change."""
    kind = Kind(phase=phase, colour=colour, size=(12, 100), unit_size=(12, 99), seed=phase)
    case = Case(kind)
    rows = np.random.default_rng(colour).integers(-3, 4, case.values.shape).cumsum(axis=-1) + 128
    case.values[:] = np.where(case.values < 0, -1, np.clip(rows, 0, 255))
    encoder, referred = reference.Encoder(), case.tile()
    case.refer(encoder, referred)
    encoded = case.tile()
    symbols = library.encode_unit(case.scale, encoded, case.unit)
    assert symbols.tolist() == [list(symbol) for symbol in encoder.symbols]
    decoded = case.blank()
    library.Decoder(library.push(symbols)).decode_unit(case.scale, decoded, case.unit)
    assert decoded.values.tobytes() == case.values.tobytes()


def test_flat_surroundings_cost_little() -> None:
    case = Case(Kind(size=(30, 40), unit_size=(30, 40)))
    case.values[:] = np.where(case.values < 0, -1, 7)
    tile = case.tile()
    assert library.measure_unit(case.scale, tile, case.unit) < 12 << library.LENGTH_BITS
    assert not tile.residuals[:, 0, 1].any()


@settings(max_examples=10)
@given(kinds())
def test_every_value_has_slots(kind: Kind) -> None:
    """Also under hostile parameters: the intervals of all values of a subpixel fill the slots."""
    count = min(max(kind.count, 2), 256)
    case = Case(replace(kind, images=1, unit_size=(1, 1), count=count))
    place = (0, kind.colour, kind.phase, library.BORDER, library.BORDER)
    coded = []
    for value in range(count):
        tile = case.tile()
        tile.values[place] = value
        coded.append(library.encode_unit(case.scale, tile, case.unit))
    intervals = [symbols[-1].tolist() for symbols in coded]
    assert all(width > 0 for _, width in intervals)
    if all(len(symbols) == 1 for symbols in coded):  # Else the surroundings are constant.
        ends = [low + width for low, width in intervals]
        assert [low for low, _ in intervals] == [0, *ends[:-1]]
        assert ends[-1] == 1 << library.SLOT_BITS
