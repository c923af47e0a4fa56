"""Weights are rounded to their integers' grid, and layers still do what they did."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import put_on_grid
from torch import Tensor, nn

from mulanzip.density.config import UNIT, WEIGHT_MAX
from mulanzip.floatnet.network import Conv, power_of_two_scale
from mulanzip.training.rounding import round_weights


class Two(nn.Module):
    """A 3x3 convolution, and a 1x1 one on what it makes, registered the other way round."""

    def __init__(self, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.last = Conv(8, 5, 1, 2)
        self.first = Conv(3, 8, 3, 2)
        # Outliers, so that the others get few steps.
        with torch.no_grad():
            self.first.weight[:, 4] *= 20

    def forward(self, x: Tensor, level_class: int = 0) -> Tensor:
        y = self.first(x, level_class).clamp(0, 8)
        return self.last.product([y.transpose(0, 1).flatten(1)], level_class)


def images(seed: int, count: int = 3) -> Tensor:
    """Planes whose neighbours go together, as those of photographs do."""
    rough = torch.randn((count, 1, 3, 3), generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.interpolate(rough, (20, 20), mode="bilinear")
    return (smooth + torch.tensor([1.0, 2, 0.5]).view(3, 1, 1)).clamp(0, 8)


def nearest(network: Two) -> Two:
    rounded = copy.deepcopy(network)
    put_on_grid(rounded)
    return rounded


def error(one: Two, other: Two, x: Tensor) -> float:
    with torch.no_grad():
        return float((one(x) - other(x)).square().mean())


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_rounded_weights_are_integers_in_their_scale(seed: int) -> None:
    network = Two(seed)
    round_weights(network, lambda: network(images(seed)))
    for conv in (network.first, network.last):
        integers = conv.weight * power_of_two_scale(conv.weight)
        assert torch.equal(integers, integers.round())
        assert integers.abs().max() <= WEIGHT_MAX


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_rounding_what_is_round_changes_nothing(seed: int) -> None:
    network = nearest(Two(seed))
    before = copy.deepcopy(network.state_dict())
    round_weights(network, lambda: network(images(seed)))
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-9)


def test_it_costs_much_less_than_the_nearest_integers_also_on_other_images() -> None:
    ratios = []
    for seed in range(8):
        network = Two(seed)
        rounded = copy.deepcopy(network)
        round_weights(rounded, lambda rounded=rounded, seed=seed: rounded(images(seed, 8)))
        other = images(seed + 100)
        ratios.append(error(network, rounded, other) / error(network, nearest(network), other))
    assert sum(ratios) / len(ratios) < 0.4


def test_biases_of_all_levels_move_together() -> None:
    network = Two(1)
    before = network.first.bias.detach().clone()
    round_weights(network, lambda: network(images(1)))
    moved = network.first.bias - before
    assert moved.abs().max() > 1 / UNIT / 256
    torch.testing.assert_close(moved[0], moved[1])


def test_nothing_watches_afterwards_whatever_happened() -> None:
    network = Two(2)
    with pytest.raises(RuntimeError):
        round_weights(network, lambda: network(torch.zeros(1, 4, 8, 8)))
    assert network.first.watch is None
    assert network.last.watch is None
