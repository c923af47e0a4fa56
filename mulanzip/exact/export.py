"""Float denoiser -> integer model."""

from __future__ import annotations

import torch
from torch import Tensor

from mulanzip.architecture import UNIT
from mulanzip.exact.model import IntegerModel, Layer, layer_shapes, prove
from mulanzip.likelihood import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO, Tables
from mulanzip.network import Conv, Denoiser, power_of_two_scale


def _layer(conv: Conv, output_unit: Tensor | float = UNIT, zero: int = 0, rows: slice = slice(None)) -> Layer:
    """Integers for the output channels ``rows``; ``output_unit`` integer units per float unit."""
    kernel = conv.kernel().detach().double()[rows]
    bias = conv.bias.detach().double()[:, rows]
    scale = power_of_two_scale(kernel).double()
    per_channel = scale.flatten()
    # sum = y * scale * UNIT; output = y * output_unit = sum * 2**-shift.
    shift = torch.log2(per_channel * UNIT / output_unit)
    bias = bias * per_channel * UNIT + zero * torch.exp2(shift)
    return Layer(
        torch.round(kernel * scale).to(torch.int8).numpy(),
        torch.round(bias).to(torch.int32).numpy(),
        torch.round(shift).to(torch.int8).numpy(),
    )


def export(network: Denoiser, metadata: dict[str, str] | None = None) -> IntegerModel:
    """Round a denoiser to integers and prove its bounds.

    Raises:
        ModelError: if a sum could leave the range in which it is exact.
    """
    config = network.config
    k = config.mixtures
    shape_unit = torch.tensor([LOGIT_UNIT] * k + [LOG_SCALE_UNIT] * k)
    layers = {}
    for name in layer_shapes(config):
        *path, part = name.split(".")
        if part == "hidden":
            layers[name] = _layer(network.conv(f"heads.{path[1]}.hidden.{int(path[2]) - 1}"))
        elif part in ("shapes", "means"):
            out = network.conv(f"heads.{path[1]}.out.{path[2]}")
            if part == "shapes":
                layers[name] = _layer(out, shape_unit, SHAPE_ZERO, slice(2 * k))
            else:
                unit = torch.tensor([MEAN_UNIT] * k + [COUPLING_UNIT] * int(path[2]))
                layers[name] = _layer(out, unit, 0, slice(2 * k, None))
        else:
            layers[name] = _layer(network.conv(name.replace("pass.", "passes.")))
    model = IntegerModel(
        config,
        layers,
        Tables.build(),
        metadata or {},
    )
    prove(model)
    return model
