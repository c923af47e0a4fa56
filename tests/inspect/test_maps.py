"""Maps of bits and schedules: they add up, and fit the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import noise, photo

import mulanzip
from mulanzip.cli.main import main
from mulanzip.errors import UnsupportedImageError
from mulanzip.inspect import maps
from mulanzip.lattice import geometry
from mulanzip.lattice.schedules import SCHEDULE_NAMES


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(1, 45), st.integers(1, 45), st.sampled_from((1, 3)), st.sampled_from(SCHEDULE_NAMES))
def test_the_bits_of_all_pixels_are_the_code_length(height: int, width: int, channels: int, schedule: str) -> None:
    image = photo(height, width, channels)
    data = mulanzip.encode(image, effort=1, schedule=schedule, stored=False, threads=1)
    bits = mulanzip.bits_map(data, threads=1)
    assert bits.shape == image.shape[:2]
    assert (bits > 0).all()
    assert bits.sum() == pytest.approx(mulanzip.code_length(image, schedule=schedule, threads=1), rel=1e-6)


def test_bits_are_where_the_noise_is() -> None:
    image = np.concatenate((np.full((40, 30, 3), 90, dtype=np.uint8), noise(40, 30)), 1)
    bits = mulanzip.bits_map(mulanzip.encode(image, effort=1, stored=False, threads=1), threads=1)
    assert bits[:, 32:].mean() > 20 > 5 > bits[:, :28].mean()
    picture, white = maps.bits_picture(bits)
    assert picture.shape == image.shape
    assert picture[:, 32:].mean() > picture[:, :28].mean()
    assert white >= 20


@pytest.mark.slow
def test_schedules_are_those_of_the_finest_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "TILE_CELLS", 16)
    image = np.concatenate((photo(64, 32), noise(64, 32)), 1)
    uniform = mulanzip.encode(image, effort=1, schedule="one", stored=False, threads=1)
    assert (mulanzip.schedule_map(uniform) == SCHEDULE_NAMES.index("one")).all()
    mixed = mulanzip.encode(image, effort=1, schedule="adaptive", mu=0.1, stored=False, threads=1)
    found = mulanzip.schedule_map(mixed)
    assert found.shape == (64, 64)
    for tile in (found[:32, :32], found[32:, 32:]):
        assert (tile == tile[0, 0]).all()
    assert set(np.unique(found)) == {SCHEDULE_NAMES.index(name) for name in ("default", "one")}
    picture = maps.schedule_picture(found, mulanzip.bits_map(mixed, threads=1))
    assert picture.shape == (64, 64, 3)


def test_stored_images_have_no_maps() -> None:
    data = mulanzip.encode(np.zeros((9, 9, 4), dtype=np.uint8))
    for function in (mulanzip.bits_map, mulanzip.schedule_map):
        with pytest.raises(UnsupportedImageError, match="the image is stored"):
            function(data)


@pytest.mark.parametrize("kind", ["bits", "noise"])
def test_inspect_draws_a_picture_and_says_what_it_shows(kind: str, tmp_path: Path) -> None:
    source, output = tmp_path / "a.mzp", tmp_path / "map.png"
    source.write_bytes(mulanzip.encode(photo(40, 50), effort=1, stored=False, threads=1))
    result = CliRunner().invoke(main, ["inspect", str(source), "--map", kind, "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert ("white" if kind == "bits" else "default blue") in result.output
    with Image.open(output) as picture:
        assert picture.size == (50, 40)
    again = CliRunner().invoke(main, ["inspect", str(source), "--map", kind, "-o", str(output)])
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_inspect_refuses_damaged_files_and_writes_nothing(tmp_path: Path) -> None:
    source, output = tmp_path / "a.mzp", tmp_path / "map.png"
    source.write_bytes(mulanzip.encode(photo(40, 50), effort=1, stored=False, threads=1)[:-9])
    result = CliRunner().invoke(main, ["inspect", str(source), "--map", "bits", "-o", str(output)])
    assert result.exit_code == 4
    assert "truncated" in result.output
    assert not output.exists()


def test_pictures_get_no_name_of_another_format(tmp_path: Path) -> None:
    output = tmp_path / "a.jpg"
    for command in (["inspect", "a.mzp", "--map", "bits", "-o"], ["bench", str(tmp_path), "--plot"]):
        result = CliRunner().invoke(main, [*command, str(output)])
        assert (result.exit_code, output.exists()) == (2, False)
        assert "the picture is a PNG file" in result.stderr
