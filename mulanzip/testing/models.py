"""The law of models: integers within their bounds, and the same bytes on every backend."""

from __future__ import annotations

import os

import numpy as np

from mulanzip import api, registry
from mulanzip.density.model import load
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY, candidates
from mulanzip.density.selftest import golden_digest
from mulanzip.testing.codecs import sample_arrays


def check_model(path: str | os.PathLike[str]) -> None:
    """A model that codes: its sums are exact in floats, and all backends of this machine make the same files with it.

    Args:
        path: the model file.

    Raises:
        ModelError: if the file holds no model of erasure noise, is damaged, or can leave the range of exact sums.
        AssertionError: if a backend computes other integers than the model's author did, or makes another file.
    """
    file = os.fspath(path)
    model = load(registry.find(file).path)
    for make in candidates("auto"):
        backend = make()
        if golden_digest(IntegerNetwork(model, backend)) != model.metadata.get(GOLDEN_KEY):
            raise AssertionError(f"{path}: the outputs on backend {backend.name} differ from the model's golden digest")
    arrays = {name: array for name, array in sample_arrays().items() if model.config.colours > 1 or array.ndim == 2}
    files: dict[str, dict[str, bytes]] = {"reference": {}, "auto": {}}
    for device, made in files.items():
        for name, array in arrays.items():
            made[name] = api.encode(array, model=file, effort=1, stored=False, device=device)
            if not np.array_equal(api.decode(made[name], model=file, device=device), array):
                raise AssertionError(f"{path}: {name} is not restored on device {device!r}")
    for name in arrays:
        if files["auto"][name] != files["reference"][name]:
            raise AssertionError(f"{path}: the file of {name!r} differs from that of the reference backend")
