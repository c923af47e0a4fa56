"""Self-test: does a backend compute the same numbers as the author of the model?  Runs whenever a model is loaded."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import HEADS, OFFSET_PLANES, PASSES
from mulanzip.density.network import IntegerNetwork

_HEIGHT, _WIDTH = 13, 19


def noise(label: str, *shape: int) -> Tensor:
    """Pseudo-random bytes that depend on the label alone: uint8 of ``shape``."""
    data = hashlib.shake_256(label.encode()).digest(int(np.prod(shape)))
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(shape)


def extremes(label: str, channels: int) -> list[Tensor]:
    """Inputs that drive sums to their limits: all 255, and random patterns of 0 and 255."""
    constant = torch.full((1, channels, _HEIGHT, _WIDTH), 255, dtype=torch.uint8)
    coins = torch.where(noise(label, 1, channels, _HEIGHT, _WIDTH) < 128, 255, 0).to(torch.uint8)
    planes = torch.where(noise(label + " planes", 1, channels, 1, 1) < 128, 255, 0).to(torch.uint8)
    return [constant, coins, planes.expand(-1, -1, _HEIGHT, _WIDTH)]


@torch.inference_mode()
def all_outputs(network: IntegerNetwork, planes: Tensor, level_class: int) -> list[Tensor]:
    """Features of all passes, and parameters of all phases and colours."""
    b, _, h, w = planes.shape
    found: list[Tensor] = []
    pass0_features = None
    for index in range(len(PASSES)):
        features = network.features(planes, index, level_class, pass0_features)
        pass0_features = features if pass0_features is None else pass0_features
        found.append(features)
        for name in (name for name, (at, _) in HEADS.items() if at == index):
            for colour in range(network.config.colours):
                offsets = (
                    noise(f"offsets {colour}", 1, OFFSET_PLANES * colour, h, w).expand(b, -1, -1, -1)
                    if colour
                    else None
                )
                found += network.parameters(features, offsets, name, colour, level_class)
    return found


@torch.inference_mode()
def golden_digest(network: IntegerNetwork) -> str:
    """SHA-256 of the outputs of a network on fixed inputs, including the worst cases of every layer."""
    state = hashlib.sha256()

    def note(tensor: Tensor) -> None:
        state.update(tensor.cpu().to(torch.int32).contiguous().numpy().astype("<i4").tobytes())

    level_classes = network.config.level_classes
    for level_class in range(level_classes):
        # Small inputs lead to small features; full noise saturates some of them.
        planes = noise(f"input {level_class}", 1, network.config.input_planes, _HEIGHT, _WIDTH)
        for shown in (planes, planes // 16):
            for output in all_outputs(network, shown, level_class):
                note(output)
    backend = network.backend
    for name, prepared in network.prepared.items():
        for x in extremes(name, network.inputs[name]):
            x = x.to(backend.device).contiguous(memory_format=torch.channels_last)
            if name.endswith("means"):
                note(backend.integers(prepared, x, 0))
            else:
                note(backend.activation(prepared, x, level_classes - 1))
    return state.hexdigest()
