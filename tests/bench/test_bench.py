"""The benchmark: codecs, table, json, picture, and that it notices what is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mulanzip.bench import codecs, peak_memory
from mulanzip.bench.codecs import CODEC_FORMS, GroupedJpegXl, JpegXl, Mulanzip, Png, WebP
from mulanzip.bench.extras import MissingExtraError
from mulanzip.bench.outcome import Failure, Measurement
from mulanzip.bench.plot import COLOURS, plot
from mulanzip.bench.run import run
from mulanzip.bench.summary import shared, summarize
from mulanzip.bench.tables import parts_table, summary_table
from mulanzip.cli.bench import bench
from mulanzip.errors import MulanzipError, UnsupportedImageError


def picture(height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [(3 * x + 5 * y + k * x * y) % 256 for k in range(channels)]
    return np.stack(planes, axis=2).astype(np.uint8).squeeze()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with an RGB image and a gray one."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(picture()).save(folder / "colour.png")
    Image.fromarray(picture(channels=1)).save(folder / "gray.png")
    return folder


def command(*arguments: object) -> Result:
    return CliRunner().invoke(bench, [str(argument) for argument in arguments])


@dataclass(frozen=True)
class Lossy(Png):
    """Forgets the last bit."""

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data) & 0xFE


@dataclass(frozen=True)
class Broken(Png):
    """Fails at gray images."""

    def encode(self, image: np.ndarray) -> bytes:
        if image.ndim == 2:
            raise ValueError("no gray")
        return super().encode(image)


@dataclass(frozen=True)
class Useless(Png):
    """Fails at everything."""

    def encode(self, image: np.ndarray) -> bytes:
        raise ValueError("cannot start")


@dataclass(frozen=True)
class Dying(Png):
    """Takes its process down, as running out of memory does."""

    def encode(self, image: np.ndarray) -> bytes:
        if image.ndim == 2:
            os._exit(9)
        return super().encode(image)


def row(codec: str, file: str = "a.png", size: int = 1000, **changes: Any) -> Measurement:
    return replace(Measurement(file, codec, size, (100, 100, 3), 0.5, 0.25, 50.0, True), **changes)


def test_codecs_are_parsed() -> None:
    assert isinstance(codecs.parse_codec("png", 2, "auto"), Png)
    assert isinstance(codecs.parse_codec("webp", 2, "auto"), WebP)
    assert codecs.parse_codec("jxl-e10", 2, "auto") == JpegXl(10, 2)
    assert codecs.parse_codec("jxl-e9-g3", 2, "auto") == GroupedJpegXl(9, 2)
    assert codecs.parse_codec("mulanzip-my-model-e3", 2, "cpu") == Mulanzip("my-model", 3, 2, "cpu")
    for name in codecs.DEFAULT_CODECS:
        assert codecs.parse_codec(name, 1, "auto").name == name


@pytest.mark.parametrize("name", ["", "gif", "jxl", "jxl-e0", "jxl-e11", "mulanzip-photo", "mulanzip--e", "PNG"])
def test_unknown_codecs_are_refused(images: Path, name: str) -> None:
    result = command(images, "--codecs", f"png,{name}")
    assert result.exit_code == 2
    assert codecs.CODEC_FORMS in result.stderr


def test_help_agrees_with_the_library() -> None:
    text = "".join(command("--help").stdout.split())
    assert "".join(codecs.CODEC_FORMS.split()) in text
    assert ",".join(codecs.DEFAULT_CODECS) in text


def test_unknown_model_is_refused(images: Path) -> None:
    result = command(images, "--codecs", "png,mulanzip-nosuch-e1")
    assert result.exit_code == 1
    assert "nosuch" in result.stderr
    assert not result.stdout


def test_files_are_needed() -> None:
    assert command().exit_code == 2


@pytest.mark.slow
def test_table_and_json(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = command(images, "--codecs", "png, webp", "--per-file", "--json", out)
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text())
    assert set(content) == {"rows", "machine"}
    assert {"mulanzip", "torch", "pillow", "imagecodecs"} <= set(content["machine"]["versions"])
    keys = {"file", "codec", "bytes", "bpsp", "encode_s", "decode_s", "peak_mib", "restored"}
    assert all(set(line) == keys for line in content["rows"])
    files = [str(images / name) for name in ("colour.png", "gray.png")]
    assert [(r["codec"], r["file"]) for r in content["rows"]] == [(c, f) for c in ("png", "webp") for f in files]
    for line in content["rows"]:
        assert line["restored"] is True
        assert line["encode_s"] > 0
        assert line["decode_s"] > 0
        assert 5 < line["peak_mib"] < 2000
        samples = 24 * 32 * (1 if "gray" in line["file"] else 3)
        assert line["bpsp"] == pytest.approx(8 * line["bytes"] / samples)
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["codec", "files", "bytes"]
    png = [r for r in content["rows"] if r["codec"] == "png"]
    mean = sum(r["bpsp"] for r in png) / 2
    assert lines[1].split()[:5] == ["png", "2", str(sum(r["bytes"] for r in png)), f"{mean:.4f}", "1.000"]
    assert lines[1].endswith("2/2")
    assert lines[4].split() == ["bpsp", "png", "webp"]
    assert lines[5].split()[:2] == [files[0], f"{png[0]['bpsp']:.4f}"]


@pytest.mark.parametrize("name", ["jls", "jp2", "jxl-e1", "jxl-e1-g3"])
def test_other_codecs_restore(name: str) -> None:
    codec = codecs.parse_codec(name, 1, "auto")
    assert codec.name == name
    try:
        codec.require()
    except MissingExtraError as error:
        pytest.skip(str(error))
    for channels in (1, 3):
        image = picture(channels=channels)
        assert codec.restores(image, codec.decode(codec.encode(image)))


def test_a_missing_or_failing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    codec = codecs.parse_codec("jxl-e9-g3", 1, "auto")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="needs the program cjxl"):
        codec.require()
    program = tmp_path / "cjxl"
    program.write_text("#!/bin/sh\necho no such effort >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(MulanzipError, match="cjxl failed: no such effort"):
        codec.encode(picture())


def test_speeds_beside_the_yardstick() -> None:
    table = summary_table([row("jxl-e7"), row("mulanzip-photo-e1", encode_s=0.25, decode_s=1.0)]).splitlines()
    assert table[0].count("/ jxl-e7") == 3
    assert table[2].split()[-4:-2] == ["2", "0.25"]
    assert "jxl" not in summary_table([row("png"), row("webp")])


def test_gray_in_webp_is_not_taken_on_trust() -> None:
    codec, image = WebP(), picture(channels=1)
    decoded = codec.decode(codec.encode(image))
    assert codec.restores(image, decoded)
    changed = decoded.copy()
    changed[3, 4, 1] ^= 1
    assert not codec.restores(image, changed)


def test_deep_images_are_not_for_webp() -> None:
    with pytest.raises(UnsupportedImageError, match="8 bits per sample"):
        WebP().encode(picture(channels=1).astype(np.uint16))


@pytest.mark.slow
def test_loss_is_loud(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "parse_codec", lambda *_: Lossy())
    result = command(images, "--codecs", "lossy")
    assert result.exit_code == 1
    assert "DOES NOT RESTORE" in result.stderr
    assert str(images / "colour.png") in result.stderr
    assert "0/2 NOT LOSSLESS" in result.stdout


def test_one_failing_image_does_not_stop_a_codec(images: Path) -> None:
    outcomes = list(run(Broken(), sorted(images.iterdir(), reverse=True)))
    assert outcomes[0] == Failure("png", str(images / "gray.png"), "ValueError: no gray")
    assert isinstance(outcomes[1], Measurement)


def test_useless_codec_ends_at_once(images: Path) -> None:
    assert list(run(Useless(), list(images.iterdir()))) == [Failure("png", None, "ValueError: cannot start")]


@pytest.mark.slow
def test_dying_codec_is_reported(images: Path) -> None:
    outcomes = list(run(Dying(), sorted(images.iterdir())))
    assert isinstance(outcomes[0], Measurement)
    assert isinstance(outcomes[1], Failure)
    assert "exit code 9" in outcomes[1].reason


def test_other_files(images: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(channels=4)).save(images / "alpha.png")
    (images / "bad.png").write_bytes((images / "colour.png").read_bytes()[:100])
    missing = tmp_path / "missing.png"
    result = command(images, missing, "--codecs", "png")
    assert result.exit_code == 1
    assert f"skipped {images / 'alpha.png'}" in result.stderr
    assert f"Error: {images / 'bad.png'}" in result.stderr
    assert f"Error: {missing}" in result.stderr
    assert result.stdout.splitlines()[1].endswith("2/2")


def test_skipping_is_no_error(images: Path) -> None:
    Image.fromarray(picture(channels=4)).save(images / "alpha.png")
    assert command(images, "--codecs", "png").exit_code == 0


def test_nothing_to_measure(tmp_path: Path) -> None:
    result = command(tmp_path, "--codecs", "png")
    assert result.exit_code == 1
    assert "no image" in result.stderr


def test_summary() -> None:
    rows = [
        row("webp", "a.png", 500),
        row("webp", "b.png", 700, shape=(10, 100), restored=False, peak_mib=70.0),
        row("png", "a.png", 1000),
    ]
    webp, png = summarize(rows)
    assert (webp.codec, webp.files, webp.size, webp.restored, webp.peak_mib) == ("webp", 2, 1200, 1, 70.0)
    assert webp.bpsp == pytest.approx((8 * 500 / 30000 + 8 * 700 / 1000) / 2)
    assert webp.ratio == pytest.approx(0.5)  # Only a.png was done by both.
    assert webp.encode_speed == pytest.approx(0.011 / 1.0)
    assert webp.decode_speed == pytest.approx(0.011 / 0.5)
    assert png.ratio == 1


def test_only_images_that_every_codec_restored_are_compared() -> None:
    rows = [row("a", file="1"), row("a", file="2"), row("a", file="3"), row("b", file="1"), row("b", file="2")]
    assert [(r.codec, r.file) for r in shared(rows)] == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    rows[-1] = replace(rows[-1], restored=False)
    assert [(r.codec, r.file) for r in shared(rows)] == [("a", "1"), ("b", "1")]


def test_parts() -> None:
    assert parts_table([row("png")]) == ""
    parts = {"network_s": 0.3, "coder_s": 0.15}
    double = {name: 2 * seconds for name, seconds in parts.items()}
    line = row("mulanzip-photo-e1", encode_parts=parts, decode_parts=double)
    assert line.as_json()["decode_parts"] == double
    table = parts_table([row("png"), line]).splitlines()
    assert table[1].split() == ["mulanzip-photo-e1", "encode", "0.300", "0.150", "0.050", "0.500"]
    assert table[2].split() == ["mulanzip-photo-e1", "decode", "0.600", "0.300", "0.000", "0.250"]


def test_peak_is_of_the_image_and_not_of_the_process() -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the peak cannot be reset here")
    block = np.ones(64 << 20, dtype=np.uint8)
    with_block = peak_memory.peak_mib()
    del block
    peak_memory.reset_peak()
    assert peak_memory.peak_mib() < with_block - 32


def test_a_picture_shows_all_codecs() -> None:
    assert set(re.findall(r"(?:^|, )([a-z0-9]+)", CODEC_FORMS)) == set(COLOURS)


@pytest.mark.slow
def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "plot.png"
    names = ["png", "webp", "jxl-e7", "jxl-e9", "mulanzip-photo-e1"]
    plot([row(name, size=1000 - 50 * i, encode_s=10.0**-i) for i, name in enumerate(names)], out)
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert np.asarray(image).std() > 10


@pytest.mark.parametrize(
    ("library", "options"),
    [("tabulate", ["--codecs", "png"]), ("matplotlib", ["--codecs", "png", "--plot", "plot.png"])],
)
def test_missing_libraries_are_named(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    result = command(images, *options)
    assert result.exit_code == 1
    assert f"needs {library}: pip install mulanzip[bench]" in result.stderr
    assert not result.stdout


def test_outputs_are_checked_first(images: Path, tmp_path: Path) -> None:
    result = command(images, "--codecs", "png", "--json", tmp_path / "nowhere" / "out.json")
    assert result.exit_code == 2
    assert "no folder" in result.stderr


def test_command_line_starts_light() -> None:
    code = (
        "import sys, mulanzip.cli.bench; "
        "print({'torch', 'numpy', 'matplotlib', 'imagecodecs', 'PIL', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
