"""Uses mulanzip as a program with threads, forks and a number of torch threads of its own would; see test_host.py.

Prints what it saw as JSON.  A second argument is the number of torch threads that the program sets; else it sets none.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from support.pictures import photo

import mulanzip
from mulanzip.density.model_cache import ModelCache
from mulanzip.density.torch_threads import torch_threads

T = TypeVar("T")
#: A child that takes longer hangs, and is killed.
CHILD_SECONDS = 100
#: One tile, which uses the threads inside torch; several tiles, which have a thread each.
IMAGES = {"one tile": photo(200, 200), "several tiles": photo(600, 40)}


def in_new_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def counts() -> list[int]:
    """Threads inside torch: of the calling thread, and of one that is new to torch."""
    return [torch.get_num_threads(), in_new_thread(torch.get_num_threads)]


def encode(image: np.ndarray, **options: object) -> bytes:
    return mulanzip.encode(image, model="photo-fast", **{"stored": False, "effort": 1, **options})  # type: ignore[arg-type]


def restore(data: bytes, device: str = "cpu") -> str:
    """Decode a file with one thread and with two: ``decoded``, or what is raised."""
    try:
        for threads in (1, 2):
            mulanzip.decode(data, device=device, threads=threads)
    except Exception as error:
        return repr(error)
    return "decoded"


def after_each_use() -> dict[str, list[int]]:
    """Counts before, and after each way to use the library."""
    found = {"before": counts()}
    for name, image in IMAGES.items():
        for threads in (1, 2, None):
            data = encode(image, threads=threads)
            found[f"encode {name}, {threads} threads"] = counts()
            mulanzip.decode(data, threads=threads)
            found[f"decode {name}, {threads} threads"] = counts()
    encode(IMAGES["one tile"][:80, :80], threads=2, context="fit", effort=2)
    found["fit"] = counts()
    for damaged in (data[:-100], data[:200] + b"\xff" + data[201:]):
        try:
            mulanzip.decode(damaged)
        except mulanzip.CorruptFileError:
            found[f"error {len(damaged)}"] = counts()
    return found


def inside_and_after_overlapping_limits() -> dict[str, list[int]]:
    """One thread comes after the other, and stays longer: each sees its own number, and the host sees nothing."""
    entered, left = threading.Event(), threading.Event()
    found = {"before": counts()}

    def first() -> int:
        with torch_threads(1):
            assert entered.wait(60)
            inside = torch.get_num_threads()
        left.set()
        return inside

    def second() -> int:
        with torch_threads(2):
            entered.set()
            assert left.wait(60)
            return torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first), pool.submit(second)]
        found["inside"] = [future.result() for future in futures]
        found["same threads, after"] = list(pool.map(lambda _: torch.get_num_threads(), range(2)))
    found["after"] = counts()
    try:
        with torch_threads(1):
            raise KeyError
    except KeyError:
        found["after an error"] = counts()
    data = [encode(image) for image in IMAGES.values()]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(mulanzip.decode, data * 3))
        found["after several callers"] = counts()
    return found


def in_child(work: Callable[[], object]) -> object:
    """What ``work`` returns in a forked child."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Newer Pythons warn of forks in processes with threads.
        child = os.fork()
    if not child:
        signal.alarm(CHILD_SECONDS)
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return json.loads(content) if content else "hangs"


def forks() -> dict[str, object]:
    """Children that decode, after their parent has."""
    found: dict[str, object] = {}
    torch.conv2d(torch.zeros(1, 64, 200, 200), torch.zeros(64, 64, 3, 3))  # OpenMP's threads are there.
    torch.zeros(500, 500, dtype=torch.float64) @ torch.ones(500, 500, dtype=torch.float64)
    for name, image in IMAGES.items():
        decode = partial(restore, encode(image))
        found[name] = in_child(decode)
        found[f"thread of a child, {name}"] = in_child(partial(in_new_thread, decode))
        found[f"child of a thread, {name}"] = in_new_thread(partial(in_child, decode))
    found["child of a child"] = in_child(partial(in_child, decode))
    found["on the slow backend"] = in_child(partial(restore, encode(photo(60, 60)), device="reference"))
    found["counts"] = in_child(counts)
    return found


def forks_while_loading() -> dict[str, object]:
    """A child does not wait for a thread of its parent that loads a model."""
    cache = ModelCache[str](lambda model: model == "survives")
    for model in ("survives", "does not"):
        cache.get(model, partial(str, model))
    begun, done = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert done.wait(CHILD_SECONDS)
        return "the parent's"

    def ask() -> list[str]:
        return [cache.get(key, lambda: "new") for key in ("survives", "does not", "slow")]

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(cache.get, "slow", slow)
        assert begun.wait(60)
        found = {"child": in_child(ask)}
        done.set()
        loading.result()
    return {**found, "parent": ask()}


if __name__ == "__main__":
    what = {f.__name__: f for f in (after_each_use, inside_and_after_overlapping_limits, forks, forks_while_loading)}
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps(what[sys.argv[1]]()))
