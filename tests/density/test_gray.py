"""Models of one colour: their input, and what they code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.models import tiny_model
from support.pictures import photo

import mulanzip
from mulanzip import api, registry
from mulanzip.density.config import GRAY_INPUT_PLANES, UNIT, Config
from mulanzip.density.inputs import input_planes, sample_type
from mulanzip.density.model import layer_shapes, save
from mulanzip.density.sample_scale import LOG2_STEPS, SampleScale
from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.archive import HEADER_SIZE, Header
from mulanzip.image.kinds import Mode

CONFIG = {"colours": 1, "hidden": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model file."""
    path = tmp_path_factory.mktemp("gray") / "model.safetensors"
    save(tiny_model(**CONFIG), path)
    return str(path)


@given(st.integers(0, 1 << 30), st.sampled_from(LOG2_STEPS), st.sampled_from((256, 300, 65536)))
def test_planes_are_what_the_docstring_says(seed: int, log2_steps: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scale = SampleScale(count, log2_steps)
    cells = torch.from_numpy(rng.integers(count, size=(2, 4, 1, 4, 5))).to(sample_type(scale))
    known = torch.from_numpy(rng.random((2, 4, 4, 5)) < 0.7)
    planes = input_planes(cells, known, scale).long()
    assert planes.shape == (2, GRAY_INPUT_PLANES, 4, 5)
    above, below, far_above, far_below, brightness, levels, masks = planes.split((4, 4, 4, 4, 1, 1, 4), 1)
    up, down = scale.log2_levels_per_step, scale.log2_steps_per_level
    for i, j in np.ndindex(4, 5):
        window = (..., slice(max(0, i - 1), i + 2), slice(max(0, j - 1), j + 2))
        total = ((cells[:, 0] << up) * known[:, :1])[window].sum((1, 2, 3))
        mean = total * -(-65536 // known[:, 0][window].sum((1, 2)).clamp(min=1)) >> 16
        difference = ((cells[:, :, 0, i, j] << up) - mean[:, None]) * known[..., i, j]
        for near, far, side in ((above, far_above, difference), (below, far_below, -difference)):
            assert torch.equal(near[..., i, j], (side >> down).clamp(0, 255))
            assert torch.equal(far[..., i, j], (side >> down + 4).clamp(0, 255))
        assert torch.equal(brightness[:, 0, i, j], mean * 64 // (count << up))
        assert torch.equal(levels[:, 0, i, j], (mean >> down + 2).clamp(max=255))
    assert torch.equal(masks, known.long() * UNIT)


def test_layers_are_those_of_the_first_colour() -> None:
    shapes = layer_shapes(Config(**CONFIG))
    assert shapes["pass.0.stem"][1] == GRAY_INPUT_PLANES
    assert {name.split(".")[2] for name in shapes if name.startswith("head")} == {"0"}


def test_the_form_in_model_files_names_one_colour_alone() -> None:
    assert "colours" not in Config().as_dict()
    for config in (Config(), Config(**CONFIG)):
        assert Config.from_dict(config.as_dict()) == config


def deep(*shape: int) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    plane = 40 * x + 7 * y * y + np.random.default_rng(0).integers(30, size=x.shape)
    bands = np.stack([plane + 100 * band for band in range(shape[2])], 2).astype(np.uint16)
    return bands[..., 0] if shape[2] == 1 else bands


@pytest.mark.parametrize(
    "array",
    [photo(70, 81, 1), photo(30, 31, 1)[..., None].repeat(2, 2), deep(66, 70, 1), deep(20, 33, 6), deep(1, 1, 1)],
    ids=["gray", "gray and alpha", "deep", "bands", "one pixel"],
)
def test_images_without_colours_come_back(model: str, array: np.ndarray) -> None:
    data = mulanzip.encode(array, model=model, effort=2, stored=False, threads=1)
    np.testing.assert_array_equal(mulanzip.decode(data, model=model, threads=1), array)


def test_images_with_colours_are_refused(model: str) -> None:
    with pytest.raises(UnsupportedImageError, match="gray images; use photo"):
        mulanzip.encode(photo(20, 20), model=model)
    with pytest.raises(UnsupportedImageError, match="gray images; use photo"):
        mulanzip.pack_arrays([photo(20, 20)], model=model)


def test_a_file_of_colours_that_names_a_gray_model_is_damaged(model: str) -> None:
    file = container.unpack(mulanzip.encode(photo(20, 20), stored=False, model="photo", threads=1))
    broken = replace(file, header=replace(file.header, model_id=registry.find(model).model_id))
    assert broken.header.mode is Mode.RGB
    with pytest.raises(CorruptFileError, match="a model of gray images"):
        mulanzip.decode(broken.pack(), model=model)


def test_an_archive_of_colours_that_names_a_gray_model_is_damaged(model: str) -> None:
    data = mulanzip.pack_arrays([photo(20, 20)], model="photo", threads=1)
    header = replace(Header.unpack(data[:HEADER_SIZE]), model_id=registry.find(model).model_id)
    archive = mulanzip.Archive(header.pack() + data[HEADER_SIZE:], model=model, threads=1)
    with pytest.raises(CorruptFileError, match="a model of gray images"):
        archive["0.png"]


def test_code_length_is_that_of_the_file(model: str) -> None:
    array = photo(70, 81, 1)
    bits = api.code_length(array, model=model, threads=1)
    data = mulanzip.encode(array, model=model, context="none", stored=False, threads=1)
    assert bits / 8 < len(data) < bits / 8 + 200
