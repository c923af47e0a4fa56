"""A trained model of Gaussian noise in integers: everything that coding needs, and its tensors in the model file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mulanzip.density.model import Layer, prove_layer
from mulanzip.errors import ModelError
from mulanzip.gaussian.exact.discretized import DistributionTables
from mulanzip.gaussian.exact.gamma_schedule import AdaptiveSchedule, FixedSchedule, NoiseTables
from mulanzip.gaussian.exact.integer_denoiser import SUBPIXELS, layer_shapes
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.model import EXACT_PREFIX

#: The entries of the model file's configuration that the integer form uses.
SIZES = ("channels", "blocks", "bits", "active", "side")
_TABLES: dict[str, type[Any]] = {
    "logs": Logarithms,
    "noise": NoiseTables,
    "normal": DistributionTables,
    "logistic": DistributionTables,
}
#: Names in model files that differ from those of fields.
_FILE_KEYS = {
    "schedule.gamma_index": "schedule.place",
    "logs.log_one_plus": "logs.total",
    "logs.sigmoid": "logs.share",
    "logs.log_sigmoid": "logs.log_share",
    "normal.window_bits": "normal.planes",
    "logistic.window_bits": "logistic.planes",
}


def _file_keys(part: str, kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Name and file key of every field of a table or schedule."""
    for field in fields(kind):
        name = f"{part}.{field.name}"
        yield field.name, _FILE_KEYS.get(name, name)


@dataclass(frozen=True)
class TrainedModel:
    """The integer form of a model, see :mod:`mulanzip.gaussian.exact.export_trained`.

    Attributes:
        config: the shape in the model file: channels, blocks, bits, active, side.
        layers: the denoiser's layers, as :func:`layer_shapes` lists them.
        direct_shift, direct_bias: int64 ``(12,)``, ``shift`` and ``bias`` of the :class:`IntegerDenoiser`.
        log_bins: log2 of the number of bins per standard deviation: int64 ``(1,)`` with ``LOG_BITS`` fractional bits.
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
    normal: DistributionTables
    logistic: DistributionTables

    @property
    def side(self) -> int:
        """Side in pixels of the square images that the model codes."""
        return self.config["side"]

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors of a model file.  64-bit integers are stored as 32-bit ones, in which they fit."""
        found = {f"{name}.{key}": t for name, layer in self.layers.items() for key, t in layer.tensors().items()}
        wide = {name: getattr(self, name) for name in ("direct_shift", "direct_bias", "log_bins")}
        for part in ("schedule", *_TABLES):
            held = getattr(self, part)
            wide |= {key: getattr(held, name) for name, key in _file_keys(part, type(held))}
        found |= {name: array.astype(np.int32) for name, array in wide.items()}
        return {EXACT_PREFIX + name: array for name, array in found.items()}

    @classmethod
    def from_tensors(cls, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> TrainedModel:
        """The inverse of :meth:`tensors`.

        Raises:
            ModelError: if something is missing or out of range.
        """
        prefix = EXACT_PREFIX
        held = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
        if not held:
            raise ModelError(
                "the model cannot compress: it was trained for infinitely many steps, or by an older version"
            )

        def wide(key: str) -> np.ndarray:
            return held[key].astype(np.int64)

        def table(part: str, kind: type[Any]) -> Any:
            return kind(*(wide(key) for _, key in _file_keys(part, kind)))

        try:
            sizes = {name: int(config[name]) for name in SIZES}
            layers = {
                name: Layer(*(held[f"{name}.{key}"] for key in ("weight", "bias", "shift")))
                for name in layer_shapes(sizes["channels"], sizes["blocks"], sizes["bits"])
            }
            kind = FixedSchedule if _FILE_KEYS["schedule.gamma_index"] in held else AdaptiveSchedule
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
        """Check what coding relies on, and prove that every sum of the network is exact.

        Raises:
            ValueError, ModelError: naming the problem.
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
