"""Training images are read in order, and patches have the sizes, levels and colours that are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import photo, smooth

from mulanzip.density.config import Config
from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.training.augment import DEGRADATIONS, augment
from mulanzip.training.data import LEVELS, MOST_PATCHES, Patches, load_images

IMAGES = [smooth(90, 100, seed=s) for s in range(3)] + [photo(160, 150)]


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
    levels, degradations = set(), set()
    for _ in range(60):
        level, degradation, batch = patches.draw(rng)
        levels.add(level)
        degradations.add(degradation)
        cells = LEVELS[level][1]
        assert batch.dtype == np.uint8
        assert batch.shape == (min(max(1, 512 // cells**2), MOST_PATCHES), 3, 2 * cells, 2 * cells)
    assert len(levels) > 1
    assert 2 < len(degradations) <= len(DEGRADATIONS)


def test_networks_have_a_preset_for_every_kind_of_degradation() -> None:
    assert Config().presets == len(DEGRADATIONS)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_gray_patches_is_kept(share: float) -> None:
    patches, rng = Patches(IMAGES, 512, share), np.random.default_rng(0)
    for _ in range(40):
        _, degradation, batch = patches.draw(rng)
        is_gray = (batch == batch[:, :1]).all((1, 2, 3))
        assert is_gray.all() == bool(share)
        assert is_gray.all() or DEGRADATIONS[degradation] != "scanned"


def test_scans_are_gray_on_a_ground_without_noise() -> None:
    rng = np.random.default_rng(1)
    grounds = []
    for _ in range(20):
        patch = augment(photo(64, 60), DEGRADATIONS.index("scanned"), rng)
        assert patch.shape == (64, 60, 3)
        assert patch.dtype == np.uint8
        assert (patch == patch[..., :1]).all()
        grounds.append((patch == 0).mean())
    assert max(grounds) > 0.3
    assert min(grounds) < 0.3


def test_images_too_small_for_a_patch_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="smaller than 64x64"):
        Patches([smooth(5, 5)], 512)
