"""Messages: push and pop are inverses in both orders, whatever the message and the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mulanzip.entropy.message import Message, SymbolProgram
from mulanzip.errors import CorruptFileError
from mulanzip.native.library import P_BITS

ONE = 1 << P_BITS
contents = st.binary(max_size=24)
messages = contents.map(lambda data: Message(data.rstrip(b"\0")))
decisions = st.lists(st.tuples(st.integers(0, ONE), st.integers(0, 1)), max_size=60)


def decided(probability: list[int]) -> SymbolProgram[np.ndarray]:
    return lambda coder, bits: coder.bernoulli(np.array(probability, dtype=np.int64), bits)


@given(messages, decisions)
@example(Message(), [(0, 1)] * 50)
@example(Message(b"\1" * 8), [(ONE, 0)] * 50)
def test_pop_after_push_restores_the_value_and_the_message(message: Message, pairs: list[tuple[int, int]]) -> None:
    before, program = message.copy(), decided([p for p, _ in pairs])
    bits = np.array([b for _, b in pairs], dtype=np.int64)
    message.push(program, bits)
    np.testing.assert_array_equal(message.pop(program), bits)
    assert message == before


@given(messages, st.lists(st.integers(0, ONE), max_size=300))
@example(Message(), [ONE // 2] * 100)
@example(Message(b"\xff"), [1] * 100)
def test_push_after_pop_restores_the_message(message: Message, probability: list[int]) -> None:
    before, program = message.copy(), decided(probability)
    bits = message.pop(program)
    message.push(program, bits)
    assert message == before


@given(messages, contents, st.integers(0, 40))
@example(Message(), b"key", 5)
def test_a_mask_is_its_own_inverse(message: Message, key: bytes, size: int) -> None:
    before = message.copy()
    message.mask(key, size)
    message.mask(key, size)
    assert message == before


def test_a_mask_changes_only_the_top() -> None:
    message = Message(bytes(range(1, 101)))
    message.mask(b"key", 16)
    masked = message.to_bytes()
    assert masked[:80] == bytes(range(1, 81))
    assert masked != bytes(range(1, 101))
    message.mask(b"other", 16)
    assert message != Message(bytes(range(1, 101)))


def test_masked_zeros_look_random() -> None:
    message = Message(bytes(100_000) + b"\1")
    message.mask(b"key", 100_000)
    ones = message.pop(decided([ONE // 2] * 700_000)).mean()
    assert ones == pytest.approx(0.5, abs=0.003)


@given(contents)
@example(b"\0\0")
def test_content_comes_back(content: bytes) -> None:
    message = Message.holding(content)
    message.push(decided([3, 7]), np.array([1, 1]))
    message.pop(decided([3, 7]))
    assert message.content() == content


def test_left_over_values_are_not_taken_for_content() -> None:
    message = Message(b"\1\2")
    with pytest.raises(CorruptFileError, match="does not end"):
        message.content()
    with pytest.raises(CorruptFileError, match="padding"):
        Message(b"\1\0")


def test_lengths() -> None:
    message = Message.pseudo_random(b"key", 100)
    assert message == Message.pseudo_random(b"key", 100)
    assert message != Message.pseudo_random(b"yek", 100)
    start = message.bits
    assert start == 800
    fair = decided([ONE // 2] * 320)
    bits = message.pop(fair)
    assert message.bits == pytest.approx(start - 320, abs=1)
    assert message.min_bits == message.bits
    message.push(fair, bits)
    message.push(decided([ONE // 4] * 64), np.ones(64, dtype=np.int64))
    assert message.bits == pytest.approx(start + 128, abs=1)
    assert start - message.min_bits == pytest.approx(320, abs=1)
    assert repr(message) == f"Message of {message.bits} bits"


def test_bytes_of_messages_do_not_change() -> None:
    message = Message.pseudo_random(b"golden", 12)
    message.push(decided([1000, 60000, 30000]), np.array([1, 0, 1]))
    message.mask(b"mask", 6)
    assert message.to_bytes().hex() == "da393fa81f01966639c56522e109"
