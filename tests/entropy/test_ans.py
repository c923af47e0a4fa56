"""The coder gives back what it took, says when something is left, and costs what theory says."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.pictures import worst_values

from mulanzip.entropy.ans import CDF_BITS, P_BITS, BitCounter, SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError

ONE = 1 << P_BITS
WHOLE = 1 << CDF_BITS

decision = st.tuples(st.integers(0, ONE), st.integers(0, 1))
choice = st.tuples(st.lists(st.integers(0, WHOLE), min_size=3, max_size=3).map(sorted), st.integers(0, 3))
calls = st.lists(
    st.one_of(
        st.tuples(st.just("choose"), st.lists(choice, min_size=1, max_size=30)),
        st.tuples(st.just("code"), st.lists(decision, max_size=30)),
        st.tuples(st.just("flat"), st.lists(st.integers(0, 255), max_size=10)),
    ),
    max_size=8,
)
Calls = list[tuple[str, list]]


def split(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def split_choices(pairs: list[tuple[list[int], int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([shares for shares, _ in pairs]).T, np.array([choice for _, choice in pairs])


def encode(done: Calls) -> bytes:
    encoder = SymbolEncoder()
    for kind, items in done:
        if kind == "choose":
            shares, choices = split_choices(items)
            np.testing.assert_array_equal(encoder.categorical(shares, choices), choices)
        elif kind == "code":
            probability, bits = split(items)
            np.testing.assert_array_equal(encoder.bernoulli(probability, bits), bits)
        else:
            encoder.uniform(np.array(items, dtype=np.uint8), len(items))
    return encoder.finish()


@given(calls)
@example([])
@example([("flat", [0, 0, 0])])
@example([("code", [(0, 1), (ONE, 0), (0, 0), (ONE, 1)])])
@example([("choose", [([0, 0, 0], 0), ([WHOLE, WHOLE, WHOLE], 3), ([0, WHOLE, WHOLE], 2), ([0, 0, WHOLE], 1)])])
def test_decoding_gives_back_every_call(done: Calls) -> None:
    data = encode(done)
    assert not data.endswith(b"\0")
    decoder = SymbolDecoder(data)
    for kind, items in done:
        if kind == "choose":
            shares, choices = split_choices(items)
            np.testing.assert_array_equal(decoder.categorical(shares, None), choices)
        elif kind == "code":
            probability, bits = split(items)
            np.testing.assert_array_equal(decoder.bernoulli(probability, None), bits)
        else:
            np.testing.assert_array_equal(decoder.uniform(None, len(items)), items)
    decoder.finish()


@given(calls, st.integers(1, 255))
def test_finish_detects_what_was_not_decoded(done: Calls, left: int) -> None:
    decoder = SymbolDecoder(encode([*done, ("flat", [left])]))
    for kind, items in done:
        if kind == "choose":
            decoder.categorical(split_choices(items)[0], None)
        elif kind == "code":
            decoder.bernoulli(split(items)[0], None)
        else:
            decoder.uniform(None, len(items))
    with pytest.raises(CorruptFileError, match="goes on after the last pixel"):
        decoder.finish()


def stream(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and decisions that never change."""
    data = np.frombuffer(hashlib.shake_256(b"mulanzip").digest(4 * count), dtype="<u2").astype(np.int64)
    return data[:count], (data[count:] < data[:count]).astype(np.uint8)


