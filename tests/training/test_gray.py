"""A model of gray images starts from one of colours, trains on images of any depth, and codes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from support.pictures import photo, smooth

import mulanzip
from mulanzip.density.config import Config
from mulanzip.density.model import load
from mulanzip.density.sample_scale import EIGHT_BIT
from mulanzip.density.sample_statistics import PLAIN_STATISTICS
from mulanzip.errors import ModelError, UnreadableImageError, UnsupportedImageError
from mulanzip.floatnet.network import Denoiser
from mulanzip.floatnet.objective import level_bits
from mulanzip.training import erasure
from mulanzip.training.erasure import ErasureRecipe
from mulanzip.training.gray import GrayRun, group_bits
from mulanzip.training.gray_augment import degrade
from mulanzip.training.gray_data import KINDS, PHOTOGRAPH, GrayImage, GrayPatches, load_gray_images
from mulanzip.training.gray_start import load_start, widen
from mulanzip.training.loop import MODEL

CONFIG = Config(channels=8, blocks=1, mixtures=2, level_classes=2, hidden=0, presets=len(KINDS), colours=1)
COLOURS = Config(channels=6, blocks=1, mixtures=2, level_classes=2, hidden=4, presets=3)


def deep(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(60, size=(200, 210))
    return (smooth(200, 210, 1, seed).astype(np.int32).reshape(200, 210) * 16 + noise + 500).astype(np.uint16)


@pytest.fixture(scope="module")
def images() -> list[GrayImage]:
    kinds = range(PHOTOGRAPH + 2, len(KINDS))
    return [GrayImage(photo(210, 220), PHOTOGRAPH)] + [GrayImage(deep(kind), kind) for kind in kinds]


def random_model(config: Config) -> Denoiser:
    torch.manual_seed(0)
    found = Denoiser(config)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        found.presets.zero_()
    return found


@given(st.integers(0, 1 << 30))
@settings(max_examples=20)
def test_degraded_patches_are_samples_that_depend_on_the_seed_alone(seed: int) -> None:
    patch = smooth(64, 64, 1, seed % 7).reshape(64, 64)
    found = degrade(patch, np.random.default_rng(seed))
    assert found.shape == patch.shape
    assert 0 <= found.min() <= found.max() <= 65535
    np.testing.assert_array_equal(found, degrade(patch, np.random.default_rng(seed)))


def test_batches_fit_their_scales_and_have_all_kinds(images: list[GrayImage]) -> None:
    patches, rng = GrayPatches(images, 2048), np.random.default_rng(0)
    seen, scales = set(), set()
    for _ in range(40):
        _, kind, batch = patches.draw(rng)
        seen.add(kind)
        assert len({samples.shape[-1] for samples, _ in batch}) == 1
        for samples, scale in batch:
            assert samples.dtype == scale.dtype
            assert samples.max() < scale.count
            scales.add(scale)
    assert len(seen) > len(KINDS) // 2
    assert EIGHT_BIT in scales
    assert any(scale.count > 256 for scale in scales)


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="64x64"):
        GrayPatches([GrayImage(np.zeros((5, 5), np.uint8), 3)], 512)


def test_names_tell_the_kind(tmp_path: Path) -> None:
    Image.fromarray(deep(0)).save(tmp_path / "ct_a_01.png")
    Image.fromarray(photo(30, 40)).save(tmp_path / "tree.png")
    found = load_gray_images([tmp_path])
    assert [KINDS[image.kind] for image in found] == [("ct",), ("photo",)]
    np.testing.assert_array_equal(found[0].samples, deep(0))
    indices, statistics = found[0].group()
    assert (indices.min(), statistics.scale.count) == (0, indices.max() + 1)
    assert found[1].group()[1] is PLAIN_STATISTICS
    (tmp_path / "mr_broken_01.png").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"mr_broken"):
        load_gray_images([tmp_path])


def test_a_widened_model_computes_what_the_model_of_colours_does() -> None:
    colour, gray = random_model(COLOURS), random_model(CONFIG)
    widen(colour, gray)
    pixels = torch.from_numpy(photo(32, 36, 1).astype(np.int32))[None, None]
    for level in (0, 1):
        expected, _ = level_bits(colour, pixels.repeat(1, 3, 1, 1), level, 1)
        found, _ = level_bits(gray, pixels, level, 1)
        assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_run_may_start_from_either_kind_of_weights(tmp_path: Path) -> None:
    colour, gray, found = random_model(COLOURS), random_model(CONFIG), Denoiser(CONFIG)
    save_file(gray.state_dict(), tmp_path / "gray.safetensors")
    load_start(found, tmp_path / "gray.safetensors")
    assert torch.equal(found.conv("passes.0.stem").weight, gray.conv("passes.0.stem").weight)
    save_file(colour.state_dict(), tmp_path / "colour.safetensors")
    load_start(found, tmp_path / "colour.safetensors")
    assert not torch.equal(found.conv("passes.0.stem").weight, gray.conv("passes.0.stem").weight)
    for small in (Config(**{**CONFIG.as_dict(), "channels": 4}), Config(**{**CONFIG.as_dict(), "blocks": 2})):
        with pytest.raises(ModelError, match="three colours"):
            load_start(Denoiser(small), tmp_path / "colour.safetensors")


@pytest.mark.slow
def test_a_run_improves_and_exports_a_model_that_codes(
    images: list[GrayImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_ROUNDING_BATCHES", 4)
    monkeypatch.setattr(erasure, "_PRIOR_STEPS", 1)
    monkeypatch.setattr(erasure, "PRIOR_IMAGES", 2)
    validation = [(images[0].samples[:64, :64, :1], PLAIN_STATISTICS)]
    run = GrayRun(tmp_path, images, validation, CONFIG, ErasureRecipe(steps=40, batch_cells=512))
    before = run.validate()
    run.train(lambda run, bits: None)
    assert run.validate() < before - 0.005
    run.export(lambda done: None)
    run.close()
    assert load(tmp_path / MODEL).config == CONFIG
    data = mulanzip.encode(deep(9), model=str(tmp_path / MODEL), stored=False, threads=1)
    np.testing.assert_array_equal(mulanzip.decode(data, model=str(tmp_path / MODEL), threads=1), deep(9))
    assert 0 < group_bits(run.average, validation[0], False) < 16
