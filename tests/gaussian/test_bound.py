"""Bound and likelihood agree with closed forms, on Gaussian fields with the best denoiser."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schedules import random_schedule

from benchmarks.fields.gaussian_field import GaussianField
from mulanzip.gaussian import variational
from mulanzip.gaussian.denoiser import Moments, restrict_to_values
from mulanzip.gaussian.flow import TRUNCATION, likelihood, log_density
from mulanzip.gaussian.forward import GAMMA_MAX, GAMMA_MIN, VALUES, diffused, precision_gain, to_unit
from mulanzip.gaussian.noise_schedule import NoisePath
from mulanzip.gaussian.variational import Bound

SHAPE = (3, 4, 4)
N = 48
LOG2E = 1 / math.log(2)


def field() -> GaussianField:
    """Three correlated planes with about the variance of images in -1..1."""
    plane = GaussianField.exponential(4, 0.2, 3.0, 0.002).covariance
    colours = torch.full((3, 3), 0.9, dtype=torch.float64) + 0.1 * torch.eye(3, dtype=torch.float64)
    return GaussianField(torch.kron(colours, plane))


def draw(count: int, seed: int = 0) -> torch.Tensor:
    return field().sample(count, torch.Generator().manual_seed(seed)).view(count, *SHAPE)


def start_log_density(z: torch.Tensor) -> torch.Tensor:
    """``ln p(z_0)``: the density of the field plus the noise at t = 0."""
    start = torch.tensor(GAMMA_MIN, dtype=torch.float64)
    covariance = torch.sigmoid(-start) * field().covariance + torch.sigmoid(start) * torch.eye(N)
    normal = torch.distributions.MultivariateNormal(torch.zeros(N, dtype=torch.float64), covariance)
    return normal.log_prob(z.flatten(1))


def expected_bits(path: NoisePath, steps: int | None, count: int = 512) -> float:
    """Prior and diffusion terms on draws of the field, in bits per image.

    The squared error of the best denoiser is replaced by its expectation, the variance, so only times are random.
    """
    u = draw(count)

    def denoise(z: torch.Tensor, gamma: torch.Tensor) -> Moments:
        found = field().denoise(z, gamma)
        return Moments(u + found.variance.sqrt(), found.variance)

    generator = torch.Generator().manual_seed(1)
    return float(
        variational.prior(draw(8192)).mean() + variational.diffusion(denoise, path, u, steps, generator).mean()
    )


def test_the_error_of_the_best_denoiser_is_its_variance() -> None:
    u = draw(512)
    for gamma in torch.tensor([-8.0, -3.0, 0.0, 3.0], dtype=torch.float64):
        z = diffused(u, gamma, torch.randn(u.shape, generator=torch.Generator().manual_seed(2)).double())
        found = field().denoise(z, gamma)
        assert float(((u - found.mean) ** 2 / found.variance).mean()) == pytest.approx(1, abs=0.05)


def analytic_bits(path: NoisePath, steps: int) -> float:
    """The closed form for finitely many steps, plus the prior term."""
    t = torch.arange(steps, -1, -1, dtype=torch.float64) / steps
    gamma = torch.cat([path(at[None])[0].expand(1, *SHAPE) for at in t]).flatten(1)
    prior = float(variational.prior(draw(8192)).mean())
    return prior + float(field().bits(precision_gain(gamma[1:], gamma[:-1]), torch.exp(-gamma[0])))


@pytest.mark.slow
def test_with_infinitely_many_steps_scalar_schedules_all_reach_the_analytic_likelihood() -> None:
    # E KL(q(z_0 | u) || p(z_0)) = E ln q(z_0 | u) - E ln p(z_0).
    start = torch.tensor(GAMMA_MIN, dtype=torch.float64)
    covariance = torch.sigmoid(-start) * field().covariance + torch.sigmoid(start) * torch.eye(N)
    exact = 0.5 * LOG2E * float(torch.logdet(covariance) - N * torch.sigmoid(start).log())
    for kind, seed in (("linear", 0), ("scalar", 1), ("scalar", 2)):
        path = random_schedule(kind, seed).path((4, 4))
        assert expected_bits(path, None, 4096) / N == pytest.approx(exact / N, abs=0.005), (kind, seed)


def test_with_the_exact_posterior_schedules_per_subpixel_reach_it_as_well() -> None:
    # Half the posterior variance is the gradient of a function of all precisions, so the path does not matter.
    # It matters to a network, whose predictions are not a gradient.
    path = random_schedule("multivariate", 1).path((4, 4))
    linear = random_schedule("linear", 0).path((4, 4))
    assert expected_bits(path, None) / N == pytest.approx(expected_bits(linear, None) / N, abs=0.01)


@pytest.mark.parametrize(("kind", "seed"), [("linear", 0), ("scalar", 1), ("multivariate", 1), ("multivariate", 2)])
@pytest.mark.parametrize("steps", [1, 4, 16])
def test_with_few_steps_the_bound_equals_the_closed_form(kind: str, seed: int, steps: int) -> None:
    path = random_schedule(kind, seed).path((4, 4))
    assert expected_bits(path, steps) / N == pytest.approx(analytic_bits(path, steps) / N, abs=0.002)


def test_with_few_steps_schedules_differ_and_more_steps_are_better() -> None:
    paths = [random_schedule(kind, seed).path((4, 4)) for kind, seed in (("linear", 0), ("multivariate", 1))]
    costs = [[analytic_bits(path, steps) for steps in (2, 4, 8, 16, 32)] for path in paths]
    assert all(costs[k] == sorted(costs[k], reverse=True) for k in (0, 1))
    assert abs(costs[0][1] - costs[1][1]) / N > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "scalar", "multivariate"])
def test_the_ode_has_the_analytic_likelihood(kind: str) -> None:
    path = random_schedule(kind, 1).path((4, 4))
    # With every direction as a probe, the mean is the exact divergence.
    u = draw(1).repeat_interleave(N, 0)
    noise = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(3)).double().repeat_interleave(N, 0)
    z = diffused(u, torch.tensor(GAMMA_MIN, dtype=torch.float64), noise)
    probe = (math.sqrt(N) * torch.eye(N, dtype=torch.float64)).view(-1, *SHAPE)
    found, evaluations = log_density(field().denoise, path, z, probe, 1e-4)
    error = (found - start_log_density(z)) * LOG2E / N
    assert float(error.mean()) == pytest.approx(0, abs=0.005)
    assert evaluations > 6


def test_one_random_probe_per_image_has_no_bias() -> None:
    path = random_schedule("linear", 0).path((4, 4))
    generator = torch.Generator().manual_seed(3)
    u = draw(100)
    z = diffused(u, torch.tensor(GAMMA_MIN, dtype=torch.float64), torch.randn(u.shape, generator=generator).double())
    probe = torch.randint(0, 2, u.shape, generator=generator).double() * 2 - 1
    error = (log_density(field().denoise, path, z, probe, 1e-3)[0] - start_log_density(z)) * LOG2E / N
    assert abs(float(error.mean())) < 3 * float(error.std()) / math.sqrt(len(u))


def test_dequantisation_ends_where_the_cell_does() -> None:
    assert pytest.approx(TRUNCATION * math.exp(GAMMA_MIN / 2) * VALUES) == 1


def test_more_samples_make_the_likelihood_no_worse() -> None:
    u = to_unit(((draw(8) + 1) * 128).clamp(0, 255).to(torch.uint8)).double()
    path = random_schedule("linear", 0).path((4, 4))
    one, four = (
        likelihood(field().denoise, path, u, torch.Generator().manual_seed(0), samples, 1e-3) for samples in (1, 4)
    )
    # Values are cells of width 1/128.
    density = -(0.5 * torch.logdet(2 * math.pi * math.e * field().covariance)) * LOG2E / N
    assert one.bits_per_dim == pytest.approx(float(7 - density), abs=0.5)
    assert four.bits_per_dim < one.bits_per_dim + 0.001


def test_the_reconstruction_costs_about_a_hundredth_of_a_bit() -> None:
    values = torch.randint(0, 256, (2048, *SHAPE), dtype=torch.uint8)
    found = variational.reconstruction(values, torch.randn(values.shape, generator=torch.Generator().manual_seed(0)))
    assert float(found.mean()) / N == pytest.approx(0.01045, abs=0.002)
    assert (variational.reconstruction(values, torch.zeros(values.shape)) < 1e-5).all()


def test_the_reconstruction_is_a_softmax_over_all_values() -> None:
    values = torch.tensor([[0, 1, 100, 254, 255]], dtype=torch.uint8)
    noise = torch.tensor([[-2.5, 3.0, 2.9, 1.0, 3.4]])
    y = to_unit(values).double() + math.exp(GAMMA_MIN / 2) * noise
    grid = to_unit(torch.arange(256, dtype=torch.uint8)).double()
    log_p = torch.log_softmax(-0.5 * math.exp(-GAMMA_MIN) * (y[..., None] - grid) ** 2, -1)
    exact = -log_p.gather(-1, values[..., None].long()).sum() * LOG2E
    torch.testing.assert_close(variational.reconstruction(values, noise)[0].double(), exact, rtol=1e-4, atol=1e-5)


def test_the_prior_is_the_divergence_from_a_standard_normal() -> None:
    u = draw(3)
    end = torch.tensor(GAMMA_MAX, dtype=torch.float64)
    normal = torch.distributions.Normal
    q = normal(torch.sigmoid(-end).sqrt() * u, torch.sigmoid(end).sqrt())
    exact = torch.distributions.kl_divergence(q, normal(torch.zeros_like(u), torch.ones_like(u)))
    torch.testing.assert_close(variational.prior(u), exact.flatten(1).sum(1) * LOG2E)


def test_terms_add_up() -> None:
    terms = [torch.full((2,), float(2**k)) for k in range(4)]
    found = Bound(*terms, subpixels=5)
    assert found.total.tolist() == [15, 15]
    assert found.bits_per_dim == 3
    assert Bound.join([found, found]).total.shape == (4,)


@settings(max_examples=60, deadline=None)
@given(st.floats(-1.2, 1.2), st.floats(-13.3, -2))
def test_predictions_are_restricted_to_integers(mean: float, log_variance: float) -> None:
    m, v = torch.tensor([mean], dtype=torch.float64), torch.tensor([math.exp(log_variance)], dtype=torch.float64)
    grid = to_unit(torch.arange(256, dtype=torch.uint8)).double()
    weight = torch.softmax(-((grid - m) ** 2) / (2 * v), 0)
    exact = float((weight * grid).sum())
    variance = float((weight * (grid - exact) ** 2).sum())
    found = restrict_to_values(m, v)
    fine = math.exp(log_variance) * 128**2 < 0.36
    if fine or abs(mean) < 1 - 4 * math.exp(log_variance / 2):
        assert float(found.mean) == pytest.approx(exact, abs=0.02 / 128)
        assert float(found.variance) == pytest.approx(variance, rel=0.05, abs=0.01 / 128**2)
    assert -1 <= float(found.mean) <= 1


def test_the_reverse_step_is_bayes_rule() -> None:
    # For one pixel of known variance, the best reverse step gives z_s its marginal variance.
    one = GaussianField(torch.tensor([[0.3]], dtype=torch.float64))
    earlier, later = torch.tensor([-2.0, 1.5], dtype=torch.float64)
    marginal = [torch.sigmoid(-g) * 0.3 + torch.sigmoid(g) for g in (earlier, later)]
    z = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    step = variational.reverse_step(one.denoise(z, later), z, earlier, later)
    slope = (step.mean[1] - step.mean[0]) / 2
    torch.testing.assert_close(slope**2 * marginal[1] + step.variance[0], marginal[0][None])
