"""Runs of TGA and text: contents that leave no choice to a library."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.streams import runs, text


@given(seed=st.integers(0, 1 << 32), unit=st.integers(1, 4))
def test_packets_of_any_writer_come_back(seed: int, unit: int) -> None:
    random = Random(seed)
    stream, pixels = b"", 0
    for _ in range(random.randint(1, 9)):
        header = random.randrange(256)
        count = (header & 127) + 1
        stream += bytes([header]) + random.randbytes(unit * (1 if header > 127 else count))
        pixels += count
    assert runs.stream_end(b"ab" + stream + b"cd", 2, pixels, unit) == 2 + len(stream)
    content = runs.content_of(stream, pixels * unit, unit)
    assert content is not None
    assert runs.make(content, pixels * unit, unit) == stream
    for size in (pixels * unit - 1, pixels * unit + 1):
        assert runs.content_of(stream, size, unit) is None
        with pytest.raises(ValueError, match="do not fit"):
            runs.make(content, size, unit)


def test_packets_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="too few"):
        runs.stream_end(b"\x81a", 0, 3, 1)
    with pytest.raises(ValueError, match="do not fit"):
        runs.stream_end(b"\x82a", 0, 2, 1)
    with pytest.raises(ValueError, match="do not fit"):
        runs.stream_end(b"\x01a", 0, 2, 1)


@given(st.lists(st.tuples(st.integers(0, 1 << 16), st.text(" \n\t\r", min_size=1)), min_size=1))
def test_numbers_in_text_come_back(pairs: list[tuple[int, str]]) -> None:
    stream = "".join(f"{number}{space}" for number, space in pairs).strip().encode()
    for unit in (1, 2):
        content = text.content_of(stream, unit, is_digits=False)
        assert (content is None) == (max(number for number, _ in pairs) >= 256**unit)
        if content is not None:
            size = unit * len(pairs)
            assert content[:size] == b"".join(number.to_bytes(unit, "big") for number, _ in pairs)
            assert text.make(content, size, unit) == stream
    assert text.stream_end(b"P" + stream + b" x", 1, len(pairs), is_digits=False) == 1 + len(stream)


@given(st.lists(st.tuples(st.sampled_from("01"), st.text(" \n")), min_size=1))
def test_digits_in_text_come_back(pairs: list[tuple[str, str]]) -> None:
    stream = "".join(digit + space for digit, space in pairs).strip().encode()
    content = text.content_of(stream, 1, is_digits=True)
    assert content is not None
    assert content[: len(pairs)] == bytes(int(digit) for digit, _ in pairs)
    assert text.make(content, len(pairs), 1) == stream
    assert text.stream_end(stream + b"1", 0, len(pairs), is_digits=True) == len(stream)
    with pytest.raises(ValueError, match="too few"):
        text.stream_end(stream, 0, len(pairs) + 1, is_digits=True)


@pytest.mark.parametrize("stream", [b"", b" 1", b"1 ", b"01 2", b"1 # 2", b"1 -2", b"1\0002", b"123456", b"256"])
def test_other_texts_have_no_content(stream: bytes) -> None:
    assert text.content_of(stream, 1, is_digits=False) is None


@pytest.mark.parametrize(
    ("content", "size", "unit"),
    [(b"", 0, 1), (b"ab", 3, 1), (b"ab", 1, 2), (b"ab", 2, 1), (b"ab \0 \0", 2, 1), (b"ab\0 ", 2, 1)],
)
def test_damaged_contents_of_text(content: bytes, size: int, unit: int) -> None:
    with pytest.raises(ValueError, match="text"):
        text.make(content, size, unit)
