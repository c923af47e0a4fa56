"""The integer likelihood is valid for every output of a network, and agrees with the training loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mixtures import (
    COUPLINGS,
    MOST_MIXTURES,
    TABLES,
    hostile,
    mixture_of,
    mixture_rows,
    mixtures,
    predicting,
    seeds,
    whole_cdf,
)
from support.pictures import worst_values
from torch import Tensor
from torch.nn import functional

from mulanzip.codec import subpixels
from mulanzip.codec.subpixels import MixtureCoder
from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.likelihood import Likelihood
from mulanzip.density.mixture import (
    COUPLING_BITS,
    COUPLING_GAIN,
    COUPLING_UNIT,
    LOG_SCALE_LIMIT,
    LOG_SCALE_UNIT,
    LOGIT_UNIT,
    MEAN_GAIN,
    MEAN_UNIT,
    PROBABILITY_FLOOR,
    SCALE_AT_ZERO,
    SHAPE_ZERO,
    TABLE_HALF,
    Tables,
)
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.entropy.ans import BitCounter, SymbolDecoder, SymbolEncoder
from mulanzip.floatnet.loss import code_length

#: Maximum code length of every value, for every output of the network.  The floor of seven components is 2**-22.8.  A
#: value with less than 2**-20 of its part counts as 2**-24 there; such a part has more than 2**-2.8.
LEAST_PROBABILITY = 2.0**-27


def exact_cdf(logits: np.ndarray, scales: np.ndarray, means: np.ndarray, edge: int) -> list[int]:
    """The CDF again, in Python's unlimited integers."""
    one, floor = 1 << 16, (1 << 16) * (1 << 12) >> 20
    found = []
    for column in range(logits.shape[1]):
        below = edge * floor
        for logit, scale, mean in zip(logits[:, column], scales[:, column], means[:, column], strict=True):
            weight = int(TABLES.weight[int(logits[:, column].max()) - int(logit)])
            inverse = int(TABLES.inverse_scale[int(scale)])
            mean_level = min(max(int(mean), -64 << MEAN_BITS), (255 + 64) << MEAN_BITS)
            position = ((edge << MEAN_BITS) - (1 << MEAN_BITS - 1) - mean_level) * inverse + (TABLE_HALF << 8) >> 8
            height = int(TABLES.logistic[min(max(position, 0), 2 * TABLE_HALF)])
            below += weight * (height if edge < 256 else one)
        found.append(below)
    return found


@given(seeds, mixtures)
def test_cdfs_are_exact_without_overflow(seed: int, k: int) -> None:
    rows = mixture_rows(hostile(seed, k, 20), k)
    mixture = mixture_of(*rows)
    assert mixture.total.tolist() == exact_cdf(*rows, edge=256)
    for edge in (1, 2, 127, 128, 129, 254, 255):
        assert mixture.cdf(np.full(20, edge, dtype=np.int32)).tolist() == exact_cdf(*rows, edge=edge)


@given(seeds, mixtures)
def test_cdfs_rise_from_zero_to_their_total(seed: int, k: int) -> None:
    mixture = mixture_of(*mixture_rows(hostile(seed, k, 20), k))
    assert mixture.total.dtype == np.int32
    assert (np.diff(whole_cdf(mixture), axis=0) > 0).all()


def code_lengths(prediction: Prediction) -> np.ndarray:
    """Code length in bits of each value 0..255 of the first colour of a single cell."""
    found = []
    for value in range(256):
        counter = BitCounter()
        MixtureCoder(Likelihood(TABLES), counter, 1).code_phase(prediction, np.array([[value]], dtype=np.uint8))
        found.append(counter.bits)
    return np.array(found)


