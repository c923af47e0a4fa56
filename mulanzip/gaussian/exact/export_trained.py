"""A trained model from floating point to integers.  Nothing here is used while coding."""

from __future__ import annotations

import copy
import math
import os

import numpy as np
import torch
from torch import Tensor, nn

from mulanzip.density.backends import ReferenceBackend
from mulanzip.density.config import UNIT
from mulanzip.density.model import Layer
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.errors import ModelError
from mulanzip.floatnet.export import rounded
from mulanzip.floatnet.network import Conv, power_of_two_scale
from mulanzip.gaussian.denoiser import Denoiser, prior_gain
from mulanzip.gaussian.exact.export import logistic, normal
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.network import LOG_UNIT, MEAN_UNIT, SUBPIXELS, IntegerDenoiser, layer_shapes
from mulanzip.gaussian.exact.posterior import PLACE_BITS
from mulanzip.gaussian.exact.schedule import (
    BASIS_BITS,
    PLACES,
    WEIGHT_BITS,
    AdaptiveSchedule,
    FixedSchedule,
    NoiseTables,
)
from mulanzip.gaussian.exact.selftest import golden_digest
from mulanzip.gaussian.exact.trained import SIZES, TrainedModel
from mulanzip.gaussian.model import GaussianModel, save
from mulanzip.gaussian.process import GAMMA_MAX, GAMMA_MIN, PER_UNIT
from mulanzip.gaussian.schedule import PolynomialSchedule, Schedule, basis

#: Bins per standard deviation.  That latents are rounded is noise which the model does not know of.
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
    denoiser: Denoiser, channels: int, blocks: int, bits: int
) -> tuple[dict[str, Layer], np.ndarray, np.ndarray]:
    layers = {}
    for name, (outputs, *_) in layer_shapes(channels, blocks, bits).items():
        conv = denoiser.get_submodule(name)
        assert isinstance(conv, Conv)
        kernel, bias = conv.kernel().detach(), conv.bias.detach()
        unit = torch.full((outputs,), float(UNIT), dtype=torch.float64)
        if name == "head":
            unit = torch.tensor([MEAN_UNIT] * SUBPIXELS + [LOG_UNIT] * SUBPIXELS, dtype=torch.float64)
        if name == "direct":
            # Its sums are used as they are, and shifted later.
            scale = power_of_two_scale(kernel).double().flatten()
            unit, bias = scale * UNIT, torch.zeros_like(bias)
        layers[name] = rounded(kernel, bias, unit)
    places = denoiser.direct.bias.detach().double()[0] * PER_UNIT * 2**PLACE_BITS
    return layers, _integers(torch.log2(scale)), _integers(places)


def _integers(values: Tensor | np.ndarray, bits: int = 0) -> np.ndarray:
    return np.rint(np.asarray(values, dtype=np.float64) * 2.0**bits).astype(np.int64)


def _noise_tables() -> NoiseTables:
    share = torch.arange(PLACES + 1, dtype=torch.float64) / PLACES
    gamma = GAMMA_MIN + (GAMMA_MAX - GAMMA_MIN) * share
    two = math.log(2)
    new = 0.5 * torch.log2(-torch.expm1(-(GAMMA_MAX - GAMMA_MIN) * share))
    new[0] = new[1]
    return NoiseTables(
        _integers(gamma, LOG_BITS),
        _integers(0.5 * torch.nn.functional.logsigmoid(-gamma) / two, LOG_BITS),
        _integers(0.5 * torch.nn.functional.logsigmoid(gamma) / two, LOG_BITS),
        _integers(new, LOG_BITS),
        _integers(prior_gain(gamma), 16),
    )


def _schedule(schedule: Schedule, steps: int, side: int) -> FixedSchedule | AdaptiveSchedule:
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
    with torch.no_grad():
        gamma = (
            copy.deepcopy(schedule).double().path((side, side))(torch.arange(steps + 1, dtype=torch.float64) / steps)[0]
        )
    share = (gamma - GAMMA_MIN) / (GAMMA_MAX - GAMMA_MIN)
    place = _integers(share.expand(-1, 3, side, side) * PLACES)
    least = np.arange(steps + 1).reshape(-1, 1, 1, 1)
    return FixedSchedule(np.minimum(np.maximum.accumulate(place - least, axis=0) + least, PLACES - steps + least))


def save_trained(
    model: GaussianModel, path: str | os.PathLike[str], metadata: dict[str, str], bins: float = BINS
) -> None:
    """Write a model; with its form in integers, if it was trained for finitely many steps.

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
