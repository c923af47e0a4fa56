"""Float denoiser <-> integer model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import UNIT, Config
from mulanzip.density.context import LIMIT, Prior
from mulanzip.density.mixture import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO, Tables
from mulanzip.density.model import IntegerModel, Layer, context_entries, context_step, layer_shapes, prove
from mulanzip.floatnet.network import Denoiser, power_of_two_scale

#: Mean size of a context's entries where nothing is known of it.
_RARE = 0.3


@dataclass(frozen=True)
class FloatLayer:
    """Where a layer of the integer model is in the float one, and the units of its outputs.

    Attributes:
        conv: path of the convolution; rows: its output channels.
        unit: float64 ``(rows,)``, integer units per float unit; zero: added in integer units.
    """

    conv: str
    rows: slice
    unit: Tensor
    zero: int = 0


def float_layers(config: Config) -> dict[str, FloatLayer]:
    """The float counterpart of each layer of the integer model, in the order of the layers."""
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
    """What a step of each entry of a context adds to a float output: float32 ``(entries,)``."""
    return torch.cat([(2.0 ** context_step(name) / at.unit).float() for name, at in float_layers(config).items()])


def _presets(network: Denoiser) -> np.ndarray:
    """Looks as contexts: int8 ``(presets, entries)``."""
    rows = float_layers(network.config).values()
    presets = [
        torch.cat([network.preset_of(at.conv, i)[at.rows] for at in rows]) for i in range(network.config.presets)
    ]
    if not presets:
        return np.zeros((0, context_entries(network.config)), dtype=np.int8)
    steps = torch.stack(presets).detach() / bias_step(network.config)
    found: np.ndarray = steps.round().clamp(-LIMIT, LIMIT).to(torch.int8).numpy()
    return found


def rounded(kernel: Tensor, bias: Tensor, unit: Tensor, zero: int = 0) -> Layer:
    """A convolution in integers.

    Args:
        kernel: ``(out, in, k, k)``; bias: ``(level_classes, out)``.
        unit: float64 ``(out,)``, integer units of outputs per float unit, powers of two; zero: added to outputs.
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
    """Round a denoiser to integers and prove its bounds.

    Args:
        prior: of contexts; by default one that takes all entries for equally likely to change, and rarely.

    Raises:
        ModelError: if a sum could leave the range in which it is exact.
    """
    config = network.config
    layers = {}
    for name, at in float_layers(config).items():
        conv = network.conv(at.conv)
        layers[name] = rounded(conv.kernel()[at.rows], conv.bias[:, at.rows], at.unit, at.zero)
    prior = replace(prior or Prior.build(np.full(context_entries(config), _RARE)), presets=_presets(network))
    model = IntegerModel(config, layers, Tables.build(), prior, metadata or {})
    prove(model)
    return model


def to_float(model: IntegerModel) -> Denoiser:
    """The float denoiser whose export ``model`` is, with the weights that it was rounded to; without its looks."""
    network = Denoiser(model.config)
    with torch.no_grad():
        for name, at in float_layers(model.config).items():
            layer, conv = model.layers[name], network.conv(at.conv)
            power = torch.exp2(torch.from_numpy(layer.shift).double())
            scale = power * at.unit / UNIT
            weight = torch.from_numpy(layer.weight).double().flatten(1) / scale[:, None]
            conv.weight[at.rows] = weight.float()
            bias = (torch.from_numpy(layer.bias).double() - at.zero * power) / (scale * UNIT)
            conv.bias[:, at.rows] = bias.float()
    return network
