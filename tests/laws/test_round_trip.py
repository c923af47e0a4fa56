"""The laws of :mod:`mulanzip.testing` hold for all that codes, and they find codecs and models that break them."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.models import tiny_model
from support.pictures import photo

import mulanzip
from mulanzip import registry
from mulanzip.density.model import save
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.errors import ModelError
from mulanzip.testing import (
    check_corruption_is_noticed,
    check_deterministic,
    check_model,
    check_round_trip,
    damages,
    sample_arrays,
)

ARRAYS = sample_arrays()
COLOUR = sample_arrays(("uint8",), (3,))
FEW = {name: array for name, array in COLOUR.items() if name.startswith(("pixel", "ramp", "noise"))}
EVERY_KIND = {**sample_arrays(("uint8",), (None, 2, 3, 4)), **sample_arrays(("uint16", "int16"), (None,))}
decode = partial(mulanzip.decode, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arrays", "options"),
    [(EVERY_KIND, {"stored": False}), (COLOUR, {"stored": False, "schedule": "one"}), (ARRAYS, {})],
    ids=["coded", "schedule six", "smallest form"],
)
def test_images_come_back(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> None:
    check_round_trip(partial(mulanzip.encode, effort=1, threads=1, **options), decode, arrays)


def test_archives_bring_images_back() -> None:
    def unpack(data: bytes) -> np.ndarray:
        (found,) = mulanzip.Archive(data, threads=1).values()
        return found

    check_round_trip(lambda array: mulanzip.pack_arrays([array], threads=1), unpack, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [False, True])
def test_the_same_values_give_the_same_bytes(stored: bool) -> None:
    check_deterministic(partial(mulanzip.encode, effort=1, stored=stored, threads=1), FEW)


def test_the_same_values_give_the_same_bytes_when_a_context_is_fitted() -> None:
    encode = partial(mulanzip.encode, effort=6, context="fit", stored=False, threads=1)
    check_deterministic(encode, {"photo": photo(24, 20)})


@pytest.mark.slow
@pytest.mark.parametrize("name", [model.name for model in registry.shipped() if model.kind == "erasure"])
def test_shipped_models_obey_the_law(name: str) -> None:
    check_model(registry.find(name).path)


# Codecs and models that break a law.


def packed(array: np.ndarray) -> bytes:
    return zlib.compress(pickle.dumps(np.ascontiguousarray(array)))


def unpacked(data: bytes) -> np.ndarray:
    found: np.ndarray = pickle.loads(zlib.decompress(data))
    return found


def brighten(array: np.ndarray) -> bytes:
    array += 1
    return packed(array)


def round_off(array: np.ndarray) -> bytes:
    return packed(array // 2 * 2)


ROUND_TRIPS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "changes its input": (brighten, unpacked, "encode changed its input"),
    "loses the lowest bit": (round_off, unpacked, "came back changed"),
    "widens samples": (packed, lambda data: unpacked(data).astype(np.int64), "came back as int64"),
    "drops an axis": (packed, lambda data: unpacked(data).ravel(), "came back as uint"),
}


@pytest.mark.parametrize("fault", ROUND_TRIPS)
def test_codecs_that_lose_something_are_found(fault: str) -> None:
    encode, decode, message = ROUND_TRIPS[fault]
    check_round_trip(packed, unpacked, EVERY_KIND)
    with pytest.raises(AssertionError, match=message):
        check_round_trip(encode, decode, EVERY_KIND)


def test_codecs_whose_bytes_vary_are_found() -> None:
    calls: list[int] = []

    def count(array: np.ndarray) -> bytes:
        calls.append(1)
        return packed(array) + bytes([len(calls)])

    check_deterministic(packed, ARRAYS)
    with pytest.raises(AssertionError, match="pixel, uint8, no channels: a second call gave other bytes"):
        check_deterministic(count, ARRAYS)
    with pytest.raises(AssertionError, match="columns in memory order gave other bytes"):
        check_deterministic(lambda array: array.tobytes("A"), ARRAYS)


def test_damage_that_is_not_noticed_is_found() -> None:
    content = bytes(range(30))
    data = zlib.crc32(content).to_bytes(4, "big") + content

    def start(data: bytes) -> bytes:
        return checked(data[:34])

    check_corruption_is_noticed(checked, data, ValueError)
    with pytest.raises(AssertionError, match="truncated to 0 bytes: not noticed"):
        check_corruption_is_noticed(bytes, data, ValueError)
    with pytest.raises(AssertionError, match="truncated to 0 bytes: ValueError: wrong checksum"):
        check_corruption_is_noticed(checked, data, KeyError)
    with pytest.raises(AssertionError, match="a byte appended: not noticed"):
        check_corruption_is_noticed(start, data, ValueError)


def checked(data: bytes) -> bytes:
    """The content after a checksum."""
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big") or not data:
        raise ValueError("wrong checksum")
    return data[4:]


def test_damage_is_thorough_and_never_the_original() -> None:
    data = bytes(range(100))
    found = dict(damages(data))
    assert data not in found.values()
    assert {found[f"truncated to {length} bytes"] for length in range(100)} == {data[:length] for length in range(100)}
    flips = [other for what, other in damages(data, count=800) if what.startswith("bit")]
    assert len(set(flips)) == 800
    assert list(damages(data)) == list(damages(data))
    assert list(damages(data)) != list(damages(data, seed=1))


@pytest.mark.slow
def test_models_that_break_the_law_are_found(tmp_path: Path) -> None:
    model, path = tiny_model(), tmp_path / "model.safetensors"
    save(model, path)
    check_model(path)
    save(replace(model, metadata={**model.metadata, GOLDEN_KEY: "0" * 64}), path)
    with pytest.raises(AssertionError, match="differ from the model's golden digest"):
        check_model(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError):
        check_model(path)
    with pytest.raises(ModelError, match="gaussian"):
        check_model(registry.find("tiles32", "gaussian").path)
