"""More effort makes no image larger."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.pictures import photo
from support.processes import ROOT

import mulanzip
from mulanzip import registry
from mulanzip.encoder.effort import EFFORTS, GRIDS
from mulanzip.format import container
from mulanzip.imageio.reader import read_picture

SHIPPED = sorted((ROOT / "benchmarks" / "images").glob("*.webp"))


@pytest.mark.parametrize("is_deep", [False, True])
def test_gray_images_get_the_better_model(is_deep: bool) -> None:
    gray = photo(96, 120, 1)
    if is_deep:
        gray = 9 * gray.astype(np.uint16) + np.random.default_rng(0).integers(0, 9, gray.shape, np.uint16)
    cheap, careful = (mulanzip.encode(gray, effort=effort, stored=False) for effort in (1, 2))
    ids = [container.unpack(data).header.model_id for data in (cheap, careful)]
    names = [next(info.name for info in registry.shipped() if info.model_id == own) for own in ids]
    assert names[0] == registry.GRAY_MODEL
    alone = {
        name: len(mulanzip.encode(gray, model=name, effort=2, stored=False))
        for name in (registry.GRAY_MODEL, registry.LARGE_GRAY_MODEL)
    }
    assert len(careful) == alone[names[1]]
    assert alone[names[1]] <= 1.01 * min(alone.values())
    np.testing.assert_array_equal(mulanzip.decode(careful), gray.squeeze())


def test_an_image_of_one_value_has_the_smaller_model() -> None:
    data = mulanzip.encode(np.full((20, 30), 700, np.uint16), effort=2, stored=False)
    assert container.unpack(data).header.model_id == registry.find(registry.GRAY_MODEL).model_id


def test_more_effort_makes_no_small_image_larger() -> None:
    image = photo(128, 140)
    sizes = [len(mulanzip.encode(image, model="photo-fast", effort=effort, stored=False)) for effort in (1, 3, 4)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["photo", "contrast", "faint", *(path.name for path in SHIPPED)])
def test_more_effort_makes_no_image_larger(name: str) -> None:
    if name == "photo":
        image = photo(300, 260)
    elif name == "contrast":
        image = np.clip(photo(200, 200).astype(int) * 5 // 4, 0, 255).astype(np.uint8)
    elif name == "faint":  # Its edges are found where they are judged, too, and differ.
        image = np.round(photo(256, 256) * 1.02 + 1).clip(0, 255).astype(np.uint8)
    else:
        image = read_picture(ROOT / "benchmarks" / "images" / name)[0].to_array()
    efforts = EFFORTS[: len(GRIDS)]
    sizes = [len(mulanzip.encode(image, model="photo-fast", effort=effort, stored=False)) for effort in efforts]
    assert all(less <= more for more, less in pairwise(sizes)), sizes
