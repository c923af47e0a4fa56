"""All that training and the CUDA backend compute lies where the weights are.

No GPU is needed for that: on torch's device without memory, ``meta``, a tensor that was left in the processor's memory
is an error, as it is on a GPU.
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from support.models import tiny_model

from mulanzip.density.config import INPUT_PLANES, PASSES, Config
from mulanzip.density.inputs import base_prediction, input_planes
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.selftest import all_outputs
from mulanzip.density.torch_backends import CudaBackend
from mulanzip.density.value_edges import VALUES, ValueEdges
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import CellBatch, early_bits, level_bits
from mulanzip.lattice.geometry import D, H, V

META = torch.device("meta")
EDGES = ValueEdges.moved(np.zeros((3, VALUES - 1), dtype=np.int64), 0)


@pytest.fixture(autouse=True)
def _values_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors without memory: every branch is taken, and there is no autocast."""
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda tensor: True)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


@pytest.mark.parametrize("scale", [SampleScale(256), SampleScale(5000, 3), SampleScale(40, -2)])
def test_inputs(scale: SampleScale) -> None:
    cells = torch.zeros((2, 4, 3, 8, 8), dtype=torch.int32, device=META)
    known = torch.zeros((2, 4, 8, 8), dtype=torch.bool, device=META)
    assert input_planes(cells, known, scale).device == META
    for phase in (H, V, D):
        assert base_prediction(cells, known, phase, scale).device == META


@pytest.mark.parametrize(
    ("colours", "statistics"),
    [
        (1, PLAIN_STATISTICS),
        (1, SampleStatistics(SampleScale(999, 2))),
        (3, PLAIN_STATISTICS),
        (3, SampleStatistics(value_edges=EDGES)),
    ],
)
def test_code_lengths_and_their_gradients(colours: int, statistics: SampleStatistics) -> None:
    config = Config(channels=8, blocks=1, mixtures=2, colours=colours, hidden=8 if colours == 3 else 0)
    model = Denoiser(config).to(META)
    model.use_preset(0)
    pixels = torch.zeros((2, colours, 16, 16), dtype=torch.int32, device=META)
    bits, count = level_bits(model, pixels, 0, colours, statistics)
    assert bits.device == count.device == META
    cells = CellBatch(torch.zeros((2, 4, colours, 8, 8), dtype=torch.int32, device=META), 0, colours, statistics)
    known = torch.zeros((2, 4, 8, 8), dtype=torch.bool, device=META)
    bits = bits + early_bits(model, cells, known, torch.zeros((2, 8, 8, 8), device=META))
    gradients = torch.autograd.grad(bits, list(model.parameters()), materialize_grads=True)
    assert all(gradient.device == META for gradient in gradients)


def test_a_tensor_on_another_device_is_noticed() -> None:
    cells = torch.zeros((2, 4, 3, 8, 8), dtype=torch.int32, device=META)
    with pytest.raises(RuntimeError, match="device"):
        input_planes(cells, torch.zeros((2, 4, 8, 8), dtype=torch.bool))


class _MetaBackend(CudaBackend):
    """The CUDA backend on a device without memory; what comes back from there is zeros."""

    def __init__(self) -> None:
        self.device = META

    def numpy(self, x: torch.Tensor) -> np.ndarray:
        assert x.device == META
        return np.zeros(x.shape, np.uint8 if x.dtype == torch.uint8 else np.int32)


def test_the_backend_for_gpus() -> None:
    network = IntegerNetwork(tiny_model(1, "random", channels=40, blocks=2), _MetaBackend())
    assert len(all_outputs(network, np.zeros((2, 9, 11, INPUT_PLANES), np.uint8), 1)) > len(PASSES)
    cells, known = np.zeros((2, 8, 8, 4, 3), np.int32), np.zeros((8, 8, 4), bool)
    assert network.backend.input_planes(cells, known, SampleScale(256)).device == META
