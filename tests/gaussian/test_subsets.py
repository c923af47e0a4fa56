"""Distributions over k-subsets, compared with a list of all subsets of a few bits."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mulanzip.gaussian.context_encoder import ContextEncoder
from mulanzip.gaussian.subsets import LIMIT, SubsetDistribution, log_count


def all_subsets(bits: int, active: int) -> torch.Tensor:
    rows = torch.zeros(math.comb(bits, active), bits, dtype=torch.float64)
    for row, chosen in zip(rows, combinations(range(bits), active), strict=True):
        row[list(chosen)] = 1
    return rows


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(0, 999), st.floats(0, 6), st.data())
def test_marginals_cost_and_gradients_are_those_of_the_list(
    bits: int, seed: int, scale: float, data: st.DataObject
) -> None:
    active = data.draw(st.integers(1, bits - 1))
    logits = scale * torch.randn(2, bits, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    logits.clamp_(-LIMIT, LIMIT).requires_grad_()
    rows = all_subsets(bits, active)
    log_q = torch.log_softmax(logits @ rows.T, 1)
    marginals = log_q.exp() @ rows
    cost = log_count(bits, active) + (log_q.exp() * log_q).sum(1)
    found = SubsetDistribution.from_logits(logits, active)
    torch.testing.assert_close(found.marginals, marginals, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.cost, cost, rtol=1e-6, atol=1e-8)
    weights = torch.arange(bits, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((m * weights).sum() + c.sum(), logits, retain_graph=True)[0]
        for m, c in ((found.marginals, found.cost), (marginals, cost))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)


def test_the_cost_is_that_of_a_subset_not_of_one_draw() -> None:
    assert log_count(50, 15) / math.log(2) == pytest.approx(41.03, abs=0.005)
    certain = torch.full((1, 50), -LIMIT)
    certain[:, :15] = LIMIT
    assert float(SubsetDistribution.from_logits(certain, 15).cost) == pytest.approx(log_count(50, 15), rel=1e-3)
    assert float(SubsetDistribution.from_logits(torch.full((1, 50), 3.0), 15).cost) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@given(st.integers(0, 999), st.floats(0, 1e4))
def test_the_cost_has_its_bounds_whatever_the_logits(seed: int, scale: float) -> None:
    logits = scale * torch.randn(4, 50, generator=torch.Generator().manual_seed(seed))
    subsets = SubsetDistribution.from_logits(logits, 15)
    assert (subsets.cost > -1e-6).all()
    assert (subsets.cost < log_count(50, 15) + 1e-6).all()
    torch.testing.assert_close(subsets.marginals.sum(1), torch.full((4,), 15.0, dtype=torch.float64))
    assert (subsets.sample(torch.Generator().manual_seed(seed)).sum(1) == 15).all()


def test_samples_follow_the_distribution() -> None:
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(5)).expand(20000, 6)
    subsets = SubsetDistribution.from_logits(logits, 2)
    drawn = subsets.sample(torch.Generator().manual_seed(0)).double()
    rows = all_subsets(6, 2)
    expected = torch.softmax(logits[:1].double() @ rows.T, 1)[0]
    seen = torch.bincount((drawn @ rows.T).argmax(1), minlength=len(rows)) / len(drawn)
    assert (seen - expected).abs().max() < 0.015


def test_relaxed_samples_are_subsets_with_a_gradient() -> None:
    logits = torch.randn(3, 50, requires_grad=True)
    relaxed = SubsetDistribution.from_logits(logits, 15).relaxed(torch.Generator().manual_seed(0))
    assert torch.equal(relaxed.detach().round(), relaxed.detach())
    relaxed[:, :7].sum().backward()
    assert (logits.grad[:, :7] > 0).all()  # Each bit raises its own logit,
    assert (logits.grad[:, 7:] < 0).all()  # and lowers the others.


def test_the_encoder_takes_images_of_any_size() -> None:
    encoder = ContextEncoder(50, 15)
    for size in ((4, 4), (32, 32), (12, 40)):
        subsets = encoder(torch.zeros(2, 3, *size))
        assert subsets.marginals.shape == (2, 50)
        torch.testing.assert_close(subsets.marginals.sum(1), torch.full((2,), 15.0, dtype=torch.float64))


def test_a_spread_encoder_tells_images_apart() -> None:
    images = 2 * torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    encoder = ContextEncoder(50, 15)
    encoder.spread(images)
    logits = encoder(images).logits.detach()
    torch.testing.assert_close(logits.mean(0), torch.zeros(50, dtype=torch.float64), atol=1e-3, rtol=0)
    assert float(logits.std(0).min()) > 1
    assert float(logits.std(0).max()) < 2.1
    assert float(logits.abs().max()) < LIMIT  # Beyond, the clamp would stop learning.
