"""Runs are measured in steps, go on where they stopped, and look at the clock only to save."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mulanzip.errors import ModelError, MulanzipError
from mulanzip.training import loop
from mulanzip.training.loop import CHECKPOINT, LOCK, LOG, MODEL, Run
from mulanzip.training.recipe import Recipe


@dataclass(frozen=True)
class Size:
    outputs: int = 4


class Linear(nn.Module):
    """A matrix and a bias."""

    def __init__(self, config: Size):
        super().__init__()
        self.config = config
        self.matrix = nn.Parameter(torch.randn(config.outputs, 3))
        self.bias = nn.Parameter(torch.zeros(config.outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T + self.bias


class LinearRun(Run):
    """Linear regression: the outputs are to be all ones."""

    model: Linear
    average: Linear

    def __init__(self, folder: Path, recipe: Recipe, config: Size | None = None):
        torch.manual_seed(recipe.seed)
        model = Linear(config or Size())
        super().__init__(folder, model, [model.matrix], recipe)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=(16, 3))

    def loss(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        loss = (self.model(torch.from_numpy(batch).float()) - 1).square().mean()
        return loss, loss.detach()

    def validate(self) -> float:
        return float((self.average.bias - 1).square().mean() + self.average.matrix.square().mean())

    def export(self) -> None:
        (self.folder / MODEL).write_bytes(b"a model")


def start(folder: Path, steps: int, seed: int = 0, **changes: int) -> LinearRun:
    return LinearRun(folder, Recipe(steps=steps, seed=seed, ema=0.9), Size(**changes))


def weights(run: Run) -> Tensor:
    return torch.cat([p.detach().flatten() for p in (*run.model.parameters(), *run.average.parameters())])


def nothing(run: Run, bpsp: float) -> None:
    """No report."""


def entries(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


@pytest.mark.slow
def test_a_run_makes_its_steps_and_improves(tmp_path: Path) -> None:
    run = start(tmp_path, 300)
    before = run.validate()
    seen: list[int] = []
    run.train(lambda run, bpsp: seen.append(run.step))
    assert seen == list(range(1, 301))
    assert run.step == 300
    assert run.progress == 1
    assert run.validate() < 0.7 * before


@pytest.mark.slow
def test_learning_rates_rise_and_then_fall_to_almost_nothing(tmp_path: Path) -> None:
    run = start(tmp_path, 400)
    rates: list[float] = []
    run.train(lambda run, bpsp: rates.append(run.optimisers[0].param_groups[0]["lr"]))
    peak = int(np.argmax(rates))
    assert 90 < peak < 110
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.8 < rates[peak] / run.recipe.matrix_rate <= 1
    assert rates[-1] == pytest.approx(0.002 * run.recipe.matrix_rate)


def test_the_log_has_an_entry_at_every_validation_and_at_the_end(tmp_path: Path) -> None:
    run = start(tmp_path, 25)
    run.train(nothing, validation_steps=10)
    found = entries(tmp_path)
    assert [entry["step"] for entry in found] == [10, 20, 25]
    assert all(np.isfinite(list(entry.values())).all() for entry in found)
    seconds = [entry["seconds"] for entry in found]
    assert seconds == sorted(seconds)
    assert found[-1]["validation"] == run.validate()


@pytest.mark.parametrize(
    ("pace", "expected"), [(0, [10, 20, 25]), (0.01, [10, 20, 25]), (100, list(range(1, 26))), (13, None)]
)
def test_the_clock_decides_when_to_save_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: float, expected: list[int] | None
) -> None:
    plain = start(tmp_path / "plain", 25)
    plain.train(nothing, validation_steps=10)
    clock = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: pace * next(clock))
    run = start(tmp_path / "paced", 25)
    saved: list[int] = []
    monkeypatch.setattr(run, "save", lambda: saved.append(run.step))
    run.train(nothing, validation_steps=10)
    assert torch.equal(weights(run), weights(plain))
    assert [entry["step"] for entry in entries(run.folder)] == [10, 20, 25]
    assert run.seconds == pytest.approx(25 * pace)
    if expected is not None:
        assert saved == expected
    else:  # A save takes three looks at the clock per step: at most a minute lies between two.
        assert set(saved) > {10, 20, 25}
        assert max(np.diff([0, *saved])) * 3 * pace <= 60 + 3 * pace


def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", 20)
    whole.train(nothing)

    class Stop(Exception):
        pass

    def stop(run: Run, bpsp: float) -> None:
        if run.step == 8:
            raise Stop

    run = start(tmp_path / "parts", 20)
    with pytest.raises(Stop):
        run.train(stop)
    run.save()
    run.close()
    again = start(tmp_path / "parts", 20)
    assert (again.step, again.seconds) == (8, run.seconds)
    assert torch.equal(weights(again), weights(run))
    again.train(nothing)
    assert torch.equal(weights(again), weights(whole))


def test_a_finished_run_has_nothing_left_to_do_unless_it_gets_more_steps(tmp_path: Path) -> None:
    run = start(tmp_path, 5)
    run.train(nothing)
    run.close()
    again = start(tmp_path, 5)
    assert again.progress == 1
    again.train(nothing)
    again.close()
    assert torch.equal(weights(again), weights(run))
    assert len(entries(tmp_path)) == 1
    longer = start(tmp_path, 10)
    assert longer.progress == 0.5
    longer.train(nothing)
    assert longer.step == 10


def test_checkpoints_of_runs_that_were_measured_in_hours_load(tmp_path: Path) -> None:
    run = start(tmp_path, 5)
    run.train(nothing)
    run.close()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["recipe"] = {"hours": 2.0, "rate": 1.0, "steps": None}
    torch.save(state, tmp_path / CHECKPOINT)
    again = start(tmp_path, 10)
    assert (again.step, again.seconds) == (5, run.seconds)


def test_checkpoints_appear_whole(tmp_path: Path) -> None:
    run = start(tmp_path, 3)
    run.train(nothing)
    run.export()
    assert {p.name for p in tmp_path.iterdir()} == {CHECKPOINT, LOCK, LOG, MODEL}


def test_runs_of_another_seed_differ(tmp_path: Path) -> None:
    losses = [start(tmp_path / str(seed), 9, seed)._step() for seed in (1, 2)]
    assert losses[0] != losses[1]


def test_a_folder_of_another_network_is_refused(tmp_path: Path) -> None:
    run = start(tmp_path, 1)
    run.save()
    run.close()
    with pytest.raises(ModelError, match="another network"):
        start(tmp_path, 1, outputs=5)


def test_one_run_at_a_time_has_a_folder(tmp_path: Path) -> None:
    run = start(tmp_path, 1)
    with pytest.raises(MulanzipError, match="another process"):
        start(tmp_path, 1)
    run.close()
    start(tmp_path, 1)


def test_training_leaves_the_threads_of_torch_as_they_were(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        start(tmp_path, 1).train(nothing)
        with ThreadPoolExecutor(1) as pool:
            assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
