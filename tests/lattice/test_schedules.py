"""Schedules reveal every phase of every cell once; their numbers in files never change."""

from __future__ import annotations

import pytest

from mulanzip.lattice.geometry import A, D, H, V
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES, Schedule, validate


def test_schedule_numbers_are_those_that_files_carry() -> None:
    # Files store positions in this list: entries are appended, and never moved.
    assert SCHEDULE_NAMES == ("default", "one")
    assert tuple(SCHEDULES) == SCHEDULE_NAMES


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_schedules_are_valid(name: str) -> None:
    validate(SCHEDULES[name])


@pytest.mark.parametrize(("name", "steps"), [("default", 2), ("one", 1)])
def test_schedules_have_as_many_steps_as_they_say(name: str, steps: int) -> None:
    assert len(SCHEDULES[name]) == steps


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_each_phase_is_revealed_once_and_in_the_order_of_coding(name: str) -> None:
    revealed = [phase for step in SCHEDULES[name] for phase in step]
    assert revealed == [H, V, D]


BROKEN: dict[str, Schedule] = {
    "nothing": (),
    "an empty step": ((D,), (), (H, V)),
    "V is missing": ((D,), (H,)),
    "D twice": ((D,), (H, V), (D,)),
    "D twice in a step": ((D, D), (H, V)),
    "A as well": ((D,), (H, V, A)),
}


@pytest.mark.parametrize("why", BROKEN)
def test_broken_schedules_are_refused(why: str) -> None:
    with pytest.raises(ValueError, match=r"step reveals nothing|exactly once"):
        validate(BROKEN[why])
