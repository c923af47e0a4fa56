"""The integer model: layers, proof of bounds, content hash, and its safetensors file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mulanzip.architecture import HEADS, INPUT_PLANES, WEIGHT_MAX, Config
from mulanzip.errors import ModelError
from mulanzip.likelihood import Tables

FORMAT = "mulanzip-integer-1"
#: Partial sums must stay below this for float32 to hold them exactly.
EXACT_LIMIT = 1 << 24
ACTIVATION_MAX = 255


@dataclass(frozen=True)
class Layer:
    """One integer convolution: ``output = (sum(weight * input) + bias) * 2**-shift``.

    Attributes:
        weight: int8 ``(out, in, k, k)``, -64..64.
        bias: int32 ``(level_classes, out)``, in units of the sum.
        shift: int8 ``(out,)``, powers of two per output channel.
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: np.ndarray

    def tensors(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight, "bias": self.bias, "shift": self.shift}


@dataclass(frozen=True)
class IntegerModel:
    """A denoiser ready to code with.

    ``body`` holds pairs of layers; the second of each pair adds its result to the pair's input.
    Each of ``HEADS`` has two layers: ``shapes`` saturates to uint8, ``means`` is kept as int32.
    """

    config: Config
    stem: Layer
    body: tuple[Layer, ...]
    shapes: tuple[Layer, ...]
    means: tuple[Layer, ...]
    tables: Tables
    metadata: dict[str, str] = field(default_factory=dict)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        yield "stem", self.stem
        for i, layer in enumerate(self.body):
            yield f"body.{i}", layer
        for i, (shapes, means) in enumerate(zip(self.shapes, self.means, strict=True)):
            yield f"head.{i}.shapes", shapes
            yield f"head.{i}.means", means

    def tensors(self) -> dict[str, np.ndarray]:
        found = {f"{name}.{key}": t for name, layer in self.named_layers() for key, t in layer.tensors().items()}
        for name in ("logistic", "weight", "inverse_scale"):
            found[f"tables.{name}"] = getattr(self.tables, name)
        return found

    def digest(self) -> bytes:
        """SHA-256 of everything that decides a probability: the identity of the model."""
        state = hashlib.sha256(FORMAT.encode())
        state.update(json.dumps(self.config.as_dict(), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors().items()):
            state.update(f"{name} {tensor.dtype.name} {tensor.shape}".encode())
            state.update(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).tobytes())
        return state.digest()

    def parameters(self) -> int:
        """Weights and biases."""
        return sum(layer.weight.size + layer.bias.size for _, layer in self.named_layers())


def prove(model: IntegerModel) -> None:
    """Prove that no input whatsoever makes a sum inexact.

    For every output channel, with ``x`` up to 255 (or 255 of residual on top):
    ``max(sum of positive w, sum of negative w) * 255 + |bias| + 255 * 2**shift < 2**24``.

    Raises:
        ModelError: naming the layer that breaks a bound, or has an unexpected shape.
    """
    c, config = model.config.channels, model.config
    sizes = ((c, 1024), (config.mixtures, 7), (config.level_classes, 32), (config.blocks + 1, 100))
    if any(type(size) is not int or not 1 <= size <= most for size, most in sizes):
        raise ModelError("configuration out of range")
    expected = {"stem": (c, INPUT_PLANES, 3, 3)}
    expected |= {f"body.{i}": (c, c, 3, 3) for i in range(2 * config.blocks)}
    for i, phases in enumerate(HEADS):
        expected[f"head.{i}.shapes"] = (len(phases) * config.shape_outputs, c, 1, 1)
        expected[f"head.{i}.means"] = (len(phases) * config.mean_outputs, c, 1, 1)
    layers = dict(model.named_layers())
    if list(layers) != list(expected):
        raise ModelError("the model has other layers than its configuration says")
    for name, layer in layers.items():
        w = layer.weight.astype(np.int64)
        if layer.weight.dtype != np.int8 or w.shape != expected[name] or abs(w).max() > WEIGHT_MAX:
            raise ModelError(f"layer {name}: weights must be int8 {expected[name]} within -{WEIGHT_MAX}..{WEIGHT_MAX}")
        if layer.bias.dtype != np.int32 or layer.bias.shape != (config.level_classes, w.shape[0]):
            raise ModelError(f"layer {name}: wrong shape or type of biases")
        shift = layer.shift.astype(np.int64)
        if layer.shift.dtype != np.int8 or shift.shape != (w.shape[0],) or abs(shift).max() > 16:
            raise ModelError(f"layer {name}: wrong shape, type or range of shifts")
        flat = w.reshape(w.shape[0], -1)
        peak = np.maximum(flat.clip(min=0).sum(1), -flat.clip(max=0).sum(1)) * ACTIVATION_MAX
        bound = peak + abs(layer.bias.astype(np.int64)).max(0)
        bound += ACTIVATION_MAX * 2 ** np.maximum(shift, 0)
        # A negative shift scales up: the result must be exact as well.
        bound <<= np.maximum(-shift, 0)
        if bound.max() >= EXACT_LIMIT:
            raise ModelError(f"layer {name}: sums can reach {bound.max()}, beyond the exact limit of {EXACT_LIMIT}")
    try:
        model.tables.validate()
    except ValueError as error:
        raise ModelError(str(error)) from None


def save(model: IntegerModel, path: str | os.PathLike[str]) -> None:
    """Prove the model's bounds and write it."""
    prove(model)
    metadata = {**model.metadata, "format": FORMAT, "config": json.dumps(model.config.as_dict())}
    metadata["sha256"] = model.digest().hex()
    save_file({k: np.ascontiguousarray(v) for k, v in model.tensors().items()}, path, metadata)


def load(path: str | os.PathLike[str]) -> IntegerModel:
    """Read a model and prove its bounds anew.

    Raises:
        ModelError: if the file is missing, damaged, of another format, or breaks a bound.
    """
    name = Path(path).name
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read model {name}: {error}") from None
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{name} is not a model of format {FORMAT}")
    try:
        config = Config(**json.loads(metadata["config"]))
        if any(type(size) is not int for size in config.as_dict().values()):
            raise TypeError("sizes must be integers")

        def layer(prefix: str) -> Layer:
            return Layer(*(tensors.pop(f"{prefix}.{key}") for key in ("weight", "bias", "shift")))

        model = IntegerModel(
            config,
            layer("stem"),
            tuple(layer(f"body.{i}") for i in range(2 * config.blocks)),
            tuple(layer(f"head.{i}.shapes") for i in range(len(HEADS))),
            tuple(layer(f"head.{i}.means") for i in range(len(HEADS))),
            Tables(*(tensors.pop(f"tables.{key}") for key in ("logistic", "weight", "inverse_scale"))),
            metadata,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"model {name} is incomplete or its configuration is broken: {error}") from None
    if tensors:
        raise ModelError(f"model {name} has unknown parts: {', '.join(sorted(tensors))}")
    prove(model)
    if model.digest().hex() != metadata.get("sha256"):
        raise ModelError(f"model {name} is damaged: its content does not match its hash")
    return model