@pytest.mark.slow
@settings(max_examples=25)
@given(seeds, mixtures)
def test_probabilities_of_all_values_add_up_to_one_and_none_is_too_small(seed: int, k: int) -> None:
    probabilities = 2.0 ** -code_lengths(hostile(seed, k, 1))
    # Symbols that carry nothing are coded as almost certain, which loses a trace.
    assert 1 - 2e-4 < probabilities.sum() < 1 + 1e-9
    assert probabilities.min() >= LEAST_PROBABILITY


@pytest.mark.slow
@settings(max_examples=25)
@given(seeds, mixtures)
def test_coded_probabilities_follow_the_cdf(seed: int, k: int) -> None:
    prediction = hostile(seed, k, 1)
    cdf = whole_cdf(mixture_of(*mixture_rows(prediction, k)))[:, 0]
    ideal = np.diff(cdf) / cdf[-1]
    coded = 2.0 ** -code_lengths(prediction)
    # Probabilities are rounded down to 20 bits: likely values lose next to nothing, the least likely ones some bits.
    assert (ideal * np.log2(ideal / coded)).sum() < 0.003
    assert np.abs(np.log2(ideal / coded)).max() < 6


@given(seeds, mixtures, st.integers(1, 40), st.sampled_from((1, 3)))
def test_hostile_predictions_code_losslessly(seed: int, k: int, count: int, colours: int) -> None:
    prediction = hostile(seed, k, count)
    truth = worst_values(np.random.default_rng(seed), 0, 255, (count, colours)).astype(np.uint8)
    encoder = SymbolEncoder()
    np.testing.assert_array_equal(
        MixtureCoder(Likelihood(TABLES), encoder, colours).code_phase(prediction, truth), truth
    )
    decoder = SymbolDecoder(encoder.finish())
    decoded = MixtureCoder(Likelihood(TABLES), decoder, colours).code_phase(prediction, None)
    np.testing.assert_array_equal(decoded, truth)
    decoder.finish()


@pytest.mark.slow
def test_more_cells_than_a_chunk_code_losslessly() -> None:
    count = 2 * subpixels.CHUNK + 17
    prediction = hostile(5, 3, count)
    truth = np.random.default_rng(5).integers(0, 256, (count, 3), dtype=np.uint8)
    encoder = SymbolEncoder()
    MixtureCoder(Likelihood(TABLES), encoder).code_phase(prediction, truth)
    decoder = SymbolDecoder(encoder.finish())
    np.testing.assert_array_equal(MixtureCoder(Likelihood(TABLES), decoder).code_phase(prediction, None), truth)
    decoder.finish()


def single(mean: float, log_scale: float, base: float = 0, couplings: tuple[int, ...] = (0, 0, 0)) -> Prediction:
    """One component for all three colours; the mean is in gray levels."""
    shapes = np.array([[SHAPE_ZERO]] * 3 + [[SHAPE_ZERO + round(LOG_SCALE_UNIT * log_scale)]] * 3, dtype=np.uint8)
    means = np.array([[round(mean * 2**MEAN_BITS)]] * 3 + [[c] for c in couplings], dtype=np.int32)
    return predicting(shapes, means, np.full((3, 1), round(base * 2**MEAN_BITS), dtype=np.int32))


@pytest.mark.parametrize(("mean", "value"), [(-20, 0), (-500, 0), (275, 255), (2000, 255)])
def test_both_tails_fold_into_the_ends_of_the_range(mean: float, value: int) -> None:
    lengths = code_lengths(single(mean, -1))
    assert lengths[value] < 0.01
    assert np.delete(lengths, value).min() > 10


@pytest.mark.slow
def test_the_likeliest_value_is_the_mean() -> None:
    for mean in (0, 1, 37, 128, 254, 255):
        assert code_lengths(single(mean - 40.0, -3, base=40)).argmin() == mean


