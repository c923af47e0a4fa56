"""Models of Gaussian noise: training, files, names, the Python API and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file
from support.pictures import photo, smooth
from support.processes import load_script, run_python

import mulanzip
from mulanzip import gaussian, registry
from mulanzip.cli.main import main
from mulanzip.errors import ModelError, UnsupportedImageError
from mulanzip.gaussian.api import as_tensor, grid
from mulanzip.gaussian.denoiser import Moments
from mulanzip.gaussian.forward import GAMMA_MIN, alpha, diffused, sigma, to_unit, to_values
from mulanzip.gaussian.model import PROCESSES, GaussianConfig, GaussianModel, _digest, load, save
from mulanzip.training.gaussian import GaussianRecipe, GaussianRun
from mulanzip.training.loop import CHECKPOINT, LOCK, LOG, MODEL, Run
from mulanzip.training.tiles import FACTORS, Tiles

TINY = {"channels": 8, "side": 8}
PHOTOS = [photo(160, 150), photo(90, 100)]
ROOT = Path(__file__).parents[2]


def tiny(process: str = "mulan", seed: int = 0, **changes: object) -> GaussianModel:
    torch.manual_seed(seed)
    return GaussianModel(replace(PROCESSES[process], **{**TINY, **changes}))


def tiles(count: int, side: int = 8) -> np.ndarray:
    """RGB uint8 ``(count, side, side, 3)`` of a photograph."""
    image = photo(side * count, side)
    return image.reshape(count, side, side, 3)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(tiny(), path, {"steps": "0"})
    return path


# The bound of a network.


@pytest.mark.parametrize("steps", [None, 4])
@pytest.mark.parametrize("process", PROCESSES)
def test_every_weight_has_a_gradient_from_the_bound(process: str, steps: int | None) -> None:
    model = tiny(process)
    for parameter in model.parameters():  # A layer that starts at zero passes no gradient on.
        parameter.data += 0.05 * torch.randn(parameter.shape)
    bound = model.bound(as_tensor(tiles(16)), steps, torch.Generator().manual_seed(0))
    assert torch.isfinite(bound.total).all()
    bound.total.mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
    assert bool((bound.context > 0).any()) == bool(model.config.bits)
    assert (bound.context < 41.04).all()


def test_the_gradient_is_that_of_the_bound_where_activations_are_clamped_too() -> None:
    model = tiny("multivariate")
    for parameter in model.parameters():  # Enough to clamp many activations.
        parameter.data += 0.2 * torch.randn(parameter.shape)
    images, weights = as_tensor(tiles(16)), list(model.denoiser.parameters())

    def cost() -> torch.Tensor:
        return model.bound(images, 4, torch.Generator().manual_seed(0)).total.double().mean()

    gradients = torch.autograd.grad(cost(), weights)
    norm = float(torch.nn.utils.get_total_norm(gradients))
    found = []
    for length in (1e-4, -2e-4):
        torch._foreach_add_([w.data for w in weights], list(gradients), alpha=length / norm)
        found.append(cost().item())
    assert (found[0] - found[1]) / 2e-4 == pytest.approx(norm, rel=0.01)


@pytest.mark.slow
def test_many_steps_are_as_good_as_infinitely_many() -> None:
    model, images = tiny(), as_tensor(tiles(128))
    continuous, many, few = (model.evaluate(images, steps, draws=8).bits_per_dim for steps in (None, 1000, 4))
    assert many == pytest.approx(continuous, rel=0.03)
    assert few > many


def test_noise_and_velocity_are_equivalent_to_the_mean() -> None:
    u, noise, gamma = torch.rand(2, 3, 4, 4) * 2 - 1, torch.randn(2, 3, 4, 4), torch.tensor(0.7)
    z = diffused(u, gamma, noise)
    perfect = Moments(u, torch.zeros_like(u))
    torch.testing.assert_close(perfect.noise(z, gamma), noise, rtol=1e-4, atol=1e-5)
    velocity = perfect.velocity(z, gamma)
    torch.testing.assert_close(velocity, alpha(gamma) * noise - sigma(gamma) * u, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alpha(gamma) * z - sigma(gamma) * velocity, u, rtol=1e-4, atol=1e-5)


def test_an_untrained_network_is_right_where_there_is_little_noise() -> None:
    values = as_tensor(tiles(4))
    gamma = torch.tensor(GAMMA_MIN)
    z = diffused(to_unit(values), gamma, torch.randn(values.shape, generator=torch.Generator().manual_seed(0)))
    found = tiny("linear").denoiser(z, gamma)
    assert (to_values(found.mean) == values).float().mean() > 0.99
    assert (found.variance >= 0).all()


@pytest.mark.slow
def test_random_pixels_cost_about_eight_bits() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
    assert 8 <= gaussian.bound(tiny("linear"), pixels, draws=8).bits_per_dim < 8.6
    assert 7.9 < gaussian.likelihood(tiny("linear"), pixels[:16], tolerance=1e-3).bits_per_dim < 8.6


# Files and names.


def test_models_come_back_from_their_files(model_file: Path) -> None:
    loaded, made = load(model_file), tiny()
    assert loaded.config == made.config
    images = tiles(2)
    assert torch.equal(gaussian.bound(loaded, images).total, gaussian.bound(made, images).total)


def test_damaged_and_strange_files_are_refused(model_file: Path, tmp_path: Path) -> None:
    info = registry.describe(model_file)
    tensors = load_file(model_file)
    broken = tmp_path / "broken.safetensors"

    def write(changes: dict[str, str]) -> None:
        metadata = {**info.metadata, **changes}
        save_file(tensors, broken, {**metadata, "sha256": _digest(metadata["config"], tensors)})

    write({"config": json.dumps({**info.config, "channels": 10**9})})
    with pytest.raises(ModelError, match="out of range: channels"):
        load(broken)
    write({"config": json.dumps({**info.config, "colour": 3})})
    with pytest.raises(ModelError, match="broken"):
        load(broken)
    write({"config": json.dumps({**info.config, "channels": 12})})
    with pytest.raises(ModelError, match="incomplete"):
        load(broken)
    write({"format": "mulanzip-gaussian-9"})
    with pytest.raises(ModelError, match="format"):
        load(broken)
    name = next(iter(tensors))
    tensors[name] = tensors[name] + 1
    save_file(tensors, broken, info.metadata)
    with pytest.raises(ModelError, match="damaged"):
        load(broken)
    broken.write_bytes(model_file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot read"):
        load(broken)


@pytest.mark.parametrize(
    "changes",
    [{"noise": "pink"}, {"bits": 0}, {"active": 50}, {"steps": 0}, {"side": 6}, {"blocks": 0}, {"channels": 8.0}],
)
def test_configurations_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="out of range"):
        GaussianConfig(**changes)  # type: ignore[arg-type]


def test_a_model_that_cannot_code_is_refused_where_one_must(model_file: Path) -> None:
    assert registry.describe(model_file).kind == "gaussian"
    assert registry.find("photo").kind == "erasure"
    with pytest.raises(ModelError, match="use one that compresses images \\(here: gray, gray-max, photo"):
        mulanzip.code_length(smooth(8, 8), model=str(model_file))
    with pytest.raises(ModelError, match="cannot compress: it was trained for infinitely many steps"):
        mulanzip.encode(smooth(8, 8), model=str(model_file))
    with pytest.raises(ModelError, match="erasure noise; use one that has Gaussian noise"):
        gaussian.open_model("photo")


# From Python.


def test_other_arrays_are_refused(model_file: Path) -> None:
    model = load(model_file)
    for images in (tiles(2).astype(float), tiles(2)[0], tiles(2)[..., :1], tiles(2)[:0], tiles(2)[:, :6]):
        with pytest.raises(UnsupportedImageError):
            gaussian.bound(model, images)
    with pytest.raises(UnsupportedImageError, match="no contexts"):
        gaussian.features(tiny("linear"), tiles(2))


def test_samples_are_those_of_their_seed(model_file: Path) -> None:
    model = load(model_file)
    one, again, other = (gaussian.sample(model, 3, steps=4, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (3, 8, 8, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_samples_of_an_untrained_network_have_the_range_of_pixels() -> None:
    # The network knows only the mean of a neighbourhood and the variance of every subpixel.
    drawn = gaussian.sample(tiny("linear"), 64, steps=64).astype(float)
    assert drawn.mean() == pytest.approx(127.5, abs=3)
    assert drawn.std() == pytest.approx(72, abs=16)


def test_features_describe_each_image(model_file: Path) -> None:
    found = gaussian.features(load(model_file), tiles(5))
    assert found.shape == (5, 50)
    assert (found >= 0).all()
    assert (found <= 1).all()
    np.testing.assert_allclose(found.sum(1), 15, rtol=1e-5)
    assert (found[0] != found[1]).any()


def test_grids_hold_all_images_in_rows() -> None:
    images = tiles(7)
    whole = grid(images)
    assert whole.shape == (24, 24, 3)
    np.testing.assert_array_equal(whole[8:16, 8:16], images[4])
    assert not whole[16:, 8:].any()


# Training.


def test_tiles_are_pieces_of_pictures_made_smaller() -> None:
    drawn = Tiles([photo(90, 100), np.full((300, 300, 3), 7, np.uint8)], 32).draw(40, np.random.default_rng(0))
    assert drawn.shape == (40, 3, 32, 32)
    assert drawn.dtype == torch.uint8
    assert (drawn.flatten(1).float().std(1) == 0).float().mean() > 0.3
    whole = photo(32, 32)
    same = Tiles([whole], 32).draw(4, np.random.default_rng(0)).permute(0, 2, 3, 1).numpy()
    assert all(np.array_equal(t, whole) or np.array_equal(t, whole[:, ::-1]) for t in same)
    with pytest.raises(UnsupportedImageError, match="smaller than 32x32"):
        Tiles([photo(31, 100)], 32)
    assert min(FACTORS) > 1


def start(folder: Path, steps: int, **changes: object) -> GaussianRun:
    config = replace(PROCESSES["mulan"], **{**TINY, **changes})
    return GaussianRun(folder, PHOTOS, PHOTOS[:1], config, GaussianRecipe(steps=steps, batch=16))


def nothing(run: Run, bpsp: float) -> None:
    """Report nothing."""


@pytest.mark.slow
def test_a_run_improves_and_leaves_a_model(tmp_path: Path) -> None:
    run = start(tmp_path, 150)
    before = run.validate()
    run.train(nothing)
    run.export()
    run.close()
    assert run.validate() < before - 0.3
    assert {p.name for p in tmp_path.iterdir()} == {CHECKPOINT, LOCK, LOG, MODEL}
    entry = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert entry["step"] == 150
    model = gaussian.open_model(str(tmp_path / MODEL))
    assert gaussian.bound(model, tiles(16)).bits_per_dim < 8


@pytest.mark.slow
def test_a_run_resumes_from_its_checkpoint_with_the_same_state(tmp_path: Path) -> None:
    run = start(tmp_path, 100)
    for _ in range(3):
        run._step()
    run.save()
    run.close()
    again = start(tmp_path, 100)
    assert again.step == 3
    assert [again._step() for _ in range(3)] == pytest.approx([run._step() for _ in range(3)], rel=1e-4)
    again.close()


@pytest.mark.slow
def test_contexts_cost_nothing_at_first_and_all_of_it_later(tmp_path: Path) -> None:
    run = start(tmp_path, 100)
    cost = run.average.evaluate(run.tiles.draw(16, np.random.default_rng(3)), 4).context.mean()
    assert cost > 5  # Contexts differ from the start of training.
    loss, bits = run.loss(run.draw(np.random.default_rng(0)))
    assert float(bits) - loss.item() == pytest.approx(float(cost) / (3 * run.tiles.side**2), rel=0.5)
    run.step = 60
    loss, bits = run.loss(run.draw(np.random.default_rng(0)))
    assert loss.item() == pytest.approx(float(bits), rel=1e-6)
    run.close()


def test_a_run_can_start_from_the_model_of_another(tmp_path: Path) -> None:
    config, path = replace(PROCESSES["mulan"], **TINY), tmp_path / "first.safetensors"
    first = GaussianModel(config)
    save(first, path)
    recipe = GaussianRecipe(steps=10, batch=16)
    run = GaussianRun(tmp_path / "run", PHOTOS, PHOTOS[:1], config, recipe, path)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), run.model.parameters(), strict=True))
    run.close()
    with pytest.raises(ModelError, match="another shape"):
        GaussianRun(tmp_path / "other", PHOTOS, PHOTOS[:1], replace(config, steps=9), recipe, path)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run = start(tmp_path, 100)
    run.save()
    run.close()
    with pytest.raises(ModelError, match="another network"):
        start(tmp_path, 100, channels=12)


# The command line.


@pytest.mark.slow
def test_the_commands_train_draw_and_list(tmp_path: Path, model_file: Path) -> None:
    (tmp_path / "data").mkdir()
    Image.fromarray(photo(100, 80)).save(tmp_path / "data" / "photo.png")
    options = [tmp_path / "data", "--validation", tmp_path / "data", "-q", "-o", tmp_path / "run", "--channels", "8"]
    done = run_python("-m", "mulanzip", "train", *options, "--process", "gaussian", "--steps", "2")
    assert done.returncode == 0, done.stderr
    drawn = tmp_path / "grid.png"
    runner = CliRunner()
    arguments = ["sample", "-m", str(tmp_path / "run" / MODEL), "-n", "2", "--steps", "2", "-o", str(drawn)]
    result = runner.invoke(main, arguments, standalone_mode=False)
    assert result.exception is None
    assert "2 images of 32x32" in result.output
    with Image.open(drawn) as picture:
        assert picture.size == (64, 32)
    listed = runner.invoke(main, ["models"]).output
    assert "noise erasure" in listed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["-o", "there.png"], "exists already", 1),
        (["-o", "missing/grid.png"], "no such folder", 1),
        (["-o", "grid.jpg"], "without loss", 1),
        (["-o", "grid.png", "-m", "photo"], "erasure noise", 5),
        (["-o", "grid.png", "-m", "nothing"], "there is no model 'nothing'", 5),
        (["-o", "grid.png", "-n", "0"], "0 is not in the range", 2),
    ],
)
def test_sampling_errors_are_one_line(
    tmp_path: Path, model_file: Path, arguments: list[str], message: str, code: int
) -> None:
    Path(tmp_path / "there.png").write_bytes(b"")
    given = arguments if "-m" in arguments else [*arguments, "-m", str(model_file)]
    done = run_python("-m", "mulanzip", "sample", *given, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["there.png"]


# Benchmarks.


def test_the_costs_of_lattice_orders_are_those_in_the_docs() -> None:
    fields = load_script(ROOT / "benchmarks" / "gaussian_fields.py")
    gaps = {steps: float(fields.gap(gains)) for steps, gains in fields.erasure().items()}
    assert gaps == pytest.approx({1: 1.610, 2: 0.657, 3: 0.265, 7: 0.009}, abs=0.001)
    shared, own = (float(fields.gap(fields.learned(4, columns, 60, 0))) for columns in (1, 64))
    assert own < shared < gaps[1]


@pytest.mark.slow
def test_the_comparison_of_processes_resumes_run_by_run(tmp_path: Path) -> None:
    processes = load_script(ROOT / "benchmarks" / "noise_processes.py")
    (tmp_path / "data").mkdir()
    Image.fromarray(photo(100, 80)).save(tmp_path / "data" / "photo.png")
    (tmp_path / processes.ERASURE).write_text('{"photo": {"bits_per_dim": 3.5, "tiles": 8}}')
    arguments = [str(tmp_path / "data"), "--validation", str(tmp_path / "data"), "-o", str(tmp_path), "--budget", "2"]
    arguments += ["--steps", "inf,4", "--tiles", "8", "--ode-tiles", "0", "--seeds", "2", "--processes"]
    runner = CliRunner()
    first = runner.invoke(processes.main, [*arguments, "linear"], catch_exceptions=False)
    assert first.exit_code == 0
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    assert len(list(tmp_path.glob(f"linear-*/{processes.RESULT}"))) == 4
    again = runner.invoke(processes.main, [*arguments, "linear"], catch_exceptions=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")} == times
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2].startswith("| linear | ")
    assert lines[2].count("±") == 3
    assert "3.500" in lines[-1]
    assert again.output.strip().endswith(lines[-1])
    with Image.open(tmp_path / "processes.png") as picture:
        assert picture.width > 400


@pytest.mark.slow
def test_a_linear_probe_measures_the_information_in_features() -> None:
    probe = load_script(ROOT / "benchmarks" / "context_probe.py")
    images, labels = probe.digits(8)
    assert images.shape == (1797, 8, 8, 3)
    assert probe.accuracy(np.eye(10)[labels[:200]], labels[:200]) == 1
    assert probe.accuracy(np.zeros((200, 1)), labels[:200]) < 0.3
