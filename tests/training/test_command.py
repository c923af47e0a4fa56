"""``mulanzip train`` trains, resumes and exports, and explains what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from PIL import Image
from support.pictures import photo
from support.processes import run_python

from mulanzip.cli.main import main
from mulanzip.density.config import Config
from mulanzip.density.model import load
from mulanzip.training import erasure
from mulanzip.training.data import GRAY_SHARE
from mulanzip.training.loop import CHECKPOINT, LOCK, LOG, MODEL
from mulanzip.training.recipe import Recipe

SIZES = ["--channels", "8", "--blocks", "1", "--mixtures", "2", "--hidden", "4"]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """The command line up to sizes and steps, for one training image."""
    for folder, side in (("data", 100), ("validation", 40)):
        (tmp_path / folder).mkdir()
        Image.fromarray(photo(side, 80)).save(tmp_path / folder / "photo.png")
    folders = ["--validation", str(tmp_path / "validation"), "-o", str(tmp_path / "run")]
    return ["train", str(tmp_path / "data"), *folders, "-q"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), standalone_mode=False)


@pytest.mark.slow
def test_the_command_trains_resumes_and_exports(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_ROUNDING_BATCHES", 1)
    monkeypatch.setattr(erasure, "_PRIOR_STEPS", 1)
    for steps in (1, 3):
        assert run(*arguments, *SIZES, "--steps", str(steps)).exception is None
        model = load(tmp_path / "run" / MODEL)
        assert model.config == Config(channels=8, blocks=1, mixtures=2, hidden=4)
        assert model.metadata["steps"] == str(steps)
    entries = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [1, 3]


@pytest.mark.slow
def test_an_interrupted_command_leaves_a_checkpoint_and_a_model(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = erasure.ErasureRun._step

    def interrupted(run: erasure.ErasureRun) -> float:
        if run.step == 2:
            raise KeyboardInterrupt
        return step(run)

    monkeypatch.setattr(erasure, "_ROUNDING_BATCHES", 1)
    monkeypatch.setattr(erasure.ErasureRun, "_step", interrupted)
    assert run(*arguments, *SIZES, "--steps", "9").exception is not None
    assert load(tmp_path / "run" / MODEL).metadata["steps"] == "2"
    assert (tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.slow
def test_one_process_at_a_time_trains_in_a_folder(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / LOCK):
        done = run_python("-m", "mulanzip", *arguments, *SIZES, "--steps", "1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "another process" in done.stderr
    assert not (tmp_path / "run" / LOG).exists()


@pytest.mark.parametrize(
    ("process", "option"), [("erasure", "--noise-steps"), ("gaussian", "--mixtures"), ("gaussian", "--gray")]
)
def test_options_of_the_other_process_are_refused(arguments: list[str], process: str, option: str) -> None:
    error = run(*arguments, "--process", process, option, "1").exception
    assert f"{option} goes with --process" in str(error)


def test_help_agrees_with_the_library() -> None:
    text = " ".join(run("train", "--help").output.split())
    for option, default in (
        ("--steps", Recipe.steps),
        ("--channels", Config.channels),
        ("--blocks", Config.blocks),
        ("--mixtures", Config.mixtures),
        ("--hidden", Config.hidden),
        ("--gray", GRAY_SHARE),
    ):
        after = text.split(f" {option} ", 1)[1]
        assert after.split("[default: ", 1)[1].startswith(str(default))
