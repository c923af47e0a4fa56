"""Does a backend compute what the model's author computed?  Asked before its first use, every time."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from mulanzip.architecture import ACTIVATION_UNIT, HEADS, INPUT_PLANES
from mulanzip.exact.network import IntegerNetwork

_HEIGHT, _WIDTH = 13, 19


def _noise(label: str, *shape: int) -> Tensor:
    """Bytes that are the same for ever: uint8 of ``shape``."""
    data = hashlib.shake_256(label.encode()).digest(int(np.prod(shape)))
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(shape)


def _extremes(label: str, channels: int) -> list[Tensor]:
    """Inputs that drive sums to their limits: all 255, and blocks of 0 and 255."""
    constant = torch.full((1, channels, _HEIGHT, _WIDTH), 255, dtype=torch.uint8)
    coins = torch.where(_noise(label, 1, channels, _HEIGHT, _WIDTH) < 128, 255, 0).to(torch.uint8)
    planes = torch.where(_noise(label + " planes", 1, channels, 1, 1) < 128, 255, 0).to(torch.uint8)
    return [constant, coins, planes.expand(-1, -1, _HEIGHT, _WIDTH)]


@torch.inference_mode()
def golden_digest(network: IntegerNetwork) -> str:
    """SHA-256 of a network's outputs on fixed inputs, worst cases of every layer included."""
    state = hashlib.sha256()

    def note(tensor: Tensor) -> None:
        state.update(tensor.cpu().to(torch.int32).contiguous().numpy().astype("<i4").tobytes())

    level_classes = network.config.level_classes
    for level_class in range(level_classes):
        # Mild inputs end in mild features; noise saturates some.
        planes = _noise(f"input {level_class}", 1, INPUT_PLANES, _HEIGHT, _WIDTH)
        for shown in (planes, planes // ACTIVATION_UNIT):
            features = network.features(shown, level_class)
            note(features)
            for head in range(len(HEADS)):
                for output in network.outputs(features, head, level_class):
                    note(output)
    backend = network.backend
    for name, prepared in network.prepared.items():
        channels = INPUT_PLANES if name == "stem" else network.config.channels
        for x in _extremes(name, channels):
            x = x.to(backend.device).contiguous(memory_format=torch.channels_last)
            if name.endswith("means"):
                note(backend.integers(prepared, x, 0))
            else:
                note(backend.activation(prepared, x, level_classes - 1))
    return state.hexdigest()