@pytest.mark.parametrize("sign", [1, -1])
def test_couplings_move_the_mean_to_the_nearest_step(sign: int) -> None:
    # One gray level of the first colour moves the second by 7/8 of a step, which is rounded to a whole one.
    prediction = single(0, -3, base=100, couplings=(sign * 7, 0, 0))

    def bits(second: int) -> float:
        counter = BitCounter()
        MixtureCoder(Likelihood(TABLES), counter, 3).code_phase(
            prediction, np.array([[101, second, 100]], dtype=np.uint8)
        )
        return counter.bits

    assert bits(100 + sign) < bits(100 - sign) - 0.2


def test_colours_depend_on_the_colours_before_them() -> None:
    prediction = single(0, -3, base=100, couplings=(COUPLING_UNIT, 0, 2 * COUPLING_UNIT))  # Factors 1/2, 0 and 1.

    def bits(*values: int) -> float:
        counter = BitCounter()
        MixtureCoder(Likelihood(TABLES), counter).code_phase(prediction, np.array([values], dtype=np.uint8))
        return counter.bits

    # 20 above its base, so the second is 10 above, and so is the third: 20 * 0 + 10 * 1.
    expected = bits(120, 110, 110)
    assert expected == min(bits(120, r, b) for r in range(108, 113) for b in range(108, 113))
    assert bits(120, 100, 110) > expected + 10


def test_tables_are_what_their_docstring_says() -> None:
    TABLES.validate()
    assert TABLES.logistic[TABLE_HALF] == 1 << 15
    np.testing.assert_array_equal(TABLES.logistic + TABLES.logistic[::-1], 1 << 16)
    assert all(t.dtype == np.int32 for t in (TABLES.logistic, TABLES.weight, TABLES.inverse_scale))


def _with(table: np.ndarray, index: int, value: int) -> np.ndarray:
    changed = table.copy()
    changed[index] = value
    return changed


BROKEN = {
    "short": replace(TABLES, logistic=TABLES.logistic[:-1]),
    "short weights": replace(TABLES, weight=TABLES.weight[:-1]),
    "falling": replace(TABLES, logistic=_with(TABLES.logistic, 5, 7)),
    "below zero": replace(TABLES, logistic=_with(TABLES.logistic, 0, -1)),
    "above one": replace(TABLES, logistic=_with(TABLES.logistic, -1, (1 << 16) + 1)),
    "light first weight": replace(TABLES, weight=_with(TABLES.weight, 0, 4095)),
    "heavy weight": replace(TABLES, weight=_with(TABLES.weight, 9, 4097)),
    "negative weight": replace(TABLES, weight=_with(TABLES.weight, 9, -1)),
    "zero slope": replace(TABLES, inverse_scale=_with(TABLES.inverse_scale, 9, 0)),
    "steep slope": replace(TABLES, inverse_scale=_with(TABLES.inverse_scale, 9, (1 << 17) + 1)),
    "float table": replace(TABLES, logistic=TABLES.logistic.astype(np.float32)),
    "wide table": replace(TABLES, inverse_scale=TABLES.inverse_scale.astype(np.int64)),
}


@pytest.mark.parametrize("why", BROKEN)
def test_broken_tables_are_refused(why: str) -> None:
    with pytest.raises(ValueError, match=r"table|scales"):
        BROKEN[why].validate()


def test_steepest_and_heaviest_tables_that_are_accepted_do_not_overflow() -> None:
    tables = Tables(TABLES.logistic, np.full(256, 1 << 12, dtype=np.int32), np.full(256, 1 << 17, dtype=np.int32))
    tables.validate()
    for mean in (-(1 << 20), 1 << 20):
        shapes = np.zeros((MOST_MIXTURES, 1), dtype=np.uint8)
        mixture = mixture_of(shapes, shapes, np.full((MOST_MIXTURES, 1), mean, dtype=np.int32), tables=tables)
        assert (np.diff(whole_cdf(mixture), axis=0) > 0).all()


# The training loss, and its agreement with the integers.


