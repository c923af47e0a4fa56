"""The likelihood is valid for every output of a network, with and without what was learned before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.pictures import worst_values
from support.predictions import Row, code_lengths, hostile, lone_bits, mixtures, predicting, random_edges, seeds

from mulanzip.density.config import MEAN_BITS
from mulanzip.density.jpeg_gamut import MAX_LOG2_PENALTY, JpegGamut
from mulanzip.density.parameters import COUPLING_UNIT, LOG_SCALE_UNIT, SHAPE_ZERO
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import EIGHT_BIT, LOG2_STEPS, SampleScale
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import MAX_LOG2_UNIT, ValueEdges
from mulanzip.native import library

counts = st.sampled_from((1, 2, 3, 7, 255, 256, 257, 1000, 4096, 65535, 65536))
scales = st.builds(SampleScale, counts, st.sampled_from(LOG2_STEPS))


@st.composite
def plain_statistics(draw: st.DrawFn) -> SampleStatistics:
    """Of samples of 8 bits: value edges and gamuts of all kinds."""
    edges = draw(st.none() | st.builds(random_edges, seeds, st.integers(0, MAX_LOG2_UNIT)))
    return SampleStatistics(EIGHT_BIT, edges, draw(st.none() | st.builds(JpegGamut, st.integers(1, MAX_LOG2_PENALTY))))


statistics = st.one_of(plain_statistics(), st.builds(SampleStatistics, scales))


def worst_row(seed: int, k: int, count: int, given: SampleStatistics, colours: int) -> Row:
    values = worst_values(np.random.default_rng(seed), 0, given.scale.count - 1, (colours, count))
    return Row(hostile(seed, k, count, given.scale), values, given)


def spread(seed: int, count: int) -> np.ndarray:
    """Values 0..``count`` - 1 in rising order: all of them where these are few, else runs and the ends."""
    if count <= 300:
        return np.arange(count)
    starts = np.random.default_rng(seed).integers(0, count - 20, 8)
    return np.unique(np.concatenate([*(start + np.arange(20) for start in starts), [0, 1, count - 2, count - 1]]))


@pytest.mark.slow
@settings(max_examples=50)
@given(seeds, mixtures, st.integers(1, 12), statistics, st.integers(1, 3))
@example(0, 7, 3, SampleStatistics(SampleScale(65536, 8)), 1)
@example(0, 1, 1, SampleStatistics(SampleScale(65536, -4)), 1)
@example(1, 2, 5, SampleStatistics(gamut=JpegGamut(MAX_LOG2_PENALTY)), 3)
def test_slots_of_all_values_follow_each_other_and_none_has_none(
    seed: int, k: int, count: int, given: SampleStatistics, colours: int
) -> None:
    values = spread(seed, given.scale.count)
    low, width = worst_row(seed, k, count, given, colours).last_slots(values).T
    assert width.min() >= 1
    assert low[0] == 0
    assert low[-1] + width[-1] == 1 << library.SLOT_BITS
    adjacent = np.diff(values) == 1
    assert ((low + width)[:-1] <= low[1:]).all()
    assert ((low + width)[:-1] == low[1:])[adjacent].all()


@settings(max_examples=60)
@given(seeds, mixtures, st.integers(1, 40), statistics, st.integers(1, 3))
@example(0, 3, 30, SampleStatistics(SampleScale(65536, 8)), 3)
def test_any_values_come_back_from_their_slots(
    seed: int, k: int, count: int, given: SampleStatistics, colours: int
) -> None:
    row = worst_row(seed, k, count, given, colours)
    values, residuals = row.tile.values.copy(), row.tile.residuals
    words = library.push(row.symbols().astype(np.uint32))
    encoded = residuals.copy()
    residuals[...] = 0
    row.decoded(words)
    np.testing.assert_array_equal(row.tile.values, values)
    np.testing.assert_array_equal(residuals, encoded)


@settings(max_examples=60)
@given(seeds, mixtures, statistics, st.lists(st.integers(0, 2**32 - 1), max_size=30))
def test_any_words_decode_to_values_of_the_scale(seed: int, k: int, given: SampleStatistics, words: list[int]) -> None:
    row = worst_row(seed, k, 40, given, 3)
    decoder = library.Decoder(np.array(words, dtype=np.uint32))
    decoder.decode_unit(given.native_scale(2), row.tile, row.unit)
    assert row.tile.values.max() < given.scale.count
    assert decoder.decode_uniform(given.scale.count, 9).max() < given.scale.count


@settings(max_examples=40)
@given(seeds, mixtures, statistics)
def test_code_lengths_are_those_of_slots(seed: int, k: int, given: SampleStatistics) -> None:
    row = worst_row(seed, k, 30, given, 1)
    expected = (library.SLOT_BITS - np.log2(row.symbols()[:, 1])).sum()
    assert row.bits() == pytest.approx(expected, abs=30 * 2.0**-14)


def single(mean: float, log_scale: float, base: float = 0, couplings: tuple[int, ...] = (0, 0, 0)) -> Prediction:
    """One component for all three colours; the mean is in gray levels."""
    shapes = np.array([[SHAPE_ZERO]] * 3 + [[SHAPE_ZERO + round(LOG_SCALE_UNIT * log_scale)]] * 3, dtype=np.uint8)
    means = np.array([[round(mean * 2**MEAN_BITS)]] * 3 + [[c] for c in couplings], dtype=np.int32)
    return predicting(shapes, means, np.full((3, 1), round(base * 2**MEAN_BITS), dtype=np.int32))


def bits(prediction: Prediction, *values: int) -> float:
    return lone_bits(prediction, np.array(values, dtype=np.int32)[:, None])


@pytest.mark.parametrize(("mean", "value"), [(-20, 0), (-500, 0), (275, 255), (2000, 255)])
def test_both_tails_fold_into_the_ends_of_the_range(mean: float, value: int) -> None:
    lengths = code_lengths(single(mean, -1))
    assert lengths[value] < 0.01
    assert np.delete(lengths, value).min() > 10


def test_the_likeliest_value_is_the_mean() -> None:
    for mean in (0, 1, 37, 128, 254, 255):
        assert code_lengths(single(mean - 40.0, -3, base=40)).argmin() == mean


@pytest.mark.parametrize("sign", [1, -1])
def test_couplings_move_the_mean_to_the_nearest_step(sign: int) -> None:
    # One gray level of the first colour moves the second by 7/8 of a step, which is rounded to a whole one.
    prediction = single(0, -3, base=100, couplings=(sign * 7, 0, 0))
    assert bits(prediction, 101, 100 + sign) < bits(prediction, 101, 100 - sign) - 0.2


def test_colours_depend_on_the_colours_before_them() -> None:
    prediction = single(0, -3, base=100, couplings=(COUPLING_UNIT, 0, 2 * COUPLING_UNIT))  # Factors 1/2, 0 and 1.
    # 20 above its base, so the second is 10 above, and so is the third: 20 * 0 + 10 * 1.
    expected = bits(prediction, 120, 110, 110)
    assert expected == min(bits(prediction, 120, r, b) for r in range(108, 113) for b in range(108, 113))
    assert bits(prediction, 120, 100, 110) > expected + 10


def test_a_wider_value_is_likelier_by_as_much() -> None:
    steps = np.zeros((1, 255), dtype=np.int64)
    steps[0, 99] = -16  # Value 100 begins half a gray level lower.
    prediction = single(100, 2)
    plain, moved = (
        2.0 ** -code_lengths(prediction, SampleStatistics(value_edges=edges))
        for edges in (None, ValueEdges.moved(steps, 0))
    )
    ratio = moved / plain
    assert ratio[100] == pytest.approx(1.5, rel=0.03)
    assert ratio[99] == pytest.approx(0.5, rel=0.05)
    assert np.delete(ratio, [99, 100]) == pytest.approx(1, abs=0.001)


def test_rare_colours_near_the_mean_cost_as_many_bits_more_as_the_file_says() -> None:
    gamut = JpegGamut(5)
    earlier = np.array([[120], [90]], dtype=np.int32)
    others = np.unpackbits(library.other_colours(), bitorder="little").reshape(256, 256, 256)[120, 90]
    lengths = []
    for samples in (SampleStatistics(), SampleStatistics(gamut=gamut)):
        row = Row(single(0, 2, base=100), np.vstack((earlier, [[0]])), samples)
        lengths.append(library.SLOT_BITS - np.log2(row.last_slots(np.arange(256))[:, 1]))
    more = lengths[1] - lengths[0]
    window = slice(92, 108)  # 16 values around the mean.
    assert 0 < others[window].sum() < 16
    gain = -more[window][others[window] == 0]
    assert gain == pytest.approx(gain[0], abs=0.01)
    assert gain[0] > 0.1
    assert more[window][others[window] == 1] == pytest.approx(5 - gain[0], abs=0.05)


# Learning.


def wrong_by(levels: float, count: int, seed: int = 0) -> tuple[Prediction, np.ndarray]:
    """Predictions of samples around 100 whose mean is wrong by a constant, and the samples."""
    rng = np.random.default_rng(seed)
    values = np.rint(100 + rng.logistic(0, 2, (1, count))).clip(0, 255).astype(np.int32)
    log_scale = round(LOG_SCALE_UNIT * np.log(2 / 4))
    shapes = np.full((6, count), SHAPE_ZERO, dtype=np.uint8)
    shapes[3:] = SHAPE_ZERO + log_scale
    means = np.zeros((6, count), dtype=np.int32)
    base = np.full((3, count), round((100 + levels) * 2**MEAN_BITS), dtype=np.int32)
    return predicting(shapes, means, base), values


def test_a_mean_that_is_wrong_everywhere_is_corrected() -> None:
    prediction, values = wrong_by(4, 1500)
    right, _ = wrong_by(0, 1500)
    wrong, learned, best = lone_bits(prediction, values), Row(prediction, values).bits(), lone_bits(right, values)
    assert learned - best < 0.5 * (wrong - best)


def test_a_scale_that_is_wrong_everywhere_is_corrected() -> None:
    prediction, values = wrong_by(0, 1500)
    narrow = predicting(
        prediction.head(prediction.features, prediction.base[:0], 0)[0].repeat(3, 0) - np.uint8(LOG_SCALE_UNIT),
        np.zeros((6, 1500), dtype=np.int32),
        prediction.base,
    )
    assert Row(narrow, values).bits() < 0.97 * lone_bits(narrow, values)


def test_where_nothing_is_wrong_learning_costs_little() -> None:
    prediction, values = wrong_by(0, 1500)
    assert Row(prediction, values).bits() < 1.005 * lone_bits(prediction, values)


# Counts.


def test_values_are_counted_as_they_are_seen_and_as_they_are_expected() -> None:
    prediction, values = wrong_by(0, 3000)
    row = Row(prediction, values)
    seen, expected = np.zeros(256, dtype=np.int64), np.zeros(256, dtype=np.int64)
    library.count_unit(SampleStatistics().native_scale(0), row.tile, row.unit, seen, expected)
    near = (values >= 92) & (values < 108)
    assert seen.sum() == pytest.approx(near.sum(), abs=60)
    assert (seen <= np.bincount(values[0], minlength=256)).all()
    assert expected.sum() <= 3000 << 16
    middle = slice(96, 104)
    assert (expected[middle] / (1 << 16)) == pytest.approx(seen[middle], rel=0.25)
