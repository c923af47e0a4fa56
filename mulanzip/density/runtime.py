"""A model that is ready to run: loaded, proved exact, on the best backend that passes the self-test."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from mulanzip.density.backends import Backend, CudaBackend, OneDnnBackend, ReferenceBackend
from mulanzip.density.model import IntegerModel, load
from mulanzip.density.model_cache import ModelCache, file_version
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.selftest import golden_digest
from mulanzip.density.torch_threads import torch_threads
from mulanzip.errors import ModelError
from mulanzip.limits import available_cores
from mulanzip.notes import note

N = TypeVar("N")
DEVICES = ("auto", "cpu", "cuda", "reference")
#: Metadata key of model files for the digest of :func:`golden_digest`.
GOLDEN_KEY = "golden"

_networks = ModelCache[IntegerNetwork](lambda network: network.backend.device.type == "cpu")


class InexactBackendWarning(UserWarning):
    """A backend failed its self-test on this machine and is not used."""


@dataclass(frozen=True)
class Runtime:
    """Everything that coding needs.

    Attributes:
        network: of the scale of ``statistics``.
        threads: maximum number of threads.
        statistics: of the samples that are coded.
    """

    network: IntegerNetwork
    threads: int
    statistics: SampleStatistics = PLAIN_STATISTICS

    @property
    def model(self) -> IntegerModel:
        return self.network.model

    def adapted(self, context: np.ndarray | None) -> Runtime:
        """The same for an image with this context; None leaves the network as it was trained."""
        if context is None:
            return self
        network = IntegerNetwork(self.model.adapted(context), self.network.backend)
        return replace(self, network=network.at(self.sample_scale))

    @property
    def sample_scale(self) -> SampleScale:
        """Scale of the samples that are coded."""
        return self.statistics.scale

    def at(self, statistics: SampleStatistics) -> Runtime:
        """The same for samples with other statistics."""
        return replace(self, network=self.network.at(statistics.scale), statistics=statistics)


def candidates(device: str) -> list[type[Backend]]:
    """Backends to try on a device, the fastest first.

    Raises:
        ModelError, ValueError: as :func:`open_runtime`.
    """
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}; use one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("this machine has no CUDA device that torch can use; use --device cpu")
    backends: list[type[Backend]] = [ReferenceBackend]
    if device != "reference":
        backends.insert(0, OneDnnBackend)
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        backends.insert(0, CudaBackend)
    return backends


def choose_network(model: IntegerModel, backends: list[type[Backend]]) -> IntegerNetwork:
    """The model on the first of ``backends`` that passes the self-test, see :func:`choose`."""
    return choose(backends, partial(IntegerNetwork, model), golden_digest, model.metadata.get(GOLDEN_KEY))


def choose(
    backends: list[type[Backend]], build: Callable[[Backend], N], digest: Callable[[N], str], expected: str | None
) -> N:
    """A network on the first of ``backends`` that passes the self-test.  Warns of each that fails.

    Args:
        build: creates the network on a backend.
        digest: computes the digest of the outputs of a network on fixed inputs.
        expected: the digest that its author computed.

    Raises:
        ModelError: if no backend passes.
    """
    for kind in backends:
        try:
            network = build(kind())
            found = digest(network)
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            problem = f"does not run here ({str(error).splitlines()[0]})"
        else:
            if found == expected:
                return network
            problem = "does not compute exactly on this machine"
        note(f"backend {kind.name} {problem}; trying the next one", InexactBackendWarning, stacklevel=3)
    raise ModelError("no backend computes this model exactly on this machine; nothing can be coded safely")


def open_runtime(path: str | os.PathLike[str], device: str = "auto", threads: int | None = None) -> Runtime:
    """Load a model and choose its backend.  Both are cached.

    Args:
        path: the model file.
        device: one of :data:`DEVICES`.
        threads: maximum number of threads; None for all cores.  Has no effect on results.

    Raises:
        ModelError: if the model is missing or damaged, or there is no such device.
        ValueError: for an unknown device or number of threads.
    """
    if threads is not None and threads < 1:
        raise ValueError("the number of threads must be at least 1")

    threads = threads or available_cores()

    def load_network() -> IntegerNetwork:
        backends = candidates(device)
        with torch_threads(threads):
            return choose_network(load(path), backends)

    return Runtime(_networks.get((file_version(path), device), load_network), threads)