def by_colour(logits: Tensor, scales: Tensor, means: Tensor, couplings: Tensor, k: int) -> Tensor:
    """Rows of all colours by kind -> rows by colour, as the network has them."""
    rows: list[Tensor] = []
    for colour, first in enumerate((0, 0, 1)):
        rows += [t[colour * k : (colour + 1) * k] for t in (logits, scales, means)]
        rows.append(couplings[first : first + colour])
    return torch.cat(rows)


def rows_of(what: int, k: int) -> list[int]:
    """Rows of the network's outputs that hold logits (0), scales (1), means (2) or couplings (3)."""
    starts = [0, 3 * k, 6 * k + 1]
    if what < 3:
        return [start + what * k + i for start in starts for i in range(k)]
    return [start + 3 * k + i for colour, start in enumerate(starts) for i in range(colour)]


def plausible(seed: int, k: int, count: int) -> tuple[Prediction, Tensor, Tensor, Tensor]:
    """Integer predictions like those of a network, the same as float outputs and base, and values near them."""
    rng = np.random.default_rng(seed)
    n = COLOURS * k
    logits = rng.integers(-40, 41, (n, count))
    scales = rng.integers(-LOG_SCALE_UNIT, LOG_SCALE_UNIT, (n, count))
    means = rng.integers(-12 << MEAN_BITS, 12 << MEAN_BITS, (n, count))
    couplings = rng.integers(-COUPLING_UNIT, 3 * COUPLING_UNIT, (COUPLINGS, count))
    base = rng.integers(0, (255 << MEAN_BITS) + 1, (COLOURS, count))
    prediction = predicting(
        np.concatenate((logits, scales)).astype(np.uint8) + np.uint8(SHAPE_ZERO),
        np.concatenate((means, couplings)).astype(np.int32),
        base.astype(np.int32),
    )
    parts = (logits / LOGIT_UNIT, scales / LOG_SCALE_UNIT, means / MEAN_UNIT)
    outputs = by_colour(*(torch.from_numpy(p) for p in (*parts, couplings / COUPLING_UNIT)), k).numpy()
    a, b, c = couplings / (1 << COUPLING_BITS)
    offsets = rng.normal(0, 5, (COLOURS, count))
    offsets[1] += a * offsets[0]
    offsets[2] += b * offsets[0] + c * offsets[1]
    values = np.rint(base / 2**MEAN_BITS + offsets).clip(0, 255)
    base_levels = torch.from_numpy(base / 2**MEAN_BITS).float()
    return prediction, torch.from_numpy(outputs).float(), base_levels, torch.from_numpy(values.astype(np.uint8))


def loss_of(outputs: Tensor, base: Tensor, values: Tensor, weights: Tensor, k: int) -> Tensor:
    """The training loss of the rows of all colours together."""
    return code_length(outputs.split([3 * k + colour for colour in range(COLOURS)]), base, values, weights)


@settings(max_examples=20)
@given(seeds, st.integers(1, 6))
def test_integer_code_length_agrees_with_the_training_loss(seed: int, k: int) -> None:
    count = 1500
    prediction, outputs, base, values = plausible(seed, k, count)
    in_float = float(loss_of(outputs, base, values, torch.ones(count), k))
    counter = BitCounter()
    MixtureCoder(Likelihood(TABLES), counter).code_phase(prediction, np.ascontiguousarray(values.numpy().T))
    assert counter.bits == pytest.approx(in_float, rel=0.005)


@pytest.mark.slow
@settings(max_examples=20)
@given(seeds, st.integers(1, 6), st.sampled_from((1, 4, 8)))
def test_so_it_does_for_samples_that_are_finer_than_levels(seed: int, k: int, shift: int) -> None:
    count, statistics = 1500, SampleStatistics(SampleScale(256 << shift, shift))
    prediction, outputs, base, values = plausible(seed, k, count)
    below = np.random.default_rng(seed).integers(0, 1 << shift, values.shape)
    # The lower half of a gray level is nearer to the next lower one.
    fine = torch.from_numpy(np.clip((values.numpy().astype(int) << shift) + below - (1 << shift - 1), 0, None))
    colours = outputs.split([3 * k + colour for colour in range(COLOURS)])
    in_float = float(code_length(colours, base, fine, torch.ones(count), statistics))
    counter = BitCounter()
    MixtureCoder(Likelihood(TABLES, statistics), counter).code_phase(prediction, fine.numpy().T.astype(np.uint16))
    # The table has no more than 16 bits in its tails.
    assert counter.bits == pytest.approx(in_float, rel=0.01)


