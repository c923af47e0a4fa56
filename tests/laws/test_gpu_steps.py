"""What travels to a borrowed GPU and back comes together again: ``benchmarks/gpu.py``."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import gpu
from mulanzip.training.loop import CHECKPOINT


def test_pictures_are_packed_in_parts_that_hold_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_PACKED_PART", (1 << 16) + 30_000)
    (tmp_path / "set" / "inner").mkdir(parents=True)
    contents = {f"set/{'inner/' * (i % 2)}{i}.png": bytes([i]) * (9_000 + i) for i in range(7)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    done = CliRunner().invoke(gpu.main, ["pack", str(tmp_path / "set"), "-o", str(tmp_path / "packed")])
    assert done.exit_code == 0, done.output
    found = {}
    parts = sorted((tmp_path / "packed").iterdir())
    for part in parts:
        with tarfile.open(part) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                found[member.name] = file.read()
    assert found == contents
    assert len(parts) > 2
    assert all(part.stat().st_size <= (1 << 16) + 30_000 for part in parts)


def test_a_checkpoint_is_cut_and_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_CHECKPOINT_PART", 100)
    for size in (1, 99, 100, 101, 1050, 230):  # A smaller one leaves no parts of a larger one.
        data = bytes(i * 7 % 251 for i in range(size))
        (tmp_path / CHECKPOINT).write_bytes(data)
        gpu.cut(tmp_path)
        assert not (tmp_path / CHECKPOINT).exists()
        assert len(list(tmp_path.iterdir())) == -(-size // 100)
        gpu.join(tmp_path)
        assert (tmp_path / CHECKPOINT).read_bytes() == data


@pytest.mark.slow
def test_training_goes_on_from_step_to_step(tmp_path: Path) -> None:
    """On the processor, with a network that is next to nothing."""
    images = str(Path(__file__).parents[2] / "benchmarks" / "images")
    network = ["--channels", "8", "--blocks", "1", "--mixtures", "2", "--hidden", "8", "--steps", "4", "--batch", "512"]
    given = [
        "train",
        str(tmp_path),
        "--minutes",
        "5",
        "--device",
        "cpu",
        "--",
        images,
        "--validation",
        images,
        *network,
    ]
    done = CliRunner().invoke(gpu.main, given)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "model.safetensors").exists()
    assert (tmp_path / f"{CHECKPOINT}.part00").exists()
    log = (tmp_path / "log.jsonl").read_text()
    assert CliRunner().invoke(gpu.main, given).exit_code == 0  # All steps are done.
    assert (tmp_path / "log.jsonl").read_text() == log
