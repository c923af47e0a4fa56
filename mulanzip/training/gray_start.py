"""Weights of a model of colours as the start of a model of gray images."""

from __future__ import annotations

import os

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mulanzip.density.config import HEADS, INPUT_PLANES, PASSES, Config
from mulanzip.errors import ModelError
from mulanzip.floatnet.network import Denoiser

#: Biases of the logit and the log scale of components that the model of colours does not have: wide and rare.
_NEW_LOGIT, _NEW_LOG_SCALE = -5.0, 1.5
#: Places of phases and means among the input planes of both, see :func:`mulanzip.density.inputs.input_planes`.
_PHASES = 4


def load_start(model: Denoiser, path: str | os.PathLike[str]) -> None:
    """Give a model of gray images the weights in a file, which are its own or those of a model of colours.

    Raises:
        ModelError: if the file holds neither, or the weights of a larger network.
    """
    try:
        state = load_file(path)
        if state["passes.0.stem.weight"].shape[1] == 9 * INPUT_PLANES:
            widen(_colour_model(state), model)
        else:
            model.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError):
        raise ModelError(
            f"{path} does not hold float weights of a network of this size, or of a smaller one of three colours"
        ) from None


def _colour_model(state: dict[str, Tensor]) -> Denoiser:
    config = Config(
        channels=len(state["passes.0.stem.weight"]),
        blocks=sum(name.startswith("passes.0.body.") and name.endswith("weight") for name in state) // 2,
        mixtures=len(state["heads.H.out.0.weight"]) // 3,
        level_classes=len(state["passes.0.stem.bias"]),
        hidden=len(state["heads.H.hidden.0.weight"]),
        presets=len(state["presets"]),
    )
    found = Denoiser(config)
    found.load_state_dict(state)
    return found


@torch.no_grad()
def widen(colour: Denoiser, gray: Denoiser) -> None:
    """Make a gray model compute for gray images what a model of colours computes for their first colour.

    The new channels and components of ``gray`` keep their initial weights, and change nothing yet; presets stay zero.

    Raises:
        ValueError: if ``gray`` has fewer channels or components, or another number of blocks or level classes.
    """
    old, new = colour.config, gray.config
    if old.channels > new.channels or old.mixtures > new.mixtures:
        raise ValueError("the network is too small")
    if (old.blocks, old.level_classes) != (new.blocks, new.level_classes):
        raise ValueError("the networks have different depths")
    channels = slice(old.channels)
    for name in (f"passes.{i}" for i in range(len(PASSES))):
        stem, start = gray.conv(f"{name}.stem"), colour.conv(f"{name}.stem")
        stem.kernel()[channels] = _gray_kernel(start.kernel())
        stem.bias[:, channels] = start.bias
        for j in range(2 * new.blocks):
            layer, start = gray.conv(f"{name}.body.{j}"), colour.conv(f"{name}.body.{j}")
            layer.kernel()[channels] = 0
            layer.kernel()[channels, channels] = start.kernel()
            layer.bias[:, channels] = start.bias
    for name in HEADS:
        layer, start = gray.conv(f"heads.{name}.out.0"), colour.conv(f"heads.{name}.out.0")
        layer.weight.zero_()
        layer.bias.zero_()
        for kind, of_new in enumerate((_NEW_LOGIT, _NEW_LOG_SCALE, 0.0)):
            first, source = kind * new.mixtures, slice(kind * old.mixtures, (kind + 1) * old.mixtures)
            rows = slice(first, first + old.mixtures)
            layer.weight[rows, channels] = start.weight[source]
            layer.bias[:, rows] = start.bias[:, source]
            layer.bias[:, rows.stop : first + new.mixtures] = of_new


def _gray_kernel(kernel: Tensor) -> Tensor:
    """Weights of a stem for planes of one colour: sums over the colours; coarse planes have no weight yet."""
    above, below, brightness, knowledge = kernel.split((3 * _PHASES, 3 * _PHASES, 3, _PHASES), 1)

    def by_phase(planes: Tensor) -> Tensor:
        return planes.unflatten(1, (-1, 3)).sum(2)

    coarse = torch.zeros_like(kernel[:, : 2 * _PHASES])
    parts = (by_phase(above), by_phase(below), coarse, by_phase(brightness), coarse[:, :1], knowledge)
    return torch.cat(parts, 1)
