"""Noise schedules rise strictly between fixed ends, and agree with their derivatives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schedules import random_schedule

from mulanzip.gaussian.forward import GAMMA_MAX, GAMMA_MIN, alpha, precision_gain, sigma, to_unit, to_values
from mulanzip.gaussian.model import PROCESSES, GaussianModel
from mulanzip.gaussian.noise_schedule import GAMMA_RANGE, LINEAR_WEIGHT, LinearSchedule

BITS = 6
KINDS = ("linear", "scalar", "multivariate", "adaptive")


def context(seed: int) -> torch.Tensor:
    return torch.randint(0, 2, (1, BITS), generator=torch.Generator().manual_seed(seed)).double()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 999), st.floats(0, 3))
def test_schedules_rise_by_more_than_their_floor_from_end_to_end(kind: str, seed: int, strength: float) -> None:
    path = random_schedule(kind, seed, strength).path((8, 12), context(seed))
    t = torch.linspace(0, 1, 65, dtype=torch.float64)
    gamma, slope = path(t)
    assert gamma.shape[1:] in ((1, 1, 1), (3, 8, 12))
    torch.testing.assert_close(gamma[0], torch.full_like(gamma[0], GAMMA_MIN))
    torch.testing.assert_close(gamma[-1], torch.full_like(gamma[-1], GAMMA_MAX))
    assert (slope >= 0.999 * LINEAR_WEIGHT * GAMMA_RANGE).all()
    assert (gamma.diff(dim=0) >= 0.99 * LINEAR_WEIGHT * GAMMA_RANGE / 64).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 999), st.floats(0.01, 0.99))
def test_slopes_are_derivatives(kind: str, seed: int, at: float) -> None:
    path = random_schedule(kind, seed).path((4, 4), context(seed))
    step = 1e-6
    (before, _), (after, _) = (path(torch.tensor([t], dtype=torch.float64)) for t in (at - step, at + step))
    slope = path(torch.tensor([at], dtype=torch.float64))[1]
    torch.testing.assert_close((after - before) / (2 * step), slope, rtol=1e-5, atol=1e-4)


def test_posterior_variances_do_not_vanish_in_single_precision() -> None:
    path = random_schedule("multivariate", 3, 3).float().path((32, 32))
    t = torch.arange(1025) / 1024
    gamma = path(t)[0]
    assert (-torch.expm1(gamma[:-1] - gamma[1:]) > 0).all()
    assert (precision_gain(gamma[:-1], gamma[1:]) > 0).all()


def test_schedules_start_near_the_linear_one() -> None:
    t = torch.linspace(0, 1, 33)
    for config in PROCESSES.values():
        torch.manual_seed(0)
        model = GaussianModel(config)
        path = model.schedule.path((32, 32), torch.ones(1, config.bits) if config.bits else None)
        assert (path(t)[0] - LinearSchedule().path((32, 32))(t)[0]).abs().max() < 1.5


def test_schedules_differ_where_they_can() -> None:
    t = torch.full((1,), 0.5, dtype=torch.float64)
    gamma = random_schedule("multivariate", 0).path((16, 16))(t)[0]
    assert gamma.std() > 0.1
    adaptive = random_schedule("adaptive", 0)
    one, other = (adaptive.path((16, 16), context(seed))(t)[0] for seed in (1, 2))
    assert (one - other).abs().max() > 0.1
    with pytest.raises(ValueError, match="depends on a context"):
        adaptive.path((16, 16))


@pytest.mark.parametrize("name", PROCESSES)
def test_schedules_fit_images_of_any_size_and_are_small(name: str) -> None:
    model = GaussianModel(PROCESSES[name])
    sizes = [sum(p.numel() for p in part.parameters()) for part in (model.schedule, model.denoiser)]
    assert sizes[0] < 0.1 * sizes[1]
    bits = PROCESSES[name].bits
    for size in ((4, 4), (32, 32), (20, 44)):
        gamma = model.schedule.path(size, torch.zeros(2, bits) if bits else None)(torch.tensor([0.2, 0.7]))[0]
        assert torch.broadcast_shapes(gamma.shape, (2, 3, *size)) == (2, 3, *size)


@given(st.floats(GAMMA_MIN, GAMMA_MAX))
def test_the_process_keeps_the_variance(gamma: float) -> None:
    at = torch.tensor(gamma, dtype=torch.float64)
    assert float(alpha(at) ** 2 + sigma(at) ** 2) == pytest.approx(1)
    assert float(alpha(at) ** 2 / sigma(at) ** 2) == pytest.approx(float(torch.exp(-at)))


def test_values_come_back_from_units() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    u = to_unit(values)
    assert torch.equal(to_values(u), values)
    assert torch.equal(to_values(u + 0.49 / 128), values)
    assert torch.equal(-u.flip(0), u)
    assert to_values(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]
