"""Schedules reveal every phase of every cell once; their numbers in files never change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.lattice.geometry import A, D, H, V
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES, CellSubset, Reveal, Schedule, subset_mask, validate

sides = st.integers(1, 20)


def test_schedule_numbers_are_those_that_files_carry() -> None:
    # Files store positions in this list: entries are appended, and never moved.
    assert SCHEDULE_NAMES == ("default", "one", "three", "four", "six")
    assert tuple(SCHEDULES) == SCHEDULE_NAMES


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_schedules_are_valid(name: str) -> None:
    validate(SCHEDULES[name])


@pytest.mark.parametrize(("name", "steps"), [("default", 2), ("one", 1), ("three", 3), ("four", 4), ("six", 6)])
def test_schedules_have_as_many_steps_as_they_say(name: str, steps: int) -> None:
    assert len(SCHEDULES[name]) == steps


@given(st.sampled_from(SCHEDULE_NAMES), sides, sides)
def test_each_phase_of_each_cell_is_revealed_once(name: str, height: int, width: int) -> None:
    revealed = np.zeros((height, width, 4), dtype=int)
    for step in SCHEDULES[name]:
        for reveal in step:
            revealed[..., reveal.phase] += subset_mask(reveal.subset, height, width)
    assert (revealed[..., [H, V, D]] == 1).all()
    assert (revealed[..., A] == 0).all()


@given(sides, sides)
def test_halves_of_the_checkerboard_complete_each_other(height: int, width: int) -> None:
    even, odd = (subset_mask(part, height, width) for part in (CellSubset.EVEN, CellSubset.ODD))
    assert even[0, 0]
    np.testing.assert_array_equal(even, ~odd)
    assert not (even[:, 1:] & even[:, :-1]).any()
    assert subset_mask(CellSubset.ALL, height, width).all()


_D, _H, _V = Reveal(D), Reveal(H), Reveal(V)
BROKEN: dict[str, Schedule] = {
    "nothing": (),
    "an empty step": ((_D,), (), (_H, _V)),
    "V is missing": ((_D,), (_H,)),
    "D twice": ((_D,), (_H, _V), (_D,)),
    "D twice in a step": ((_D, _D), (_H, _V)),
    "one half only": ((Reveal(D, CellSubset.EVEN),), (_H, _V)),
    "the same half twice": ((Reveal(D, CellSubset.ODD),), (Reveal(D, CellSubset.ODD),), (_H, _V)),
    "all and a half": ((_D,), (Reveal(D, CellSubset.EVEN),), (_H, _V)),
    "A as well": ((_D,), (_H, _V, Reveal(A))),
}


@pytest.mark.parametrize("why", BROKEN)
def test_broken_schedules_are_refused(why: str) -> None:
    with pytest.raises(ValueError, match=r"step reveals nothing|exactly once"):
        validate(BROKEN[why])
