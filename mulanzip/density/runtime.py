"""A model that is ready to run: loaded, proved exact, on the best backend that passes the self-test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from mulanzip.density.backends import Backend
from mulanzip.density.model import IntegerModel, load
from mulanzip.density.model_cache import ModelCache, file_version
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.selftest import golden_digest
from mulanzip.errors import ModelError
from mulanzip.limits import available_cores
from mulanzip.notes import note

N = TypeVar("N")
DEVICES = ("auto", "cpu", "cuda", "reference")
#: Metadata key of model files for the digest of :func:`golden_digest`.
GOLDEN_KEY = "golden"

_networks = ModelCache[IntegerNetwork](lambda network: network.backend.survives_fork)


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
        return replace(self, network=self.network.adapted(context))

    @property
    def sample_scale(self) -> SampleScale:
        """Scale of the samples that are coded."""
        return self.statistics.scale

    def at(self, statistics: SampleStatistics) -> Runtime:
        """The same for samples with other statistics."""
        return replace(self, network=self.network.at(statistics.scale), statistics=statistics)


def candidates(device: str) -> Iterator[Callable[[], Backend]]:
    """Makers of backends to try on a device, the fastest first.  Those of torch import it when their turn comes.

    Raises:
        ModelError, ValueError: as :func:`open_runtime`.
    """
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}; use one of {', '.join(DEVICES)}")
    return _candidates(device)


def _candidates(device: str) -> Iterator[Callable[[], Backend]]:
    if device == "cuda":
        torch = import_torch("--device cuda")
        if not torch.cuda.is_available():
            raise ModelError("this machine has no CUDA device that torch can use; use --device cpu")
        from mulanzip.density.torch_backends import CudaBackend

        yield CudaBackend
    if device != "reference":
        yield from (partial(NativeBackend, kernel) for kernel in kernels_to_use())
    import_torch("the reference backend")
    from mulanzip.density.torch_backends import ReferenceBackend

    yield ReferenceBackend


def import_torch(purpose: str) -> Any:
    """The module torch.

    Raises:
        ModelError: where it is not installed.
    """
    try:
        import torch
    except ImportError:
        raise ModelError(f"{purpose} needs torch, which is not installed: pip install 'mulanzip[torch]'") from None
    return torch


def choose_network(model: IntegerModel, backends: Iterable[Callable[[], Backend]]) -> IntegerNetwork:
    """The model on the first of ``backends`` that passes the self-test, see :func:`choose`."""
    return choose(backends, partial(IntegerNetwork, model), golden_digest, model.metadata.get(GOLDEN_KEY))


def choose(
    backends: Iterable[Callable[[], Backend]],
    build: Callable[[Backend], N],
    digest: Callable[[N], str],
    expected: str | None,
) -> N:
    """A network on the first of ``backends`` that passes the self-test.  Warns of each that fails.

    Args:
        build: creates the network on a backend.
        digest: computes the digest of the outputs of a network on fixed inputs.
        expected: the digest that its author computed.

    Raises:
        ModelError: if no backend passes.
    """
    for make in backends:
        backend = make()
        try:
            network = build(backend)
            found = digest(network)
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            problem = f"does not run here ({str(error).splitlines()[0]})"
        else:
            if found == expected:
                return network
            problem = "does not compute exactly on this machine"
        note(f"backend {backend.name} {problem}; trying the next one", InexactBackendWarning, stacklevel=3)
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
        return choose_network(load(path), candidates(device))

    return Runtime(_networks.get((file_version(path), device), load_network), threads)
