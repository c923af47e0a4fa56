"""The integer model: layers, proof of bounds, content hash, and its safetensors file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mulanzip.density.config import COLOURS, HEADS, OFFSET_PLANES, PASSES, WEIGHT_MAX, Config
from mulanzip.density.context import LIMIT, Prior
from mulanzip.errors import ModelError

FORMAT = "mulanzip-integer-8"
#: Partial sums must stay below this for float32 to hold them exactly.
EXACT_LIMIT = 1 << 24
ACTIVATION_MAX = 255
#: Fields of the prior.
_PRIOR_KEYS = ("row", "mass", "presets")


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


def layer_shapes(config: Config) -> dict[str, tuple[int, int, int, int]]:
    """Names of all layers, in order, and the shapes of their weights.

    Layers ``shapes`` and ``hidden`` saturate to uint8, like the layers of the passes.  Outputs of ``means`` stay int32.
    """
    c = config.channels
    found = {}
    for i in range(len(PASSES)):
        found[f"pass.{i}.stem"] = (c, config.input_planes, 3, 3)
        found |= {f"pass.{i}.body.{j}": (c, c, 3, 3) for j in range(2 * config.blocks)}
    for name in HEADS:
        for colour in range(config.colours):
            inputs = c
            if colour:
                found[f"head.{name}.{colour}.hidden"] = (config.hidden, c + OFFSET_PLANES * colour, 1, 1)
                inputs += config.hidden
            found[f"head.{name}.{colour}.shapes"] = (config.shape_outputs, inputs, 1, 1)
            found[f"head.{name}.{colour}.means"] = (config.mean_outputs(colour), inputs, 1, 1)
    return found


def context_entries(config: Config) -> int:
    """Length of a context: one entry per output channel, layer by layer."""
    return sum(shape[0] for shape in layer_shapes(config).values())


def context_step(name: str) -> int:
    """log2 of what one step of the context adds to the outputs of layer ``name``, in their integer units."""
    return 1 if name.endswith("means") else -1


@dataclass(frozen=True)
class IntegerModel:
    """A denoiser ready to code with.

    The names of ``layers`` are those of :func:`layer_shapes`.  In each pair of ``body`` layers, the second adds its
    result to the input of the pair.
    """

    config: Config
    layers: dict[str, Layer]
    prior: Prior
    metadata: dict[str, str] = field(default_factory=dict)

    def tensors(self) -> dict[str, np.ndarray]:
        found = {f"{name}.{key}": t for name, layer in self.layers.items() for key, t in layer.tensors().items()}
        return found | {f"prior.{key}": getattr(self.prior, key) for key in _PRIOR_KEYS}

    def adapted(self, context: np.ndarray) -> IntegerModel:
        """The model for an image with this context, int8 ``(entries,)``; see :mod:`mulanzip.density.context`."""
        layers, start = {}, 0
        for name, layer in self.layers.items():
            steps = context[start : start + len(layer.shift)].astype(np.int32)
            layers[name] = replace(layer, bias=layer.bias + (steps << _context_shift(name, layer)))
            start += len(steps)
        return replace(self, layers=layers)

    def digest(self) -> bytes:
        """SHA-256 of everything that probabilities depend on: the identity of the model."""
        state = hashlib.sha256(FORMAT.encode())
        state.update(json.dumps(self.config.as_dict(), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors().items()):
            state.update(f"{name} {tensor.dtype.name} {tensor.shape}".encode())
            state.update(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).tobytes())
        return state.digest()

    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers.values())


def _context_shift(name: str, layer: Layer) -> np.ndarray:
    """log2 of what one step of the context adds to the biases: int32 ``(out,)``."""
    return np.maximum(layer.shift.astype(np.int32) + context_step(name), 0)


def _check_sizes(config: Config) -> None:
    """Refuse sizes whose list of layers alone would fill the memory."""
    limits: dict[str, Collection[int]] = {
        "channels": range(1, 1025),
        "blocks": range(100),
        "mixtures": range(1, 8),
        "level_classes": range(1, 33),
        "hidden": range(1, 1025) if config.colours != 1 else range(1025),
        "presets": range(65),
        "colours": (1, COLOURS),
    }
    for name, size in asdict(config).items():
        if type(size) is not int or size not in limits[name]:
            raise ModelError(f"configuration out of range: {name} is {size!r}")


def prove_layer(
    name: str, layer: Layer, shape: tuple[int, int, int, int], level_classes: int, slack: np.ndarray
) -> None:
    """Prove that all sums of a layer are exact, for every input.

    For every output channel, with inputs up to 255 and a residual up to 255:
    ``max(sum of positive w, sum of negative w) * 255 + |bias| + slack + 255 * 2**shift < 2**24``.

    Args:
        shape: expected shape of the weights.
        slack: int64 ``(out,)``, maximum change of the biases by a context.

    Raises:
        ModelError: if the layer breaks a bound, or has an unexpected shape or type.
    """
    w = layer.weight.astype(np.int64)
    if layer.weight.dtype != np.int8 or w.shape != shape or abs(w).max() > WEIGHT_MAX:
        raise ModelError(f"layer {name}: weights must be int8 {shape} within -{WEIGHT_MAX}..{WEIGHT_MAX}")
    if layer.bias.dtype != np.int32 or layer.bias.shape != (level_classes, w.shape[0]):
        raise ModelError(f"layer {name}: wrong shape or type of biases")
    shift = layer.shift.astype(np.int64)
    if layer.shift.dtype != np.int8 or shift.shape != (w.shape[0],) or abs(shift).max() > 16:
        raise ModelError(f"layer {name}: wrong shape, type or range of shifts")
    rows = w.reshape(w.shape[0], -1)
    peak = np.maximum(rows.clip(min=0).sum(1), -rows.clip(max=0).sum(1)) * ACTIVATION_MAX
    bound = peak + abs(layer.bias.astype(np.int64)).max(0) + slack
    bound += ACTIVATION_MAX * 2 ** np.maximum(shift, 0)
    # A negative shift scales up.  The result must be exact as well.
    bound <<= np.maximum(-shift, 0)
    if bound.max() >= EXACT_LIMIT:
        raise ModelError(f"layer {name}: sums can reach {bound.max()}, beyond the exact limit of {EXACT_LIMIT}")


def prove(model: IntegerModel) -> None:
    """Prove that all sums are exact, for every input and every context; see :func:`prove_layer`.

    Raises:
        ModelError: naming the layer that breaks a bound, or has an unexpected shape or type.
    """
    config = model.config
    _check_sizes(config)
    layers = model.layers
    expected = layer_shapes(config)
    if list(layers) != list(expected):
        raise ModelError("the model does not have the layers of its configuration")
    for name, layer in layers.items():
        slack = LIMIT << _context_shift(name, layer).astype(np.int64)
        prove_layer(name, layer, expected[name], config.level_classes, slack)
    try:
        model.prior.validate(context_entries(config), config.presets)
    except ValueError as error:
        raise ModelError(str(error)) from None


def save(model: IntegerModel, path: str | os.PathLike[str]) -> None:
    """Prove the bounds of a model, and write its file."""
    prove(model)
    metadata = {**model.metadata, "format": FORMAT, "config": json.dumps(model.config.as_dict())}
    metadata["sha256"] = model.digest().hex()
    save_file({k: np.ascontiguousarray(v) for k, v in model.tensors().items()}, path, metadata)


def load(path: str | os.PathLike[str]) -> IntegerModel:
    """Read a model file, and prove the bounds of the model.

    Raises:
        ModelError: if the file is missing, damaged or of another format, or the model breaks a bound.
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
        config = Config.from_dict(json.loads(metadata["config"]))
        _check_sizes(config)

        def layer(prefix: str) -> Layer:
            return Layer(*(tensors.pop(f"{prefix}.{key}") for key in ("weight", "bias", "shift")))

        model = IntegerModel(
            config,
            {name: layer(name) for name in layer_shapes(config)},
            Prior(*(tensors.pop(f"prior.{key}") for key in _PRIOR_KEYS)),
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
