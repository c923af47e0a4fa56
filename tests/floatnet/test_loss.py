"""The training loss is the code length of the coder, and its gradient that of autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.predictions import COUPLINGS, lone_bits, predicting, seeds
from torch import Tensor
from torch.nn import functional

from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.parameters import (
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
)
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import ValueEdges
from mulanzip.floatnet.loss import code_length

#: Fractional bits of couplings.
COUPLING_BITS = 8


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


@pytest.mark.slow
@settings(max_examples=8)
@given(seeds, st.integers(1, 6))
def test_integer_code_length_agrees_with_the_training_loss(seed: int, k: int) -> None:
    count = 300
    prediction, outputs, base, values = plausible(seed, k, count)
    in_float = float(loss_of(outputs, base, values, torch.ones(count), k))
    assert lone_bits(prediction, values.numpy()) == pytest.approx(in_float, rel=0.005)


@pytest.mark.slow
@settings(max_examples=8)
@given(seeds, st.integers(1, 6), st.sampled_from((1, 4, 8)))
def test_so_it_does_for_samples_that_are_finer_than_levels(seed: int, k: int, shift: int) -> None:
    count, statistics = 300, SampleStatistics(SampleScale(256 << shift, shift))
    prediction, outputs, base, values = plausible(seed, k, count)
    below = np.random.default_rng(seed).integers(0, 1 << shift, values.shape)
    # The lower half of a gray level is nearer to the next lower one.
    fine = torch.from_numpy(np.clip((values.numpy().astype(int) << shift) + below - (1 << shift - 1), 0, None))
    colours = outputs.split([3 * k + colour for colour in range(COLOURS)])
    in_float = float(code_length(colours, base, fine, torch.ones(count), statistics))
    # The table has no more than 16 bits in its tails.
    assert lone_bits(prediction, fine.numpy(), statistics) == pytest.approx(in_float, rel=0.01)


def test_so_it_does_with_value_edges() -> None:
    rng = np.random.default_rng(0)
    count, k = 500, 2
    outputs = [torch.from_numpy(rng.normal(0, 0.5, (3 * k, count)).astype(np.float32))]
    statistics = SampleStatistics(value_edges=ValueEdges.moved(rng.integers(-10, 11, (1, 255)), 0))
    base = rng.integers(60, 190, (1, count)) << MEAN_BITS
    values = torch.from_numpy(np.clip((base >> MEAN_BITS) + rng.integers(-6, 7, (1, count)), 0, 255))
    in_float = code_length(
        outputs, torch.from_numpy(base / 2**MEAN_BITS).float(), values, torch.ones(count), statistics
    )
    parts = outputs[0].numpy()
    units = ((LOGIT_UNIT, 0), (LOG_SCALE_UNIT, 1))
    shapes = [np.rint(SHAPE_ZERO + unit * parts[i * k : (i + 1) * k]).repeat(3, 0) for unit, i in units]
    means = np.zeros((COLOURS * k + COUPLINGS, count), dtype=np.int32)
    means[:k] = np.rint(parts[2 * k :] * MEAN_UNIT)
    prediction = predicting(np.concatenate(shapes).astype(np.uint8), means, base.astype(np.int32).repeat(3, 0))
    assert lone_bits(prediction, values.numpy(), statistics) == pytest.approx(float(in_float), rel=0.01)


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
