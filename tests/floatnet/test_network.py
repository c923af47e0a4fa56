"""The float network: its scales, and the names of its weights in files."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from mulanzip import registry
from mulanzip.density.config import Config
from mulanzip.floatnet.network import Denoiser, power_of_two_scale


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_weights_are_scaled_by_the_largest_power_of_two_that_fits(seed: int) -> None:
    weight = torch.randn((4, 6), generator=torch.Generator().manual_seed(seed)) * 2.0 ** (seed % 9 - 4)
    scale = power_of_two_scale(weight)
    assert torch.equal(torch.frexp(scale)[0], torch.full_like(scale, 0.5))
    peak = (weight.abs().amax(1, keepdim=True) * scale).flatten()
    assert (peak <= 64).all()
    assert (peak > 32).all()


@pytest.mark.parametrize("name", ["photo", "photo-fast"])
def test_shipped_float_weights_load_and_are_saved_under_the_same_names(name: str) -> None:
    info = registry.find(name)
    tensors = load_file(info.path.with_name("float.safetensors"))
    network = Denoiser(Config.from_dict(info.config))
    network.load_state_dict(tensors)
    assert torch.equal(network.presets, tensors["presets"])
    assert tensors["presets"].any()
    for saved in (network.state_dict(), copy.deepcopy(network).state_dict()):
        assert saved.keys() == tensors.keys()
        assert all(torch.equal(saved[key], tensor) for key, tensor in tensors.items())


def test_weights_without_presets_are_refused() -> None:
    network = Denoiser(Config(channels=4, blocks=1))
    tensors = network.state_dict()
    del tensors["presets"]
    with pytest.raises(RuntimeError, match="presets"):
        network.load_state_dict(tensors)
