"""The choice of a scale takes no more work than coding, also for chunks and other small images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.pictures import deep

import mulanzip
from mulanzip.encoder import scale_choice


@pytest.mark.parametrize("shape", [(64, 64), (100, 40), (128, 127), (200, 190)])
def test_pixels_that_are_tried(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    bits = scale_choice._bits

    def counted(value_map: Any, crops: list[np.ndarray], *others: Any) -> float:
        tried.extend(crop.size for crop in crops)
        return bits(value_map, crops, *others)

    monkeypatch.setattr(scale_choice, "_bits", counted)
    image = deep(*shape, bits=14).reshape(shape)
    np.testing.assert_array_equal(mulanzip.decode(mulanzip.encode(image, effort=1)), image)
    assert 0 < sum(tried) <= 1.6 * image.size
