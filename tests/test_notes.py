"""Notes go to whoever collects them, each thread's to its own collector, and nothing of the process is changed."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from mulanzip.notes import collect, note


def test_notes_are_warnings_unless_they_are_collected() -> None:
    with pytest.warns(RuntimeWarning, match="the text") as found:
        note("the text", RuntimeWarning)
    assert found[0].filename == __file__
    with collect() as outer:
        with collect() as inner:
            note("a", RuntimeWarning)
        note("b", RuntimeWarning)
    assert (inner, outer) == (["a"], ["b"])


def test_threads_collect_apart() -> None:
    together = threading.Barrier(4)
    before = warnings.showwarning, list(warnings.filters)

    def work(number: int) -> list[str]:
        with collect() as notes:
            together.wait()
            note(f"{number}", RuntimeWarning)
            together.wait()
            assert (warnings.showwarning, warnings.filters) == before
            together.wait()
        return notes

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [["0"], ["1"], ["2"], ["3"]]


def test_threads_that_run_in_a_copy_of_the_context_add_to_it() -> None:
    with collect() as notes, ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, note, "from a thread", RuntimeWarning).result()
    assert notes == ["from a thread"]
