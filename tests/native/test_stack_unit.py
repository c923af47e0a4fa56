"""Units of slices of a stack: the library does what the reference does, given earlier slices and what they learned."""

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
    size = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    deep = draw(st.booleans())
    return Kind(
        components=draw(st.integers(1, 7)),
        phase=draw(st.integers(1, 3)),
        colours=1,
        size=size,
        unit_size=(draw(st.integers(1, size[0])), draw(st.integers(1, size[1]))),
        count=draw(st.sampled_from([2, 255, 256, 4096, 65536])) if deep else 256,
        log2_steps=draw(st.integers(-4, 8)) if deep else 0,
        hostile=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def _earlier(kind: Kind, slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Planes of earlier slices."""
    rng = np.random.default_rng(kind.seed + 1)
    shape = (slices, 4, *(side + 2 * library.BORDER for side in kind.size))
    if kind.hostile:
        return rng.integers(-(2**31), 2**31, shape, dtype=np.int32), rng.integers(-128, 128, shape, dtype=np.int8)
    values = rng.integers(0, kind.count, shape, dtype=np.int32)
    values[rng.random(shape) < 0.1] = -1
    return values, rng.integers(-96, 97, shape, dtype=np.int8)


SLICE = Kind(colours=1, size=(9, 9), unit_size=(9, 8))


@settings(max_examples=60)
@given(kinds(), st.lists(st.integers(0, 2), min_size=1, max_size=3))
@example(SLICE, [0, 1, 2, 2])
@example(replace(SLICE, phase=3, count=4096, log2_steps=3), [2, 1, 0, 2])
def test_slices_that_go_on_learning(kind: Kind, earlier: list[int]) -> None:
    """One slice after the other, with a number of earlier ones each."""
    memory, learned = reference.Memory(), np.zeros(library.LEARNED, dtype=np.int32)
    for number, count in enumerate(earlier):
        case = Case(replace(kind, seed=kind.seed + 9 * number))
        values, residuals = _earlier(case.kind, count)
        slices = [reference.EarlierSlice(*planes) for planes in zip(values, residuals, strict=True)]
        encoder, referred, stack = reference.Encoder(), case.tile(), reference.Stack(memory, slices)
        planes = (referred.values, referred.residuals)
        memory = reference.code_unit(case.reference_scale, planes, case.reference_unit, encoder, stack=stack)

        begun = learned.copy()
        encoded = library.Tile(case.values.copy(), case.residuals.copy(), (values, residuals))
        case.unit.remember(learned)
        symbols = library.encode_unit(case.scale, encoded, case.unit)
        assert symbols.tolist() == [list(symbol) for symbol in encoder.symbols]
        assert encoded.residuals.tobytes() == referred.residuals.tobytes()
        blank = case.blank()
        decoded = library.Tile(blank.values, blank.residuals, (values, residuals))
        case.unit.remember(begun)
        decoder = library.Decoder(library.push(symbols))
        decoder.decode_unit(case.scale, decoded, case.unit)
        assert decoder.is_empty()
        assert decoded.values.tobytes() == case.values.tobytes()
        assert decoded.residuals.tobytes() == referred.residuals.tobytes()
        assert begun.tobytes() == learned.tobytes()


def test_what_stacks_cannot_have() -> None:
    case = Case(SLICE)
    with pytest.raises(ValueError, match="is wanted, not"):
        case.unit.remember(np.zeros(library.LEARNED - 1, dtype=np.int32))
    with pytest.raises(ValueError, match="is wanted, not"):
        library.Tile(case.values, case.residuals, (np.zeros((1, 4, 1, 1), np.int32), np.zeros((1, 4, 1, 1), np.int8)))
    planes = _earlier(SLICE, library.MAX_EARLIER + 1)
    with pytest.raises(ValueError, match="out of range"):
        library.encode_unit(case.scale, library.Tile(case.values, case.residuals, planes), case.unit)
    colours = Case(replace(SLICE, colours=3))
    with pytest.raises(ValueError, match="out of range"):
        library.encode_unit(
            colours.scale, library.Tile(colours.values, colours.residuals, _earlier(SLICE, 1)), colours.unit
        )
