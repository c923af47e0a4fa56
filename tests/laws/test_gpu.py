"""On a GPU everything is the same as on a CPU: layers, networks, the bytes of files; and training goes the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.models import tiny_model
from support.pictures import noise, photo
from support.processes import ROOT, run_python

import mulanzip
from mulanzip import registry
from mulanzip.density.config import INPUT_PLANES, Config
from mulanzip.density.model import IntegerModel
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY, open_runtime
from mulanzip.density.selftest import all_outputs, golden_digest
from mulanzip.density.torch_backends import CudaBackend, ReferenceBackend
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.training.erasure import ErasureRecipe, ErasureRun

pytestmark = pytest.mark.gpu


def test_the_cuda_backend_is_chosen_and_passes_its_self_test(shipped_model: IntegerModel) -> None:
    runtime = open_runtime(registry.find("photo").path, "cuda")
    assert isinstance(runtime.network.backend, CudaBackend)
    assert golden_digest(runtime.network) == shipped_model.metadata[GOLDEN_KEY]


@pytest.mark.parametrize("weights", ["random", "extreme"])
def test_networks_compute_the_same_on_the_gpu(weights: str) -> None:
    model = tiny_model(1, weights, channels=40, blocks=2)
    on_cpu, on_gpu = (IntegerNetwork(model, kind()) for kind in (ReferenceBackend, CudaBackend))
    planes = noise(17 * 19, 23, INPUT_PLANES).reshape(17, 19, 23, INPUT_PLANES)
    for batch in (1, 16, 17):
        expected, found = (all_outputs(network, planes[:batch], 1) for network in (on_cpu, on_gpu))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
@pytest.mark.parametrize("size", [(96, 80, 3), (61, 67, 1), (17, 33, 3), (1, 50, 3), (530, 520, 3)])
def test_files_are_the_same_and_decode_on_both(size: tuple[int, int, int], schedule: str) -> None:
    image = noise(*size) if size[0] == 17 else photo(*size)
    files = [mulanzip.encode(image, schedule=schedule, device=device, stored=False) for device in ("cpu", "cuda")]
    assert files[0] == files[1]
    for device in ("cpu", "cuda"):
        np.testing.assert_array_equal(mulanzip.decode(files[0], device=device), image)


def test_tf32_and_reduced_precision_settings_change_nothing() -> None:
    image = photo(96, 80)
    expected = mulanzip.encode(image, device="cpu", stored=False)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        assert mulanzip.encode(image, device="cuda", stored=False) == expected
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_training_goes_as_on_the_processor(tmp_path: Path) -> None:
    config = Config(channels=16, blocks=1, mixtures=2, hidden=8)
    images = [photo(160, 176), photo(170, 200)]
    recipe = ErasureRecipe(steps=20, batch_cells=4096)
    runs = {
        device: ErasureRun(tmp_path / device, images, [photo(64, 64)], config, recipe, device=device)
        for device in ("cpu", "cuda")
    }
    bits = {device: [run._step() for _ in range(12)] for device, run in runs.items()}
    np.testing.assert_allclose(bits["cuda"], bits["cpu"], rtol=0.02)
    assert abs(runs["cuda"].validate() / runs["cpu"].validate() - 1) < 0.02
    runs["cuda"].save()
    runs["cuda"].export()
    for run in runs.values():
        run.close()
    again = ErasureRun(tmp_path / "cuda", images, [photo(64, 64)], config, recipe)
    assert again.step == 12
    again.close()


def test_the_comparison_script_agrees() -> None:
    done = run_python("-m", "benchmarks.compare_devices", "--quick", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
