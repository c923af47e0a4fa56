"""The bounded zlib reader: it tells its five cases apart, and takes no more memory than its limit."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.inflate import Inflated, Outcome, inflate

CONTENT = b"some content, some content, some content"


def deflated(content: bytes, raw: bool = False) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


@given(st.binary(max_size=300), st.integers(0, 300), st.binary(max_size=5), st.booleans())
def test_content_up_to_the_limit_and_what_follows_it(content: bytes, limit: int, behind: bytes, raw: bool) -> None:
    found = inflate(deflated(content, raw) + behind, limit, raw=raw)
    if len(content) > limit:
        assert found == Inflated(Outcome.TOO_LARGE)
    else:
        assert found == Inflated(Outcome.DATA_BEHIND if behind else Outcome.CLEAN, content, behind)


@pytest.mark.parametrize("missing", [1, 4, 9])
def test_truncated_streams_give_what_is_there(missing: int) -> None:
    found = inflate(deflated(CONTENT)[:-missing], 1000)
    assert found.outcome is Outcome.TRUNCATED
    assert CONTENT.startswith(found.content)
    assert (found.content == CONTENT) == (missing <= 4)  # The checksum has four bytes.


def test_no_stream_is_a_truncated_one() -> None:
    assert inflate(b"", 10) == Inflated(Outcome.TRUNCATED)


@pytest.mark.parametrize("data", [b"no stream", deflated(CONTENT)[:-1] + b"\0", deflated(CONTENT, raw=True)])
def test_damage(data: bytes) -> None:
    assert inflate(data, 1000) == Inflated(Outcome.DAMAGED)


def test_a_stream_without_end_takes_little_memory() -> None:
    bomb = zlib.compress(bytes(1 << 26))
    tracemalloc.start()
    try:
        assert inflate(bomb, 1000) == Inflated(Outcome.TOO_LARGE)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
