"""Float network <-> integer model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import UNIT, Config
from mulanzip.density.context import LIMIT, Prior
from mulanzip.density.model import IntegerModel, Layer, context_entries, context_step, layer_shapes, prove
from mulanzip.density.parameters import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO
from mulanzip.floatnet.network import Denoiser, power_of_two_scale

#: Mean magnitude of context entries that a prior assumes before it is learned.
_DEFAULT_MAGNITUDE = 0.3


@dataclass(frozen=True)
class FloatLayer:
    """The part of a float convolution that becomes one layer of the integer model.

    Attributes:
        conv: path of the convolution in the module tree.
        rows: its output channels that belong to the layer.
        unit: float64 ``(rows,)``, integer units per float unit of the outputs.
        zero: constant added to the outputs, in integer units.
    """

    conv: str
    rows: slice
    unit: Tensor
    zero: int = 0


def float_layers(config: Config) -> dict[str, FloatLayer]:
    """The float counterpart of every layer of the integer model, by name, in the order of the layers."""
    k = config.mixtures
    found = {}
    for name, (outputs, *_) in layer_shapes(config).items():
        *path, part = name.split(".")
        if part == "hidden":
            conv, rows = f"heads.{path[1]}.hidden.{int(path[2]) - 1}", slice(outputs)
        elif part in ("shapes", "means"):
            conv = f"heads.{path[1]}.out.{path[2]}"
            rows = slice(2 * k) if part == "shapes" else slice(2 * k, None)
        else:
            conv, rows = name.replace("pass.", "passes."), slice(outputs)
        units = {
            "shapes": [LOGIT_UNIT] * k + [LOG_SCALE_UNIT] * k,
            "means": [MEAN_UNIT] * k + [COUPLING_UNIT] * (outputs - k),
        }
        unit = torch.tensor(units.get(part, [UNIT] * outputs), dtype=torch.float64)
        found[name] = FloatLayer(conv, rows, unit, SHAPE_ZERO if part == "shapes" else 0)
    return found


def bias_step(config: Config) -> Tensor:
    """Change of the float bias per step of each context entry: float32 ``(entries,)``."""
    layers = float_layers(config).items()
    return torch.cat([(2.0 ** context_step(name) / layer.unit).float() for name, layer in layers])


def _presets(network: Denoiser) -> np.ndarray:
    """The presets as contexts, in steps: int8 ``(presets, entries)``."""
    layers = float_layers(network.config).values()
    presets = [
        torch.cat([network.preset_of(layer.conv, i)[layer.rows] for layer in layers])
        for i in range(network.config.presets)
    ]
    if not presets:
        return np.zeros((0, context_entries(network.config)), dtype=np.int8)
    steps = torch.stack(presets).detach() / bias_step(network.config)
    found: np.ndarray = steps.round().clamp(-LIMIT, LIMIT).to(torch.int8).numpy()
    return found


def rounded(kernel: Tensor, bias: Tensor, unit: Tensor, zero: int = 0) -> Layer:
    """Round a convolution to integers.

    Args:
        kernel: ``(out, in, k, k)``.
        bias: ``(level_classes, out)``.
        unit: float64 ``(out,)``, integer units per float unit of the outputs, powers of two.
        zero: constant added to the outputs, in integer units.
    """
    kernel = kernel.detach().double()
    scale = power_of_two_scale(kernel).double()
    per_channel = scale.flatten()
    # sum = y * scale * UNIT; output = y * unit = sum * 2**-shift.
    shift = torch.log2(per_channel * UNIT / unit)
    bias = bias.detach().double() * per_channel * UNIT + zero * torch.exp2(shift)
    return Layer(
        torch.round(kernel * scale).to(torch.int8).numpy(),
        torch.round(bias).to(torch.int32).numpy(),
        torch.round(shift).to(torch.int8).numpy(),
    )


def export(network: Denoiser, metadata: dict[str, str] | None = None, prior: Prior | None = None) -> IntegerModel:
    """Round a denoiser to integers and prove the bounds of its sums.

    Args:
        prior: of contexts, apart from its presets, which come from ``network``; by default all entries get the same
            distribution with a small magnitude.

    Raises:
        ModelError: if a sum could leave the range in which it is exact.
    """
    config = network.config
    layers = {}
    for name, layer in float_layers(config).items():
        conv = network.conv(layer.conv)
        layers[name] = rounded(conv.kernel()[layer.rows], conv.bias[:, layer.rows], layer.unit, layer.zero)
    if prior is None:
        prior = Prior.build(np.full(context_entries(config), _DEFAULT_MAGNITUDE))
    prior = replace(prior, presets=_presets(network))
    model = IntegerModel(config, layers, prior, metadata or {})
    prove(model)
    return model


def to_float(model: IntegerModel) -> Denoiser:
    """A float denoiser with the rounded weights of ``model``; its presets stay zero."""
    with torch.random.fork_rng(devices=()):  # Initial weights are random; the host's random state stays as it is.
        network = Denoiser(model.config)
    with torch.no_grad():
        for name, layer in float_layers(model.config).items():
            integer, conv = model.layers[name], network.conv(layer.conv)
            power = torch.exp2(torch.from_numpy(integer.shift).double())
            scale = power * layer.unit / UNIT
            weight = torch.from_numpy(integer.weight).double().flatten(1) / scale[:, None]
            conv.weight[layer.rows] = weight.float()
            bias = (torch.from_numpy(integer.bias).double() - layer.zero * power) / (scale * UNIT)
            conv.bias[:, layer.rows] = bias.float()
    return network
