"""A run of a few seconds improves, goes on where it stopped, and exports a model that codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.models import tiny_model
from support.pictures import photo, smooth
from support.processes import run_python

import mulanzip
from mulanzip.density.config import PASSES, Config
from mulanzip.density.model import load
from mulanzip.errors import ModelError, UnreadableImageError, UnsupportedImageError
from mulanzip.floatnet.network import Denoiser, power_of_two_scale
from mulanzip.floatnet.objective import cells_of, image_bits, step_bits
from mulanzip.lattice.geometry import A
from mulanzip.training import loop
from mulanzip.training.augment import LOOKS, augment
from mulanzip.training.data import LEVELS, MOST_PATCHES, Patches, load_images
from mulanzip.training.erasure import FLOAT_MODEL, ErasureRecipe, ErasureRun
from mulanzip.training.loop import CHECKPOINT, LOCK, LOG, MODEL, Run
from mulanzip.training.muon import Muon
from mulanzip.training.patterns import draw_known
from mulanzip.training.prior import learn_prior

CONFIG = Config(channels=8, blocks=1, mixtures=2, level_classes=2)
IMAGES = [smooth(90, 100, seed=s) for s in range(3)] + [photo(160, 150)]
VALIDATION = [smooth(64, 64, seed=9)]
STEPS = 100


def start(folder: Path, seconds: float, seed: int = 0, steps: int | None = None) -> ErasureRun:
    recipe = ErasureRecipe(hours=seconds / 3600, batch_cells=512, seed=seed, steps=steps)
    return ErasureRun(folder, IMAGES, VALIDATION, CONFIG, recipe)


def nothing(run: Run, bpsp: float) -> None:
    """No report."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ErasureRun, float]:
    """A finished run, and what it reached before its first step."""
    run = start(tmp_path_factory.mktemp("run"), 0, steps=STEPS)
    before = run.validate()
    run.train(nothing, save_every=0.1)
    run.export()
    run.close()
    return run, before


def test_training_improves_the_validation_loss(finished: tuple[ErasureRun, float]) -> None:
    run, before = finished
    assert run.step == STEPS
    assert run.validate() < before - 0.1


def test_the_log_is_json_lines(finished: tuple[ErasureRun, float]) -> None:
    entries = [json.loads(line) for line in (finished[0].folder / LOG).read_text().splitlines()]
    assert len(entries) >= 2
    for key in ("seconds", "step", "train", "validation"):
        values = [e[key] for e in entries]
        assert all(np.isfinite(values))
        if key in ("seconds", "step"):
            assert values == sorted(values)


def test_the_exported_model_codes_images_losslessly(finished: tuple[ErasureRun, float]) -> None:
    path = finished[0].folder / MODEL
    assert load(path).config == CONFIG
    for image in (photo(70, 51), smooth(33, 40, 1)):
        data = mulanzip.encode(image, model=str(path), stored=False, threads=1)
        np.testing.assert_array_equal(mulanzip.decode(data, model=str(path), threads=1), image)


def test_the_training_loss_is_the_size_of_the_file(finished: tuple[ErasureRun, float]) -> None:
    run, _ = finished
    image = smooth(64, 64, seed=9)
    run.average.quantise()
    in_theory = image_bits(run.average, np.ascontiguousarray(image), autocast=False)
    rgb = np.ascontiguousarray(image[..., [1, 0, 2]])
    data = mulanzip.encode(rgb, model=str(run.folder / MODEL), context="none", stored=False, threads=1)
    # The file has 81 bytes of frame and hashes, and the flat coarsest level.
    assert 8 * (len(data) - 81) - 16 * 24 == pytest.approx(in_theory, rel=0.01)


def test_a_run_goes_on_from_its_checkpoint_with_the_same_state(tmp_path: Path) -> None:
    run = start(tmp_path, 1000)
    run.validate()
    for _ in range(3):
        run._step()
    run.seconds = 12.5
    run.save()
    run.close()
    again = start(tmp_path, 1000)
    assert (again.step, again.seconds) == (3, 12.5)
    assert [r.bit_generator.state for r in again.rngs] == [r.bit_generator.state for r in run.rngs]
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)
        assert torch.equal(again.average.state_dict()[name], run.average.state_dict()[name])
    for one, other in zip(again.optimisers, run.optimisers, strict=True):
        assert str(one.state_dict()) == str(other.state_dict())
    # What follows is the same as without the pause.
    assert [again._step() for _ in range(3)] == pytest.approx([run._step() for _ in range(3)], rel=1e-4)


