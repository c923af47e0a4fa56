"""Programs that use the library: their threads, their number of torch threads, and their forks."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.processes import run_python

from mulanzip.density.model_cache import ModelCache, file_version
from mulanzip.errors import ModelError

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def report(*arguments: str) -> dict[str, Any]:
    """What a program saw, see host_process.py."""
    # Tests set OpenMP's number to 1: here it must be another one.
    done = run_python(Path(__file__).with_name("host_process.py"), *arguments, env={"OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Threads inside torch.  Where the program sets their number, MKL has one of its own.

numbers = pytest.mark.parametrize("number", [[], ["3"]], ids=["default", "set"])


@pytest.mark.slow
@numbers
def test_no_use_changes_the_number_of_torch_threads(number: list[str]) -> None:
    found = report("after_each_use", *number)
    before = found.pop("before")
    assert len(found) == 15
    assert {name: seen for name, seen in found.items() if seen != before} == {}


@pytest.mark.slow
@numbers
def test_limits_hold_for_their_own_thread_alone(number: list[str]) -> None:
    found = report("inside_and_after_overlapping_limits", *number)
    before = found.pop("before")
    assert found.pop("inside") == [1, 2]
    assert len(found) == 4
    assert {name: seen for name, seen in found.items() if seen != before} == {}


# Forks.


@pytest.mark.slow
@needs_fork
@numbers
def test_forked_children_can_code(number: list[str]) -> None:
    found = report("forks", *number)
    assert found.pop("counts") == [1, 1]
    assert len(found) == 8
    assert set(found.values()) == {"decoded"}


@pytest.mark.slow
@needs_fork
def test_children_do_not_wait_for_threads_of_their_parent() -> None:
    found = report("forks_while_loading")
    assert found["child"] == ["survives", "new", "new"]
    assert found["parent"] == ["survives", "does not", "the parent's"]


# The cache of models.


def never() -> str:
    raise AssertionError("loaded again")


def test_the_models_used_last_are_kept() -> None:
    cache = ModelCache[str](lambda _: True, size=2)
    for key in "abac":
        cache.get(key, partial(str, key))
    assert cache.get("a", never) == "a"
    assert cache.get("c", never) == "c"
    assert cache.get("b", lambda: "loaded again") == "loaded again"
    with pytest.raises(AssertionError, match="loaded again"):
        cache.get("a", never)


def test_one_thread_loads_a_model_and_others_do_not_wait_for_another() -> None:
    cache = ModelCache[object](lambda _: True)
    begun, done = threading.Event(), threading.Event()
    loads = []

    def slow() -> object:
        loads.append(1)
        begun.set()
        assert done.wait(60)
        return object()

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(cache.get, "slow", slow) for _ in range(3)]
        assert begun.wait(60)
        assert pool.submit(cache.get, "quick", lambda: "there").result(60) == "there"
        assert not any(future.done() for future in waiting)
        done.set()
        assert len({future.result() for future in waiting}) == len(loads) == 1


def test_a_model_that_cannot_be_loaded_is_tried_again() -> None:
    cache = ModelCache[str](lambda _: True)

    def broken() -> str:
        raise ModelError("damaged")

    for _ in range(2):
        with pytest.raises(ModelError, match="damaged"):
            cache.get("a", broken)
    assert cache.get("a", lambda: "mended") == "mended"


def test_a_changed_file_is_another_version(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with pytest.raises(ModelError, match=r"cannot read model .*model: No such file"):
        file_version(path)
    path.write_bytes(b"one")
    versions = [file_version(path)]
    assert file_version(path) == versions[0]
    os.utime(path, ns=(0, 0))
    versions.append(file_version(path))
    path.write_bytes(b"other")
    os.utime(path, ns=(0, 0))
    versions.append(file_version(path))
    other = tmp_path / "other"
    other.write_bytes(b"OTHER")
    os.utime(other, ns=(0, 0))
    other.replace(path)
    versions.append(file_version(path))
    assert len(set(versions)) == 4
