"""The erasure process: which phases each step reveals, as data.

MULAN (Sahoo et al., NeurIPS 2024) gives every pixel its own noise schedule.  With few steps, the best schedules take
each pixel from unknown to known in one step (see ``docs/noise.md``).  So a schedule is an order of revelation: a tuple
of steps, each a tuple of phases.  Phase ``A`` is the coarser level, which is known from the start.
"""

from __future__ import annotations

from mulanzip.lattice.geometry import D, H, V

Step = tuple[int, ...]
Schedule = tuple[Step, ...]

#: Schedules by name.  Files store the position in this dictionary: entries are appended, and never moved.
SCHEDULES: dict[str, Schedule] = {"default": ((H, V), (D,)), "one": ((H, V, D),)}
SCHEDULE_NAMES = tuple(SCHEDULES)
#: The number in files whose schedules differ from tile to tile.
MIXED = 255


def validate(schedule: Schedule) -> None:
    """Check that each step reveals something, and that H, V and D are revealed exactly once.

    Raises:
        ValueError: otherwise.
    """
    if not all(schedule):
        raise ValueError("a step reveals nothing")
    if sorted(phase for step in schedule for phase in step) != [H, V, D]:
        raise ValueError("a schedule must reveal H, V and D of every cell exactly once, and never A")
