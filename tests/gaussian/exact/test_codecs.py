"""The law of codecs holds for every combinator: push and pop undo each other in both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.entropy.ans import SymbolCoder
from mulanzip.entropy.message import Message
from mulanzip.gaussian.exact.codecs import (
    Link,
    MessageCodec,
    bit_swap,
    bits_back,
    conditional,
    from_program,
    masked,
    serial,
)
from mulanzip.native.library import P_BITS

ONE = 1 << P_BITS
messages = st.binary(max_size=24).map(lambda data: Message(data.rstrip(b"\0")))


def two_bits(seed: int) -> MessageCodec[int]:
    """A codec of 0..3, with probabilities that depend on the seed."""
    first, second, third = (1 + (seed * k + 977) * 7919 % (ONE - 1) for k in (3, 5, 11))

    def program(coder: SymbolCoder, value: int | None) -> int:
        high = coder.bernoulli(np.array([first]), None if value is None else np.array([value >> 1]))
        given_high = second if high[0] else third
        low = coder.bernoulli(np.array([given_high]), None if value is None else np.array([value & 1]))
        return int(high[0]) << 1 | int(low[0])

    return from_program(program)


def link(seed: int) -> Link:
    return Link(lambda x: two_bits(seed + 4 * x), lambda z: two_bits(seed + 100 + 4 * z))


LINKS = [link(k * 31) for k in range(5)]
PRIOR = two_bits(9)


def nested(links: list[Link]) -> MessageCodec[Any]:
    """Bit-Swap, written as nested bits-back."""
    if not links:
        return PRIOR
    return bits_back(nested(links[1:]), links[0].posterior, links[0].likelihood)


number = st.integers(0, 3)
CODECS: dict[str, tuple[MessageCodec[Any], st.SearchStrategy[Any]]] = {
    "program": (two_bits(1), number),
    "serial": (serial([two_bits(k) for k in range(6)]), st.lists(number, min_size=6, max_size=6)),
    "none": (serial([]), st.just([])),
    "conditional": (conditional(two_bits(1), lambda v: two_bits(v + 20)), st.tuples(number, number)),
    "masked": (masked(two_bits(3), b"key", 5), number),
    "bits back": (bits_back(PRIOR, link(1).posterior, link(1).likelihood), number),
    "Bit-Swap": (bit_swap(LINKS, PRIOR), number),
    "Bit-Swap without links": (bit_swap([], PRIOR), number),
    "several values": (serial([bit_swap(LINKS, PRIOR)] * 4), st.lists(number, min_size=4, max_size=4)),
    "Bit-Swap that depends on a number": (
        conditional(two_bits(8), lambda v: bit_swap(LINKS[v:], masked(PRIOR, bytes([v]), 3))),
        st.tuples(number, number),
    ),
}


@pytest.mark.parametrize("name", CODECS)
@given(message=messages, data=st.data())
def test_pop_after_push(name: str, message: Message, data: st.DataObject) -> None:
    codec, values = CODECS[name]
    value, before = data.draw(values), message.copy()
    codec.push(message, value)
    assert codec.pop(message) == value
    assert message == before


@pytest.mark.parametrize("name", CODECS)
@given(message=messages)
def test_push_after_pop(name: str, message: Message) -> None:
    before = message.copy()
    CODECS[name][0].push(message, CODECS[name][0].pop(message))
    assert message == before


@given(messages, number)
def test_bit_swap_is_nested_bits_back(message: Message, value: int) -> None:
    other = message.copy()
    bit_swap(LINKS, PRIOR).push(message, value)
    nested(LINKS).push(other, value)
    assert message == other


@given(st.binary(min_size=8, max_size=60), st.lists(number, max_size=20))
def test_the_initial_content_is_left(content: bytes, values: list[int]) -> None:
    codec = serial([bit_swap(LINKS, PRIOR)] * len(values))
    message = Message.holding(content)
    codec.push(message, values)
    again = Message(message.to_bytes())
    assert codec.pop(again) == values
    assert again.content() == content


def test_numbers_must_match_their_codecs() -> None:
    with pytest.raises(ValueError, match="zip"):
        serial([PRIOR]).push(Message(), [1, 2])


def test_bits_back_costs_the_bound() -> None:
    """With exact posteriors, a value costs ``-log2 p(x)`` in the mean."""

    # p(z = 1) = 1/4; p(x = 1 | z) = 1/8 or 3/4, hence p(x = 1) = 9/32 and q(z = 1 | x) = 2/3 or 2/23.
    def decision(numerator: int, denominator: int) -> MessageCodec[int]:
        probability = np.array([ONE * numerator // denominator])
        return from_program(lambda coder, v: int(coder.bernoulli(probability, None if v is None else np.array([v]))[0]))

    codec = bits_back(
        decision(1, 4),
        lambda x: decision(2, 3) if x else decision(2, 23),
        lambda z: decision(3, 4) if z else decision(1, 8),
    )
    values = [1 if k % 32 < 9 else 0 for k in range(3200)]
    message = Message.pseudo_random(b"seed", 100)
    start = message.bits
    serial([codec] * len(values)).push(message, values)
    entropy = -(9 * np.log2(9 / 32) + 23 * np.log2(23 / 32)) / 32
    assert message.bits - start == pytest.approx(3200 * entropy, rel=0.001)