def plain_bits(outputs: Tensor, base: Tensor, values: Tensor, k: int) -> Tensor:
    """The formula in the docstring of the loss, for autograd: bits ``(3, n)``."""
    logits, scales, means, couplings = (outputs[rows_of(what, k)] for what in range(4))
    a, b, c = COUPLING_GAIN * couplings
    known = values.double() - base
    shifts = torch.zeros_like(known[0]), a * known[0], b * known[0] + c * known[1]
    bits = []
    for colour in range(COLOURS):
        rows = slice(colour * k, (colour + 1) * k)
        weights = functional.softmax(logits[rows], 0)
        mean = MEAN_GAIN * means[rows] + base[colour] + shifts[colour]
        scale = SCALE_AT_ZERO * scales[rows].clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT).exp()
        value = values[colour].double()
        upper = torch.where(value == 255, 1.0, torch.sigmoid((value + 0.5 - mean) / scale))
        lower = torch.where(value == 0, 0.0, torch.sigmoid((value - 0.5 - mean) / scale))
        bits.append(-((weights * (upper - lower)).sum(0) + PROBABILITY_FLOOR).log2())
    return torch.stack(bits)


@settings(max_examples=20)
@given(seeds, st.integers(1, 5))
def test_the_loss_and_its_hand_written_gradient_are_those_of_autograd(seed: int, k: int) -> None:
    _, outputs, base, values = plausible(seed, k, 40)
    rng = torch.Generator().manual_seed(seed % 1000)
    values[..., 0], values[..., 1] = 0, 255
    outputs[rows_of(1, k), 2] = 1.01 * LOG_SCALE_LIMIT  # Beyond the clamp: no gradient.
    outputs[rows_of(1, k), 3] = -1.01 * LOG_SCALE_LIMIT
    weights = torch.rand(40, generator=rng)
    # In float32, differences of nearly equal CDFs are inaccurate, so values that are almost impossible are left out.
    likely = (plain_bits(outputs.double(), base.double(), values, k) < 10).all(0)
    for dtype, tolerance, weight in ((torch.float64, 1e-9, weights), (torch.float32, 0.01, weights * likely)):
        exact_leaf = outputs.double().requires_grad_()
        exact = (plain_bits(exact_leaf, base.double(), values, k) * weight).sum()
        (2 * exact).backward()
        leaf = outputs.to(dtype).requires_grad_()
        loss = loss_of(leaf, base.to(dtype), values, weight.to(dtype), k)
        (2 * loss).backward()
        assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=tolerance)
        assert leaf.grad is not None
        assert exact_leaf.grad is not None
        assert (leaf.grad - exact_leaf.grad).norm() <= tolerance * exact_leaf.grad.norm()
        assert not leaf.grad[rows_of(1, k), 2:4].any()


def test_weights_of_zero_cost_nothing_and_pull_at_nothing() -> None:
    _, outputs, base, values = plausible(1, 3, 10)
    leaf = outputs.clone().requires_grad_()
    weights = torch.zeros(10)
    weights[4] = 1
    loss = loss_of(leaf, base, values, weights, 3)
    loss.backward()
    alone = loss_of(outputs[:, 4:5], base[:, 4:5], values[:, 4:5], torch.ones(1), 3)
    assert float(loss.detach()) == pytest.approx(float(alone))
    assert leaf.grad is not None
    assert not leaf.grad[..., :4].any()
    assert leaf.grad[..., 4].any()
