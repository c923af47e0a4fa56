"""Any bytes come back; damaged payloads and those beyond the limits are refused before memory is taken."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.errors import CorruptFileError, LimitError
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.varint import Writer
from mulanzip.whole import general

contents = st.binary(max_size=300) | st.binary(min_size=1, max_size=9).map(lambda piece: piece * 999)


@given(contents)
def test_unpacking_inverts_packing(data: bytes) -> None:
    payload = general.pack(data)
    assert general.unpack(payload, NO_LIMITS) == data
    assert general.size_of(payload) == len(data)
    assert len(payload) <= len(data) + 4


@given(contents, st.data())
def test_damage_is_an_error_or_gives_as_many_bytes(data: bytes, draw: st.DataObject) -> None:
    payload = bytearray(general.pack(data))
    payload[draw.draw(st.integers(0, len(payload) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    try:
        found = general.unpack(bytes(payload), Limits(memory=1 << 24))
    except (CorruptFileError, LimitError):
        return
    assert len(found) == general.size_of(bytes(payload))


@given(contents)
def test_cut_payloads_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError):
        general.unpack(general.pack(data + b"?")[:-1], NO_LIMITS)


def test_limits_hold_before_memory_is_taken() -> None:
    payload = general.pack(bytes(1 << 25))
    assert len(payload) < 1 << 14
    tracemalloc.start()
    with pytest.raises(LimitError):
        general.unpack(payload, Limits(memory=1 << 24))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_more_content_than_the_payload_says_is_damage() -> None:
    writer = Writer()
    writer.number(99)
    packed = general.pack(bytes(100))
    assert packed[0] == 100
    with pytest.raises(CorruptFileError):
        general.unpack(bytes(writer.data) + packed[1:], NO_LIMITS)


@given(st.binary(min_size=1, max_size=50))
def test_the_quick_size_is_at_most_that_of_the_bytes(piece: bytes) -> None:
    assert general.quick_size(piece * 200) <= len(piece) * 200


@pytest.mark.slow
def test_repetition_at_a_distance_is_seen() -> None:
    """Also one that is farther away than the quick estimate's window, and shifted."""
    part = Random(3).randbytes(3 << 20)
    data = part + b"shift" + part
    assert general.quick_size(part) > 0.99 * len(part)
    assert general.quick_size(data) < 0.52 * len(data)
    assert len(general.pack(part)) == len(part) + 5
    assert len(general.pack(data)) < 0.52 * len(data)
    assert general.unpack(general.pack(data), NO_LIMITS) == data
