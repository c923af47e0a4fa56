"""The decoder returns the symbols of the encoder and detects surplus data; coded lengths are the theoretical ones."""

from __future__ import annotations

import hashlib

import constriction
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mulanzip.entropy.ans import SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError
from mulanzip.native.library import CDF_BITS, P_BITS

ONE = 1 << P_BITS
WHOLE = 1 << CDF_BITS

bit = st.tuples(st.integers(0, ONE), st.integers(0, 1))
symbol = st.tuples(st.lists(st.integers(0, WHOLE), min_size=3, max_size=3).map(sorted), st.integers(0, 3))
calls = st.lists(
    st.one_of(
        st.tuples(st.just("categorical"), st.lists(symbol, min_size=1, max_size=30)),
        st.tuples(st.just("bernoulli"), st.lists(bit, max_size=30)),
        st.tuples(st.just("uniform"), st.lists(st.integers(0, 255), max_size=10)),
    ),
    max_size=8,
)
Calls = list[tuple[str, list]]


def split(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def split_symbols(pairs: list[tuple[list[int], int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([cdf for cdf, _ in pairs]).T, np.array([symbol for _, symbol in pairs])


def encode(done: Calls) -> bytes:
    encoder = SymbolEncoder()
    for kind, items in done:
        if kind == "categorical":
            cdf, symbols = split_symbols(items)
            np.testing.assert_array_equal(encoder.categorical(cdf, symbols), symbols)
        elif kind == "bernoulli":
            p_one, bits = split(items)
            np.testing.assert_array_equal(encoder.bernoulli(p_one, bits), bits)
        else:
            encoder.uniform(np.array(items, dtype=np.uint8), len(items))
    return encoder.finish()


@given(calls)
@example([])
@example([("uniform", [0, 0, 0])])
@example([("bernoulli", [(0, 1), (ONE, 0), (0, 0), (ONE, 1)])])
@example([("categorical", [([0, 0, 0], 0), ([WHOLE, WHOLE, WHOLE], 3), ([0, WHOLE, WHOLE], 2), ([0, 0, WHOLE], 1)])])
def test_decoding_gives_back_every_call(done: Calls) -> None:
    data = encode(done)
    assert not data.endswith(b"\0")
    decoder = SymbolDecoder(data)
    for kind, items in done:
        if kind == "categorical":
            cdf, symbols = split_symbols(items)
            np.testing.assert_array_equal(decoder.categorical(cdf, None), symbols)
        elif kind == "bernoulli":
            p_one, bits = split(items)
            np.testing.assert_array_equal(decoder.bernoulli(p_one, None), bits)
        else:
            np.testing.assert_array_equal(decoder.uniform(None, len(items)), items)
    decoder.finish()


def encode_by_constriction(done: Calls) -> bytes:
    """The same bytes by the library that made the first files, which computes in floats."""
    model, stack = constriction.stream.model, constriction.stream.stack.AnsCoder()
    for kind, items in reversed(done):
        if kind == "categorical":
            cdf, symbols = split_symbols(items)
            edges = np.pad(np.minimum(cdf, WHOLE - 1), ((1, 1), (0, 0)), constant_values=((0, WHOLE), (0, 0)))
            weights = np.ascontiguousarray(np.diff(edges, axis=0).T.astype(np.float64))
            stack.encode_reverse(symbols.astype(np.int32), model.Categorical(perfect=False), weights)
        elif kind == "bernoulli":
            p_one, bits = split(items)
            shares = (np.clip(p_one, 1, ONE - 1) / ONE).astype(np.float32)
            stack.encode_reverse(bits.astype(np.int32), model.Bernoulli(perfect=False), shares)
        else:
            stack.encode_reverse(np.array(items, dtype=np.int32), model.Uniform(256))
    return stack.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


@given(calls)
def test_constriction_makes_the_same_bytes(done: Calls) -> None:
    assert encode(done) == encode_by_constriction(done)


@given(calls, st.integers(1, 255))
def test_finish_detects_what_was_not_decoded(done: Calls, left: int) -> None:
    decoder = SymbolDecoder(encode([*done, ("uniform", [left])]))
    for kind, items in done:
        if kind == "categorical":
            decoder.categorical(split_symbols(items)[0], None)
        elif kind == "bernoulli":
            decoder.bernoulli(split(items)[0], None)
        else:
            decoder.uniform(None, len(items))
    with pytest.raises(CorruptFileError, match="goes on after the last pixel"):
        decoder.finish()


def stream(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and bits that never change."""
    data = np.frombuffer(hashlib.shake_256(b"mulanzip").digest(4 * count), dtype="<u2").astype(np.int64)
    return data[:count], (data[count:] < data[:count]).astype(np.uint8)


def test_golden_words_are_what_they_were() -> None:
    encoder = SymbolEncoder()
    p_one, bits = stream(300)
    encoder.bernoulli(p_one[:200], bits[:200])
    encoder.uniform(np.arange(0, 256, 17, dtype=np.uint8), 16)
    encoder.bernoulli(p_one[200:], bits[200:])
    cdf = 16 * np.sort(p_one[:60].reshape(4, 15), 0)
    encoder.categorical(cdf, (cdf <= 16 * p_one[60:75]).sum(0))
    data = encoder.finish()
    # If this fails, files that were made before cannot be decoded.
    assert data.hex() == (
        "c92ff66009fbb52cf7d53ce393f5ccddeeff8899aabb44558f64532996225506d140eb23e16044130200970a97aae56451"
    )


def theory(p: np.ndarray) -> float:
    """Code length in bits of symbols with these probabilities."""
    return float(-np.log2(p).sum())


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 1, 50, 5000)))
def test_coded_length_is_the_theoretical_one(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    p_one = rng.integers(1, ONE, count)
    bits = rng.integers(0, ONE, count) < p_one
    cdf = np.sort(p_one[: count // 5 * 5].reshape(5, -1) * 16, 0)
    symbols = (cdf <= rng.integers(0, WHOLE, cdf.shape[1])).sum(0)
    encoder = SymbolEncoder()
    encoder.bernoulli(p_one, bits.astype(int))
    encoder.categorical(cdf, symbols)
    encoder.uniform(rng.integers(0, 256, 7, dtype=np.uint8), 7)
    edges = np.pad(cdf, ((1, 1), (0, 0)), constant_values=((0, WHOLE), (0, 0)))
    shares = np.take_along_axis(np.diff(edges, axis=0), symbols[None], 0) / WHOLE
    expected = theory(np.where(bits, p_one, ONE - p_one) / ONE) + theory(shares) + 7 * 8
    assert -32 <= 8 * len(encoder.finish()) - expected <= 40 + 0.001 * expected


def test_impossible_choices_cost_24_bits_and_the_last_one_20() -> None:
    encoder = SymbolEncoder()
    cdf = np.array([[0, WHOLE, WHOLE], [WHOLE, WHOLE, WHOLE]])
    encoder.categorical(np.tile(cdf, 100), np.tile([0, 1, 2], 100))
    assert 8 * len(encoder.finish()) == pytest.approx(100 * (24 + 24 + 20), abs=50)


def test_impossible_decisions_cost_sixteen_bits_and_certain_ones_nothing_to_speak_of() -> None:
    for bits, expected in (([1, 0], 3200), ([0, 1], 0)):
        encoder = SymbolEncoder()
        encoder.bernoulli(np.array([0, ONE] * 100), np.array(bits * 100))
        assert 8 * len(encoder.finish()) == pytest.approx(expected, abs=40)


@pytest.mark.parametrize("data", [b"\0", b"abc\0", bytes(8)])
def test_padding_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match="padding"):
        SymbolDecoder(data)


@given(st.binary(max_size=40))
def test_any_bytes_decode_to_something_without_a_crash(data: bytes) -> None:
    decoder = SymbolDecoder(data.rstrip(b"\0"))
    assert set(decoder.bernoulli(np.arange(0, ONE, 997), None)) <= {0, 1}
    assert len(decoder.uniform(None, 9)) == 9


def test_a_cdf_that_does_not_rise_is_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        SymbolDecoder(b"\xff\xff\xff\1").categorical(np.array([[WHOLE // 2], [0], [WHOLE // 4]]), None)
