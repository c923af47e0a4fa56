"""Self-test: does a backend compute the same numbers as the author of the model?  Runs whenever a model is loaded."""

from __future__ import annotations

import hashlib

import numpy as np

from mulanzip.density.config import HEADS, OFFSET_PLANES, PASSES
from mulanzip.density.network import IntegerNetwork

_HEIGHT, _WIDTH = 13, 19


def noise(label: str, *shape: int) -> np.ndarray:
    """Pseudo-random bytes that depend on the label alone: uint8 of ``shape``."""
    data = hashlib.shake_256(label.encode()).digest(int(np.prod(shape)))
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def channels_last(planes: np.ndarray) -> np.ndarray:
    """``(B, C, h, w)`` -> ``(B, h, w, C)``."""
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def planar_bytes(maps: np.ndarray) -> bytes:
    """Integers of ``(B, h, w, C)`` in the order of digests: as ``(B, C, h, w)``, four bytes each."""
    return np.ascontiguousarray(maps.transpose(0, 3, 1, 2)).astype("<i4").tobytes()


def extremes(label: str, channels: int) -> np.ndarray:
    """Inputs that drive sums to their limits: all 255, and random patterns of 0 and 255.  ``(3, h, w, channels)``."""
    found = np.full((3, channels, _HEIGHT, _WIDTH), 255, dtype=np.uint8)
    found[1] = (noise(label, channels, _HEIGHT, _WIDTH) >> 7) - 1
    found[2] = (noise(label + " planes", channels, 1, 1) >> 7) - 1
    return channels_last(found)


def all_outputs(network: IntegerNetwork, planes: np.ndarray, level_class: int) -> list[np.ndarray]:
    """Features of all passes, and parameters of all phases and colours: ``(B, h, w, C)`` each.

    Args:
        planes: uint8 ``(B, h, w, input planes)``.
    """
    b, h, w, _ = planes.shape
    backend = network.backend
    found: list[np.ndarray] = []
    pass0_features = None
    for index in range(len(PASSES)):
        features = network.features(backend.array(planes), index, level_class, pass0_features)
        pass0_features = features if pass0_features is None else pass0_features
        found.append(backend.numpy(features))
        rows = features.reshape(b * h * w, -1)
        for name in (name for name, (at, _) in HEADS.items() if at == index):
            for colour in range(network.config.colours):
                offsets = None
                if colour:
                    one = channels_last(noise(f"offsets {colour}", 1, OFFSET_PLANES * colour, h, w))
                    offsets = np.tile(one.reshape(h * w, -1), (b, 1))
                parts = network.parameters(rows, offsets, name, colour, level_class)
                found += [part.T.reshape(b, h, w, -1) for part in parts]
    return found


def golden_digest(network: IntegerNetwork) -> str:
    """SHA-256 of the outputs of a network on fixed inputs, including the worst cases of every layer."""
    state = hashlib.sha256()
    level_classes = network.config.level_classes
    for level_class in range(level_classes):
        # Small inputs lead to small features; full noise saturates some of them.
        planes = channels_last(noise(f"input {level_class}", 1, network.config.input_planes, _HEIGHT, _WIDTH))
        for shown in (planes, planes // 16):
            for output in all_outputs(network, shown, level_class):
                state.update(planar_bytes(output))
    backend = network.backend
    for name, layer in network.model.layers.items():
        prepared = backend.prepare(layer)
        x = backend.array(extremes(name, layer.weight.shape[1]))
        if name.endswith("means"):
            found = backend.integers(prepared, x, 0)
        else:
            found = backend.activation(prepared, x, level_classes - 1)
        state.update(planar_bytes(backend.numpy(found)))
    return state.hexdigest()
