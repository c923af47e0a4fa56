"""Float denoiser -> integer model."""

from __future__ import annotations

import torch
from torch import Tensor

from mulanzip.architecture import ACTIVATION_UNIT, COUPLINGS, HEADS, INPUT_UNIT
from mulanzip.exact.model import IntegerModel, Layer, prove
from mulanzip.likelihood import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO, Tables
from mulanzip.network import Conv, Denoiser, power_of_two_scale


def _layer(
    conv: Conv, input_unit: int, output_unit: Tensor | float, zero: int = 0, rows: Tensor | None = None
) -> Layer:
    """Integers for the output channels ``rows``; ``output_unit`` integer units per float unit."""
    kernel = conv.kernel().detach().double()
    bias = conv.bias.detach().double()
    if rows is not None:
        kernel, bias = kernel[rows], bias[:, rows]
    scale = power_of_two_scale(kernel).double()
    per_channel = scale.flatten()
    # sum = y * scale * input_unit; output = y * output_unit = sum * 2**-shift.
    shift = torch.log2(per_channel * input_unit / output_unit)
    bias = bias * per_channel * input_unit + zero * torch.exp2(shift)
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
    count = config.shape_outputs // 2
    shape_unit = torch.tensor([LOGIT_UNIT] * count + [LOG_SCALE_UNIT] * count)
    mean_unit = torch.tensor([MEAN_UNIT] * count + [COUPLING_UNIT] * COUPLINGS)
    shapes, means = [], []
    for conv, phases in zip(network.heads, HEADS, strict=True):
        assert isinstance(conv, Conv)
        rows = torch.arange(len(phases) * config.outputs).view(len(phases), -1)
        shape_rows, mean_rows = rows.split((config.shape_outputs, config.mean_outputs), 1)
        n = len(phases)
        shapes.append(_layer(conv, ACTIVATION_UNIT, shape_unit.repeat(n), SHAPE_ZERO, shape_rows.flatten()))
        means.append(_layer(conv, ACTIVATION_UNIT, mean_unit.repeat(n), 0, mean_rows.flatten()))
    model = IntegerModel(
        config,
        _layer(network.stem, INPUT_UNIT, ACTIVATION_UNIT),
        tuple(_layer(conv, ACTIVATION_UNIT, ACTIVATION_UNIT) for conv in network.body),  # type: ignore[arg-type]
        tuple(shapes),
        tuple(means),
        Tables.build(),
        metadata or {},
    )
    prove(model)
    return model