def test_runs_of_another_seed_differ(tmp_path: Path) -> None:
    losses = [start(tmp_path / str(seed), 1000, seed)._step() for seed in (1, 2)]
    assert losses[0] != losses[1]


def test_a_finished_run_has_nothing_left_to_do(finished: tuple[ErasureRun, float]) -> None:
    run, _ = finished
    again = start(run.folder, 0, steps=STEPS)
    assert again.progress == 1
    again.train(nothing)
    again.close()
    assert again.step == run.step


def test_a_new_run_can_begin_with_the_weights_of_another(finished: tuple[ErasureRun, float], tmp_path: Path) -> None:
    weights = finished[0].folder / FLOAT_MODEL
    again = ErasureRun(tmp_path, IMAGES, VALIDATION, CONFIG, ErasureRecipe(hours=1), weights)
    finished[0].average.quantise(False)
    assert again.step == 0
    bits = []
    for look in (None, *range(CONFIG.presets)):
        finished[0].average.use_preset(look)
        bits.append(image_bits(finished[0].average, VALIDATION[0], again.autocast))
    assert again.validate() == pytest.approx(min(bits) / VALIDATION[0].size)
    wider = Config(channels=16, blocks=1, mixtures=2, level_classes=2)
    for path, config in ((weights, wider), (finished[0].folder / LOG, CONFIG)):
        with pytest.raises(ModelError, match="does not hold"):
            ErasureRun(tmp_path / "other", IMAGES, VALIDATION, config, ErasureRecipe(hours=1), path)


def test_a_pause_is_not_training_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path, 3)
    steps = iter((1000.0, 1.0, 1.0, 1.0))
    clock = [0.0]

    def step() -> float:
        clock[0] += next(steps)
        return 0.0

    monkeypatch.setattr(run, "_step", step)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    run.train(nothing)
    assert run.seconds == 3


def test_checkpoints_appear_whole(finished: tuple[ErasureRun, float]) -> None:
    assert {p.name for p in finished[0].folder.iterdir()} == {CHECKPOINT, LOCK, LOG, MODEL, FLOAT_MODEL}


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    options = ["-m", "mulanzip", "train", tmp_path / "data", "--validation", tmp_path / "data", "-q", "-o", tmp_path]
    (tmp_path / "data").mkdir()
    Image.fromarray(photo(100, 80)).save(tmp_path / "data" / "photo.png")
    with FileLock(tmp_path / LOCK):
        done = run_python(*options, "--hours", "0.0001")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "another process" in done.stderr
    assert not (tmp_path / LOG).exists()


def test_the_prior_of_contexts_is_learned_from_images() -> None:
    model = tiny_model()
    done: list[int] = []
    prior = learn_prior(model, IMAGES, 3, 2, 0, done.append)
    assert done == [1, 2]
    prior.validate(model.prior.entries, model.config.presets)
    assert len(set(prior.row.tolist())) > 1
    assert np.array_equal(prior.row, learn_prior(model, IMAGES, 3, 2, 0).row)
    assert learn_prior(model, [smooth(9, 9)], 3, 2, 0) is model.prior


def test_the_command_trains_resumes_and_exports(tmp_path: Path) -> None:
    for folder in ("data", "validation"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photo(100, 80)).save(tmp_path / folder / "photo.png")
    options = ["-m", "mulanzip", "train", tmp_path / "data", "--validation", tmp_path / "validation", "-q"]
    options += ["-o", tmp_path / "run", "--channels", "8", "--blocks", "1", "--hours"]
    steps = []
    for hours in ("0.0003", "0.0006"):
        done = run_python(*options, hours)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "run" / MODEL).exists()
        last = (tmp_path / "run" / LOG).read_text().splitlines()[-1]
        steps.append(json.loads(last)["step"])
    assert 0 < steps[0] < steps[1]


# Parts.


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="no images"):
        load_images([tmp_path])
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"broken\.png"):
        load_images([tmp_path])


def test_images_are_loaded_in_order_and_with_green_first(tmp_path: Path) -> None:
    for name, colour in (("b.png", (1, 2, 3)), ("a.webp", (4, 5, 6))):
        Image.new("RGB", (3, 2), colour).save(tmp_path / name, lossless=True)
    (tmp_path / "notes.txt").write_text("no image")
    loaded = load_images([tmp_path])
    assert [image[0, 0].tolist() for image in loaded] == [[5, 4, 6], [2, 1, 3]]


