"""Convert a trained model from floating point to integers.  Nothing here runs while coding."""

from __future__ import annotations

import copy
import math
import os

import numpy as np
import torch
from torch import Tensor, nn

from mulanzip.density.config import UNIT
from mulanzip.density.model import Layer
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.errors import ModelError
from mulanzip.floatnet.export import rounded
from mulanzip.floatnet.network import Conv, power_of_two_scale
from mulanzip.gaussian.denoiser import GaussianDenoiser, prior_gain
from mulanzip.gaussian.exact.export import logistic, normal
from mulanzip.gaussian.exact.gamma_schedule import (
    BASIS_BITS,
    MAX_GAMMA_INDEX,
    WEIGHT_BITS,
    AdaptiveSchedule,
    FixedSchedule,
    NoiseTables,
)
from mulanzip.gaussian.exact.integer_denoiser import LOG_UNIT, MEAN_UNIT, SUBPIXELS, IntegerDenoiser, layer_shapes
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.posterior import VALUE_BITS
from mulanzip.gaussian.exact.selftest import golden_digest
from mulanzip.gaussian.exact.trained import SIZES, TrainedModel
from mulanzip.gaussian.forward import GAMMA_MIN, VALUES_PER_UNIT
from mulanzip.gaussian.model import GaussianModel, save
from mulanzip.gaussian.noise_schedule import GAMMA_RANGE, NoiseSchedule, PolynomialSchedule, basis

#: Bins per standard deviation.  Rounding latents to bins adds noise that the model does not know of.
BINS = 2.0


def export_trained(model: GaussianModel, bins: float = BINS) -> TrainedModel:
    """Round a model that was trained for finitely many steps.

    Raises:
        ModelError: if it was trained for infinitely many, or a sum of the network could be inexact.
    """
    config = model.config
    if config.steps is None:
        raise ModelError("this model was trained for infinitely many steps, and cannot compress")
    layers, shift, bias = _layers(model.denoiser, config.channels, config.blocks, config.bits)
    found = TrainedModel(
        {name: getattr(config, name) for name in SIZES},
        layers,
        shift,
        bias,
        np.array([round(math.log2(bins) * 2**LOG_BITS)]),
        _schedule(model.schedule, config.steps, config.side),
        Logarithms.build(),
        _noise_tables(),
        normal(),
        logistic(),
    )
    try:
        found.validate()
    except ValueError as error:
        raise ModelError(str(error)) from None
    return found


def _layers(
    denoiser: GaussianDenoiser, channels: int, blocks: int, bits: int
) -> tuple[dict[str, Layer], np.ndarray, np.ndarray]:
    """Layers in integers, and shift and bias of the direct layer."""
    layers = {}
    for name, (outputs, *_) in layer_shapes(channels, blocks, bits).items():
        conv = denoiser.get_submodule(name)
        assert isinstance(conv, Conv)
        kernel, bias = conv.kernel().detach(), conv.bias.detach()
        unit = torch.full((outputs,), float(UNIT), dtype=torch.float64)
        if name == "head":
            unit = torch.tensor([MEAN_UNIT] * SUBPIXELS + [LOG_UNIT] * SUBPIXELS, dtype=torch.float64)
        if name == "direct":
            # Its exact sums are the outputs; the shift comes later.
            scale = power_of_two_scale(kernel).double().flatten()
            unit, bias = scale * UNIT, torch.zeros_like(bias)
        layers[name] = rounded(kernel, bias, unit)
    direct_bias = denoiser.direct.bias.detach().double()[0] * VALUES_PER_UNIT * 2**VALUE_BITS
    return layers, _integers(torch.log2(scale)), _integers(direct_bias)


def _integers(values: Tensor | np.ndarray, bits: int = 0) -> np.ndarray:
    """Fixed point with ``bits`` fractional bits."""
    return np.rint(np.asarray(values, dtype=np.float64) * 2.0**bits).astype(np.int64)


def _noise_tables() -> NoiseTables:
    fraction = torch.arange(MAX_GAMMA_INDEX + 1, dtype=torch.float64) / MAX_GAMMA_INDEX
    gamma = GAMMA_MIN + GAMMA_RANGE * fraction
    two = math.log(2)
    new = 0.5 * torch.log2(-torch.expm1(-GAMMA_RANGE * fraction))
    new[0] = new[1]
    return NoiseTables(
        _integers(gamma, LOG_BITS),
        _integers(0.5 * torch.nn.functional.logsigmoid(-gamma) / two, LOG_BITS),
        _integers(0.5 * torch.nn.functional.logsigmoid(gamma) / two, LOG_BITS),
        _integers(new, LOG_BITS),
        _integers(prior_gain(gamma), 16),
    )


def _schedule(schedule: NoiseSchedule, steps: int, side: int) -> FixedSchedule | AdaptiveSchedule:
    if isinstance(schedule, PolynomialSchedule) and schedule.network is not None:
        first, last = (schedule.network.get_submodule(name) for name in ("0", "2"))
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        return AdaptiveSchedule(
            np.array([steps]),
            _integers(first.weight.detach(), WEIGHT_BITS),
            _integers(first.bias.detach(), WEIGHT_BITS),
            _integers(last.weight.detach(), WEIGHT_BITS),
            _integers(schedule.bias.detach(), WEIGHT_BITS),
            _integers(basis(side, side), BASIS_BITS),
        )
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    with torch.no_grad():
        gamma = copy.deepcopy(schedule).double().path((side, side))(t)[0]
    fraction = (gamma - GAMMA_MIN) / GAMMA_RANGE
    index = _integers(fraction.expand(-1, 3, side, side) * MAX_GAMMA_INDEX)
    # Every step rises by one index at least.
    least = np.arange(steps + 1).reshape(-1, 1, 1, 1)
    rising = np.maximum.accumulate(index - least, axis=0) + least
    return FixedSchedule(np.minimum(rising, MAX_GAMMA_INDEX - steps + least))


def save_trained(
    model: GaussianModel, path: str | os.PathLike[str], metadata: dict[str, str], bins: float = BINS
) -> None:
    """Write a model, with its integer form if it was trained for finitely many steps.

    Raises:
        ModelError: as :func:`export_trained`.
    """
    if model.config.steps is None:
        save(model, path, metadata)
        return
    exact = export_trained(model, bins)
    reference = IntegerDenoiser(
        exact.layers, exact.direct_shift, exact.direct_bias, model.config.blocks, ReferenceBackend()
    )
    golden = golden_digest(reference, model.config.bits)
    save(model, path, {**metadata, GOLDEN_KEY: golden}, exact.tensors())
