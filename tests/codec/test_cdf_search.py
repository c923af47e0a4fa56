"""Quotients of masses are integers, rounded down, however they are computed."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from mulanzip.codec.cdf_search import ratio
from mulanzip.entropy.ans import CDF_BITS

LARGEST = 2**31 - 1
wholes = st.one_of(st.integers(1, LARGEST), st.integers(LARGEST - 1000, LARGEST))


@given(wholes, st.integers(0, 1 << CDF_BITS), st.integers(-2, 2))
@example(LARGEST, 1 << CDF_BITS, 0)
@example(LARGEST, (1 << CDF_BITS) - 1, 1)
@example(LARGEST - 1, 1 << CDF_BITS - 1, 0)
@example(LARGEST, 1 << CDF_BITS - 1, 0)
def test_ratios_of_32_and_64_bits_are_those_of_integers(whole: int, p: int, off: int) -> None:
    # Errors of rounding would show in quotients next to an integer.
    part = min(max(0, -(-p * whole >> CDF_BITS) + off), whole)
    expected = (part << CDF_BITS) // whole
    for dtype in (np.int32, np.int64):
        found = ratio(np.array([part], dtype=dtype), np.array([whole], dtype=dtype))
        assert found.dtype == dtype
        assert found[0] == expected


def test_many_ratios_next_to_an_integer() -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(1 << 28, LARGEST, 200_000, endpoint=True)
    p = rng.integers(0, 1 << CDF_BITS, len(whole), endpoint=True)
    for off in (-1, 0, 1):
        part = np.clip((p * whole >> CDF_BITS) + off, 0, whole)
        found = ratio(part.astype(np.int32), whole.astype(np.int32))
        np.testing.assert_array_equal(found, (part << CDF_BITS) // whole)


def test_nothing_of_nothing_is_nothing() -> None:
    for dtype in (np.int32, np.int64):
        assert ratio(np.zeros(1, dtype=dtype), np.zeros(1, dtype=dtype)).tolist() == [0]
