"""Discretised distributions: correct masses, strictly rising CDFs, and the law of codecs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError
from mulanzip.gaussian.exact.discretized import MEAN_BITS, MIN_SCALE, SCALES, SCALES_PER_E, DistributionTables, within
from mulanzip.gaussian.exact.export import logistic, normal

NORMAL, LOGISTIC = normal(), logistic()
UNIT = 1 << MEAN_BITS
messages = st.binary(max_size=24).map(lambda data: Message(data.rstrip(b"\0")))
families = st.sampled_from([NORMAL, LOGISTIC])
means = st.integers(-(2**30), 2**30)
scales = st.integers(0, SCALES - 1)
beyond = st.integers(-(2**32), 2**32)


def scale_of(bins: float) -> int:
    return round(SCALES_PER_E * math.log(bins / MIN_SCALE))


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(messages, families, st.lists(st.tuples(means, scales, st.one_of(st.integers(-40, 40), beyond)), max_size=20))
@example(Message(), NORMAL, [(0, 0, 2**32), (0, 0, -(2**32)), (0, SCALES - 1, 1), (7, 400, 0)])
def test_pop_after_push(message: Message, family: DistributionTables, items: list[tuple[int, int, int]]) -> None:
    before = message.copy()
    mean, scale, offset = np.array(items, dtype=np.int64).reshape(-1, 3).T
    values = (mean >> MEAN_BITS) + offset
    codec = family.codec(mean, scale)
    codec.push(message, values)
    np.testing.assert_array_equal(codec.pop(message), values)
    assert message == before


@settings(max_examples=50, deadline=None)
@given(messages, families, st.lists(st.tuples(means, scales), max_size=20))
@example(Message(), NORMAL, [(0, 500)] * 20)
@example(Message(b"\xff" * 23), NORMAL, [(0, 500)] * 20)
def test_push_after_pop(message: Message, family: DistributionTables, items: list[tuple[int, int]]) -> None:
    before = message.copy()
    mean, scale = np.array(items, dtype=np.int64).reshape(-1, 2).T
    codec = family.codec(mean, scale)
    codec.push(message, codec.pop(message))
    assert message == before


def cost(family: DistributionTables, mean: float, scale: int, values: np.ndarray) -> np.ndarray:
    """Bits per value, measured on many copies."""
    copies, found = 300, []
    for value in values:
        message = Message.pseudo_random(b"seed", 20)
        start = message.bits
        codec = family.codec(np.full(copies, round(mean * UNIT)), np.array(scale))
        codec.push(message, np.full(copies, value))
        found.append((message.bits - start) / copies)
    return np.array(found)


@settings(max_examples=15, deadline=None)
@given(st.floats(-3, 3), st.floats(0.7, 3000))
def test_masses_are_those_of_the_normal_distribution(mean: float, bins: float) -> None:
    scale = scale_of(bins)
    exact = MIN_SCALE * math.exp(scale / SCALES_PER_E)
    values = np.unique(np.rint(mean + exact * np.array([-3, -1, 0, 2.5])))

    def below(edge: float) -> float:
        return 0.5 * math.erfc(-(edge - mean) / exact / math.sqrt(2))

    theory = [-math.log2(below(v + 0.5) - below(v - 0.5)) for v in values]
    np.testing.assert_allclose(cost(NORMAL, mean, scale, values.astype(np.int64)), theory, atol=0.03)


def test_popped_values_have_the_mean_and_variance() -> None:
    """Rounding to bins adds a variance of 1/12."""
    message = Message.pseudo_random(b"seed", 40_000)
    mean = np.full((20, 1000), round(0.3 * UNIT))
    for bins in (1.0, 2.0, 40.0):
        values = NORMAL.codec(mean, np.array(scale_of(bins))).pop(message.copy())
        assert values.shape == mean.shape
        assert values.mean() == pytest.approx(0.3, abs=0.03 * bins)
        assert values.var() == pytest.approx(bins**2 + 1 / 12, rel=0.04)


def test_far_values_cost_bits_but_are_no_error() -> None:
    far = cost(NORMAL, 0.0, scale_of(1.0), np.array([7, 8, 100, -100, 10_000]))
    assert (far < 90).all()
    assert far[2] == pytest.approx(far[3], abs=8)
    with pytest.raises(ValueError, match="too far"):
        NORMAL.codec(np.array([0]), np.array(0)).push(Message(), np.array([1 << 40]))


def test_popped_bits_are_the_entropy() -> None:
    """The mean length of popped values is the entropy of the bins."""
    for bins in (1.0, 2.0):
        scale, count = scale_of(bins), 50_000
        message = Message.pseudo_random(b"seed", 60_000)
        mean = np.arange(count, dtype=np.int64) * 7919 % (1 << MEAN_BITS)
        start = message.bits
        NORMAL.codec(mean, np.array(scale)).pop(message)
        exact = MIN_SCALE * math.exp(scale / SCALES_PER_E)
        found = (start - message.bits) / count
        # The entropy of a normal density to whose variance that of a bin is added, averaged over offsets.
        assert found == pytest.approx(0.5 * math.log2(2 * math.pi * math.e * (exact**2 + 1 / 12)), abs=0.012)


def test_bytes_of_values_do_not_change() -> None:
    """The table is that of a uniform distribution, made without floats."""
    ramp = np.arange(0, (1 << 30) + 1, 1 << 20)
    table = DistributionTables(ramp, np.full(SCALES, 16 << 16), np.full(SCALES, 5))
    table.validate()
    message = Message.pseudo_random(b"golden", 12)
    mean = np.array([0, 5, 70_000, -900_000])
    table.codec(mean, np.array(0)).push(message, np.array([3, -2, 60, -14]))
    assert message.to_bytes().hex() == "da393fa81f0135be81e5942cbeb116ae"


def test_ranges_are_checked_from_both_sides() -> None:
    codec = within(NORMAL.codec(np.zeros(3, dtype=np.int64), np.array(500)), 0, 5)
    message = Message()
    codec.push(message, np.array([0, 5, 2]))
    assert codec.pop(message).tolist() == [0, 5, 2]
    with pytest.raises(ValueError, match=r"within 0\.\.5"):
        codec.push(message, np.array([0, 6, 2]))
    NORMAL.codec(np.zeros(3, dtype=np.int64), np.array(500)).push(message, np.array([0, 0, -1]))
    with pytest.raises(CorruptFileError, match="range"):
        codec.pop(message)


def test_broken_tables_are_refused() -> None:
    NORMAL.validate()
    LOGISTIC.validate()
    for broken, text in [
        (replace(NORMAL, cdf=NORMAL.cdf[::-1].copy()), "rise"),
        (replace(NORMAL, cdf=NORMAL.cdf[1:]), "size"),
        (replace(NORMAL, cdf=NORMAL.cdf.astype(np.int32)), "types"),
        (replace(NORMAL, window_bits=NORMAL.window_bits + 20), "windows"),
        (replace(NORMAL, window_bits=NORMAL.window_bits[1:]), "sizes"),
        (replace(NORMAL, inverse_scale=NORMAL.inverse_scale - NORMAL.inverse_scale.min()), "inverse"),
        (replace(NORMAL, inverse_scale=NORMAL.inverse_scale << 20), "inverse"),
    ]:
        with pytest.raises(ValueError, match=text):
            broken.validate()
