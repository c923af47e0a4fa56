"""A run of a few seconds improves, goes on where it stopped, and exports a model that codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.pictures import photo, smooth

import mulanzip
from mulanzip import registry
from mulanzip.density.config import Config
from mulanzip.density.model import load
from mulanzip.errors import ModelError
from mulanzip.floatnet.objective import image_bits
from mulanzip.training import erasure
from mulanzip.training.erasure import FLOAT_MODEL, ErasureRecipe, ErasureRun
from mulanzip.training.loop import CHECKPOINT, LOG, MODEL, Run

CONFIG = Config(channels=8, blocks=1, mixtures=2, level_classes=2)
IMAGES = [smooth(90, 100, seed=s) for s in range(3)] + [photo(160, 150)]
VALIDATION = [smooth(64, 64, seed=9)]
STEPS = 100


def start(folder: Path, steps: int = STEPS) -> ErasureRun:
    return ErasureRun(folder, IMAGES, VALIDATION, CONFIG, ErasureRecipe(steps=steps, batch_cells=512))


def nothing(run: Run, bpsp: float) -> None:
    """No report."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ErasureRun, float]:
    """A finished run, and its validation result before the first step."""
    run = start(tmp_path_factory.mktemp("run"))
    before = run.validate()
    run.train(nothing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "_ROUNDING_BATCHES", 6)
        run.export()
    run.close()
    return run, before


@pytest.mark.slow
def test_training_improves_the_validation_loss(finished: tuple[ErasureRun, float]) -> None:
    run, before = finished
    assert run.step == STEPS
    assert run.validate() < before - 0.1


def test_the_exported_model_codes_images_losslessly(finished: tuple[ErasureRun, float]) -> None:
    path = finished[0].folder / MODEL
    assert load(path).config == CONFIG
    for image in (photo(70, 51), smooth(33, 40, 1)):
        data = mulanzip.encode(image, model=str(path), stored=False, threads=1)
        np.testing.assert_array_equal(mulanzip.decode(data, model=str(path), threads=1), image)


@pytest.mark.slow
def test_the_training_loss_is_what_learning_starts_from(
    finished: tuple[ErasureRun, float],
) -> None:
    run, _ = finished
    image = smooth(64, 64, seed=9)
    run.average.quantise()
    in_theory = image_bits(run.average, np.ascontiguousarray(image), autocast=False)
    rgb = np.ascontiguousarray(image[..., [1, 0, 2]])
    data = mulanzip.encode(rgb, model=str(run.folder / MODEL), context="none", stored=False, threads=1)
    # The file has 81 bytes of headers and hashes, and the coarsest level without compression.  What a network of a few
    # steps has not learned, the correction partly does.
    assert 0.8 * in_theory < 8 * (len(data) - 81) - 16 * 24 < in_theory


@pytest.mark.slow
def test_a_run_goes_on_from_its_checkpoint_with_the_same_state(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.validate()
    for _ in range(3):
        run._step()
    run.save()
    run.close()
    again = start(tmp_path)
    assert again.step == 3
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)
        assert torch.equal(again.average.state_dict()[name], run.average.state_dict()[name])
    for one, other in zip(again.optimisers, run.optimisers, strict=True):
        assert str(one.state_dict()) == str(other.state_dict())
    # What follows is the same as without the pause.
    assert [again._step() for _ in range(2)] == pytest.approx([run._step() for _ in range(2)], rel=1e-4)


def test_checkpoints_name_presets_as_files_do(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.save()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    for weights in (state["model"], state["average"]):
        assert weights["presets"].shape == run.model.presets.shape


@pytest.mark.slow
def test_a_new_run_can_begin_with_the_weights_of_another(finished: tuple[ErasureRun, float], tmp_path: Path) -> None:
    weights = finished[0].folder / FLOAT_MODEL
    again = ErasureRun(tmp_path, IMAGES, VALIDATION, CONFIG, ErasureRecipe(), weights)
    finished[0].average.quantise(False)
    assert again.step == 0
    bits = []
    for preset in (None, *range(CONFIG.presets)):
        finished[0].average.use_preset(preset)
        bits.append(image_bits(finished[0].average, VALIDATION[0], again.autocast))
    assert again.validate() == pytest.approx(min(bits) / VALIDATION[0].size)
    wider = Config(channels=16, blocks=1, mixtures=2, level_classes=2)
    for path, config in ((weights, wider), (finished[0].folder / LOG, CONFIG)):
        with pytest.raises(ModelError, match="does not hold"):
            ErasureRun(tmp_path / "other", IMAGES, VALIDATION, config, ErasureRecipe(), path)


def test_a_new_run_can_begin_with_shipped_weights(tmp_path: Path) -> None:
    info = registry.find("photo-fast")
    weights = info.path.with_name(FLOAT_MODEL)
    run = ErasureRun(tmp_path, IMAGES, VALIDATION, Config.from_dict(info.config), ErasureRecipe(), weights)
    assert torch.equal(run.model.presets, load_file(weights)["presets"])
