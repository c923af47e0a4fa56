"""Random masks keep to what every step of every schedule has in common."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.density.config import PASSES
from mulanzip.lattice.geometry import A
from mulanzip.training.patterns import draw_known


@given(st.integers(0, 99), st.integers(0, 1), st.integers(1, 12))
def test_the_coarser_level_is_always_known(seed: int, index: int, cells: int) -> None:
    known = draw_known(index, 5, cells, np.random.default_rng(seed))
    assert known.shape == (5, 4, cells, cells)
    assert known[:, A].all()


def test_masks_are_mostly_those_of_the_default_schedule_and_never_all_the_same() -> None:
    for index, phases in enumerate(PASSES):
        known = draw_known(index, 400, 6, np.random.default_rng(1))
        before = [p for phases in PASSES[:index] for p in phases]
        default = np.zeros(4, dtype=bool)
        default[[A, *before]] = True
        share = (known == default[:, None, None]).all((1, 2, 3)).mean()
        assert 0.7 < share < 0.95
        assert not known[:, list(phases)].all()
