"""Batches that are drawn ahead are those that would be drawn at once."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest

from mulanzip.training.supply import Supply


def draw(step: int, part: int) -> tuple[int, np.ndarray]:
    return os.getpid(), np.random.default_rng((7, step, part)).integers(1 << 30, size=5)


@pytest.mark.parametrize("has_fork", [True, False])
def test_parts_come_in_the_order_of_steps(has_fork: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_fork:
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    supply = Supply(draw, 3, 2, workers=2)
    try:
        found = [list(supply.take()) for _ in range(9)]
    finally:
        supply.close()
    processes = {process for parts in found for process, _ in parts}
    assert (os.getpid() not in processes) == (has_fork and "fork" in multiprocessing.get_all_start_methods())
    for step, parts in enumerate(found, 3):
        assert len(parts) == 2
        for part, (_, drawn) in enumerate(parts):
            np.testing.assert_array_equal(drawn, draw(step, part)[1])


def test_an_error_reaches_the_run() -> None:
    supply = Supply(lambda step, part: 1 // (step - 4), 3, 1, workers=1)
    try:
        list(supply.take())
        with pytest.raises(ZeroDivisionError):
            list(supply.take())
    finally:
        supply.close()
