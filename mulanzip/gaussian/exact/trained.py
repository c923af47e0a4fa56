"""A trained model of Gaussian noise in integers: all that coding needs, and its place in the model's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mulanzip.density.model import Layer, prove_layer
from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.discretized import Tables
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.network import SUBPIXELS, layer_shapes
from mulanzip.gaussian.exact.schedule import AdaptiveSchedule, FixedSchedule, NoiseTables
from mulanzip.gaussian.model import EXACT

#: What the shape of a model's file says here.
SIZES = ("channels", "blocks", "bits", "active", "side")
_TABLES: dict[str, type[Any]] = {"logs": Logarithms, "noise": NoiseTables, "normal": Tables, "logistic": Tables}


@dataclass(frozen=True)
class TrainedModel:
    """See :mod:`mulanzip.gaussian.exact.export_trained`.

    Attributes:
        config: what the model's file says of its shape: channels, blocks, bits, active, side.
        layers: of the denoiser, as :func:`mulanzip.gaussian.exact.network.layer_shapes` has them.
        direct_shift, direct_bias: int64 ``(12,)``, see :class:`mulanzip.gaussian.exact.network.IntegerDenoiser`.
        log_bins: of bins per standard deviation, to the base 2: int64 ``(1,)`` with ``LOG_BITS`` fractional bits.
        schedule, logs, noise, normal, logistic: tables.
    """

    config: dict[str, int]
    layers: dict[str, Layer]
    direct_shift: np.ndarray
    direct_bias: np.ndarray
    log_bins: np.ndarray
    schedule: FixedSchedule | AdaptiveSchedule
    logs: Logarithms
    noise: NoiseTables
    normal: Tables
    logistic: Tables

    @property
    def side(self) -> int:
        """Of the images that can be coded: they are squares of so many pixels."""
        return self.config["side"]

    def tensors(self) -> dict[str, np.ndarray]:
        """What a file holds; integers of 64 bits as such of 32, in which they fit."""
        found = {f"{name}.{key}": t for name, layer in self.layers.items() for key, t in layer.tensors().items()}
        wide = {name: getattr(self, name) for name in ("direct_shift", "direct_bias", "log_bins")}
        for part in ("schedule", *_TABLES):
            wide |= {f"{part}.{f.name}": getattr(getattr(self, part), f.name) for f in fields(getattr(self, part))}
        found |= {name: array.astype(np.int32) for name, array in wide.items()}
        return {EXACT + name: array for name, array in found.items()}

    @classmethod
    def of(cls, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> TrainedModel:
        """The inverse of :meth:`tensors`.

        Raises:
            ModelError: if something is missing or out of range.
        """
        held = {name.removeprefix(EXACT): array for name, array in tensors.items() if name.startswith(EXACT)}
        if not held:
            raise ModelError(
                "the model cannot compress: it was trained for infinitely many steps, or by an older version"
            )

        def wide(name: str) -> np.ndarray:
            return held[name].astype(np.int64)

        def table(part: str, kind: type[Any]) -> Any:
            return kind(*(wide(f"{part}.{f.name}") for f in fields(kind)))

        try:
            sizes = {name: int(config[name]) for name in SIZES}
            layers = {
                name: Layer(*(held[f"{name}.{key}"] for key in ("weight", "bias", "shift")))
                for name in layer_shapes(sizes["channels"], sizes["blocks"], sizes["bits"])
            }
            kind = FixedSchedule if "schedule.place" in held else AdaptiveSchedule
            parts = {part: table(part, tables) for part, tables in _TABLES.items()}
            direct = wide("direct_shift"), wide("direct_bias")
            model = cls(sizes, layers, *direct, wide("log_bins"), table("schedule", kind), **parts)
            model.validate()
        except KeyError as error:
            raise ModelError(f"the model has no {error.args[0]}") from None
        except ValueError as error:
            raise ModelError(str(error)) from None
        return model

    def validate(self) -> None:
        """Check what coding relies on, and prove that no sum of the network is inexact.

        Raises:
            ValueError, ModelError: naming what is wrong.
        """
        for name, shape in layer_shapes(self.config["channels"], self.config["blocks"], self.config["bits"]).items():
            prove_layer(name, self.layers[name], shape, 1, np.zeros(shape[0], dtype=np.int64))
        direct = self.layers["direct"]
        if direct.shift.any() or direct.bias.any():
            raise ValueError("layer direct: shifts and biases must be zero")
        for name, size in (("direct_shift", SUBPIXELS), ("direct_bias", SUBPIXELS), ("log_bins", 1)):
            if getattr(self, name).shape != (size,):
                raise ValueError(f"{name} has the wrong shape")
        if self.direct_shift.min() < 0 or self.direct_shift.max() > 32 or abs(self.direct_bias).max() > 1 << 30:
            raise ValueError("shifts or biases of layer direct are out of range")
        if not -2 << LOG_BITS <= self.log_bins[0] <= 2 << LOG_BITS:
            raise ValueError("the bins per standard deviation are out of range")
        self.schedule.validate(self.side, self.config["bits"])
        for part in _TABLES:
            getattr(self, part).validate()