def test_patches_have_the_sizes_of_their_levels() -> None:
    patches, rng = Patches(IMAGES, 512), np.random.default_rng(0)
    seen, looks = set(), set()
    for _ in range(60):
        level, look, batch = patches.draw(rng)
        seen.add(level)
        looks.add(look)
        cells = LEVELS[level][1]
        assert batch.dtype == np.uint8
        assert batch.shape == (min(max(1, 512 // cells**2), MOST_PATCHES), 3, 2 * cells, 2 * cells)
    assert len(seen) > 1
    assert 2 < len(looks) <= Config().looks == len(LOOKS)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_as_many_patches_are_gray_as_asked_for(share: float) -> None:
    patches, rng = Patches(IMAGES, 512, share), np.random.default_rng(0)
    for _ in range(40):
        _, look, batch = patches.draw(rng)
        is_gray = (batch == batch[:, :1]).all((1, 2, 3))
        assert is_gray.all() == bool(share)
        assert is_gray.all() or LOOKS[look] != "scanned"


def test_scans_are_gray_on_a_ground_without_noise() -> None:
    rng = np.random.default_rng(1)
    grounds = []
    for _ in range(20):
        patch = augment(photo(64, 60), LOOKS.index("scanned"), rng)
        assert patch.shape == (64, 60, 3)
        assert patch.dtype == np.uint8
        assert (patch == patch[..., :1]).all()
        grounds.append((patch == 0).mean())
    assert max(grounds) > 0.3
    assert min(grounds) < 0.3


def test_images_too_small_for_a_patch_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="smaller than"):
        Patches([smooth(5, 5)], 512)


@given(st.integers(0, 99), st.integers(0, 1), st.integers(1, 12))
def test_known_masks_always_have_the_coarser_level(seed: int, head: int, cells: int) -> None:
    known = draw_known(head, 5, cells, np.random.default_rng(seed))
    assert known.shape == (5, 4, cells, cells)
    assert known[:, A].all()


def test_known_masks_are_mostly_the_default_schedule_and_never_all_the_same() -> None:
    for head, phases in enumerate(PASSES):
        known = draw_known(head, 400, 6, np.random.default_rng(1))
        before = [p for phases in PASSES[:head] for p in phases]
        default = np.zeros(4, dtype=bool)
        default[[A, *before]] = True
        share = (known == default[:, None, None]).all((1, 2, 3)).mean()
        assert 0.7 < share < 0.95
        assert not known[:, list(phases)].all()


def test_cells_of_patches_are_those_of_the_lattice() -> None:
    from mulanzip.lattice.geometry import to_cells

    image = smooth(8, 10)
    cells = cells_of(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])
    np.testing.assert_array_equal(cells[0].permute(2, 3, 0, 1), to_cells(image))


def test_known_pixels_cost_nothing() -> None:
    cells = cells_of(torch.from_numpy(smooth(8, 8).transpose(2, 0, 1).copy())[None])
    model = Denoiser(CONFIG)
    known = torch.ones((1, 4, 4, 4), dtype=torch.bool)
    bits, count, _ = step_bits(model, cells, known, 0, 0, None)
    assert (float(bits.detach()), count) == (0, 0)
    known[0, PASSES[0][0], 1, 2] = False
    bits, count, _ = step_bits(model, cells, known, 0, 0, None)
    assert float(bits.detach()) > 0
    assert count == 3


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_weights_are_scaled_by_the_largest_power_of_two_that_fits(seed: int) -> None:
    weight = torch.randn((4, 6), generator=torch.Generator().manual_seed(seed)) * 2.0 ** (seed % 9 - 4)
    scale = power_of_two_scale(weight)
    assert torch.equal(torch.frexp(scale)[0], torch.full_like(scale, 0.5))
    peak = (weight.abs().amax(1, keepdim=True) * scale).flatten()
    assert (peak <= 64).all()
    assert (peak > 32).all()


def test_orthogonalised_steps_are_those_of_torch() -> None:
    rng = torch.Generator().manual_seed(3)
    own = [torch.nn.Parameter(torch.randn(shape, generator=rng)) for shape in ((8, 24), (8, 24), (5, 7), (24, 8))]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in own]
    before = [p.detach().clone() for p in theirs]
    optimisers = Muon(own, lr=0.01, weight_decay=0.1), torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1)
    for _ in range(4):
        for one, other in zip(own, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=rng)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other, start in zip(own, theirs, before, strict=True):
        assert (one - other).norm() < 0.02 * (other - start).norm()  # Theirs rounds to bfloat16.