def test_golden_words_are_what_they_were() -> None:
    encoder = SymbolEncoder()
    probability, bits = stream(300)
    encoder.bernoulli(probability[:200], bits[:200])
    encoder.uniform(np.arange(0, 256, 17, dtype=np.uint8), 16)
    encoder.bernoulli(probability[200:], bits[200:])
    shares = 16 * np.sort(probability[:60].reshape(4, 15), 0)
    encoder.categorical(shares, (shares <= 16 * probability[60:75]).sum(0))
    data = encoder.finish()
    # If this fails, constriction codes differently than when files were made: they could not be decoded.
    assert data.hex() == (
        "c92ff66009fbb52cf7d53ce393f5ccddeeff8899aabb44558f64532996225506d140eb23e16044130200970a97aae56451"
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 1, 50, 5000)))
def test_coded_length_is_the_theoretical_one(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probability = worst_values(rng, 0, ONE, (count,)) if seed % 2 else rng.integers(0, ONE + 1, count)
    bits = (rng.integers(0, ONE, count) < probability).astype(np.uint8)
    values = rng.integers(0, 256, 7, dtype=np.uint8)
    encoder, counter = SymbolEncoder(), BitCounter()
    shares = np.sort(probability[: count // 5 * 5].reshape(5, -1) * 16, 0)
    choices = (shares <= rng.integers(0, WHOLE, shares.shape[1])).sum(0)
    for coder in (encoder, counter):
        coder.bernoulli(probability, bits)
        coder.categorical(shares, choices)
        coder.uniform(values, 7)
    coded = 8 * len(encoder.finish())
    assert -32 <= coded - counter.bits <= 40 + 0.001 * counter.bits


def test_a_counter_around_a_decoder_counts_what_the_decoder_gives() -> None:
    probability, bits = stream(300)
    encoder, alone = SymbolEncoder(), BitCounter()
    for coder in (encoder, alone):
        coder.bernoulli(probability, bits)
        coder.categorical(np.array([[WHOLE // 4], [WHOLE // 2]]), np.array([1]))
        coder.uniform(np.array([7], dtype=np.uint8), 1)
    around = BitCounter(SymbolDecoder(encoder.finish()))
    np.testing.assert_array_equal(around.bernoulli(probability, None), bits)
    assert around.categorical(np.array([[WHOLE // 4], [WHOLE // 2]]), None).tolist() == [1]
    assert around.uniform(None, 1).tolist() == [7]
    assert around.bits == alone.bits


def test_a_counter_counts_bits() -> None:
    counter = BitCounter()
    counter.bernoulli(np.array([ONE // 2, ONE // 4]), np.array([1, 1]))
    counter.bernoulli(np.array([ONE // 4 * 3]), np.array([0]))
    counter.uniform(np.array([1, 2]), 2)
    counter.categorical(np.array([[WHOLE // 8, 0], [WHOLE // 4, WHOLE // 2]]), np.array([1, 2]))
    assert counter.bits == pytest.approx(1 + 2 + 2 + 16 + 3 + 1, abs=1e-5)


def test_impossible_choices_cost_24_bits_and_the_last_one_20() -> None:
    counter, encoder = BitCounter(), SymbolEncoder()
    shares = np.array([[0, WHOLE, WHOLE], [WHOLE, WHOLE, WHOLE]])
    for coder in (counter, encoder):
        coder.categorical(np.tile(shares, 100), np.tile([0, 1, 2], 100))
    assert counter.bits == pytest.approx(100 * (24 + 24 + 20), abs=10)
    assert 8 * len(encoder.finish()) == pytest.approx(counter.bits, abs=40)


def test_impossible_decisions_cost_sixteen_bits_and_certain_ones_nothing_to_speak_of() -> None:
    counter = BitCounter()
    counter.bernoulli(np.array([0, ONE]), np.array([1, 0]))
    assert counter.bits == 32
    counter.bernoulli(np.array([0, ONE]), np.array([0, 1]))
    assert counter.bits == pytest.approx(32, abs=1e-4)
    encoder = SymbolEncoder()
    encoder.bernoulli(np.array([0, ONE] * 100), np.array([1, 0] * 100))
    assert len(encoder.finish()) == pytest.approx(400, abs=4)


@pytest.mark.parametrize("data", [b"\0", b"abc\0", bytes(8)])
def test_padding_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match="padding"):
        SymbolDecoder(data)


@given(st.binary(max_size=40))
def test_any_bytes_decode_to_something_without_a_crash(data: bytes) -> None:
    decoder = SymbolDecoder(data.rstrip(b"\0"))
    assert set(decoder.bernoulli(np.arange(0, ONE, 997), None)) <= {0, 1}
    assert len(decoder.uniform(None, 9)) == 9
