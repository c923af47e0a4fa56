"""More effort makes no image larger."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.pictures import photo
from support.processes import ROOT

import mulanzip
from mulanzip.encoder.effort import EFFORTS, GRIDS
from mulanzip.imageio.reader import read_picture

SHIPPED = sorted((ROOT / "benchmarks" / "images").glob("*.webp"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["photo", "contrast", *(path.name for path in SHIPPED)])
def test_more_effort_makes_no_image_larger(name: str) -> None:
    if name == "photo":
        image = photo(300, 260)
    elif name == "contrast":
        image = np.clip(photo(200, 200).astype(int) * 5 // 4, 0, 255).astype(np.uint8)
    else:
        image = read_picture(ROOT / "benchmarks" / "images" / name)[0].to_array()
    efforts = EFFORTS[: len(GRIDS)]
    sizes = [len(mulanzip.encode(image, model="photo-fast", effort=effort, stored=False)) for effort in efforts]
    assert all(less <= more for more, less in pairwise(sizes)), sizes
