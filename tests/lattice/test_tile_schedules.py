"""Schedules per tile: choice, coded form, and errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import noise, photo

import mulanzip
from mulanzip.codec.segment import encode_segments
from mulanzip.codec.tile_schedule_code import decode_schedules, encode_schedules
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.effort import SCHEDULE_CHOICES, SearchPlan
from mulanzip.encoder.schedule_choice import choose_schedules
from mulanzip.errors import CorruptFileError, MulanzipError
from mulanzip.format import container
from mulanzip.format.container import SCHEDULES_CHUNK, Chunk
from mulanzip.image.channels import to_coding_order
from mulanzip.inspect.info import describe
from mulanzip.lattice import geometry
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES, SCHEDULES
from mulanzip.lattice.tile_schedules import ScheduleChoices, TileSchedules, tile_cells
from mulanzip.options import EncodeOptions

numbers = st.lists(st.integers(0, len(SCHEDULES) - 1), min_size=2, max_size=300).filter(lambda n: len(set(n)) > 1)


@given(numbers)
def test_decoding_a_plan_inverts_encoding(found: list[int]) -> None:
    schedules = TileSchedules(tuple(found))
    assert schedules.header_value == MIXED
    assert decode_schedules(encode_schedules(schedules), len(found)) == schedules
    assert all(schedules[i] is SCHEDULES[SCHEDULE_NAMES[number]] for i, number in enumerate(found))


def test_a_plan_costs_about_its_entropy() -> None:
    rare = TileSchedules(tuple(int(i % 50 == 7) for i in range(5000)))
    assert len(encode_schedules(rare)) < 0.145 * 5000 / 8 + 16


@given(st.binary(max_size=12), st.integers(1, 40))
def test_any_bytes_are_a_mixed_plan_or_an_error(payload: bytes, tiles: int) -> None:
    try:
        schedules = decode_schedules(payload, tiles)
    except CorruptFileError:
        return
    assert len(schedules.numbers) == tiles
    assert len(set(schedules.numbers)) > 1


@pytest.mark.parametrize("number", range(len(SCHEDULES)))
def test_a_plan_of_one_schedule_is_never_sent(number: int) -> None:
    with pytest.raises(CorruptFileError, match="schedules are damaged"):
        decode_schedules(encode_schedules(TileSchedules((number,) * 9)), 9)


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from((2, 16, 256)))
def test_tiles_are_numbered_in_coding_order(height: int, width: int, tile_cells_: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", max(tile_cells_, 64))
        parts = segments(height, width)
        assert [s.first for s in parts] == [sum(len(t.tiles) for t in parts[:i]) for i in range(len(parts))]
        assert len(tile_cells(height, width)) == sum(len(s.tiles) for s in parts)


@pytest.fixture
def image() -> np.ndarray:
    """Half photograph, half noise; several tiles."""
    return np.concatenate((photo(64, 48), noise(64, 48)), 1)


def _costs(planes: np.ndarray, runtime: Runtime, names: tuple[str, ...], mu: float) -> tuple[float, TileSchedules]:
    schedules = choose_schedules(planes, runtime, ScheduleChoices(names, mu))
    payloads = encode_segments(planes, runtime, schedules)
    cells = tile_cells(*planes.shape[:2])
    evaluations = sum(n * len(schedules[i]) for i, n in enumerate(cells))
    return 8 * sum(map(len, payloads)) + mu * evaluations, schedules


@pytest.mark.slow
@pytest.mark.parametrize("mu", [0.0, 0.5, 50.0])
def test_the_choice_is_no_worse_than_any_schedule_for_all(
    image: np.ndarray, mu: float, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometry, "TILE_CELLS", 16)
    planes = to_coding_order(image)
    uniform = {name: _costs(planes, runtime, (name,), mu)[0] for name in SCHEDULE_NAMES}
    cost, schedules = _costs(planes, runtime, SCHEDULE_NAMES, mu)
    assert cost <= min(uniform.values()) + 64  # Segments are whole words of 32 bits.
    assert len(schedules.numbers) == len(tile_cells(*planes.shape[:2]))
    if mu == 50:
        assert set(schedules.numbers) == {SCHEDULE_NAMES.index("one")}


@pytest.mark.slow
def test_files_with_mixed_schedules_come_back_and_say_so(image: np.ndarray) -> None:
    data = mulanzip.encode(image, schedule="adaptive", effort=8, context="none", mu=0.3, stored=False, threads=1)
    np.testing.assert_array_equal(mulanzip.decode(data, threads=1), image)
    file = container.unpack(data)
    assert file.header.schedule == MIXED
    assert len(file.of_kind(SCHEDULES_CHUNK)) == 1
    facts = describe(file, len(data))
    assert sum(facts.schedules.values()) == pytest.approx(1)
    assert 1 < facts.evaluations < 6
    for scale in (2, 4):
        np.testing.assert_array_equal(mulanzip.decode(data, scale=scale, threads=1), image[::scale, ::scale])


@pytest.mark.slow
def test_a_file_has_schedules_exactly_when_its_header_says_so(image: np.ndarray) -> None:
    data = mulanzip.encode(image, schedule="adaptive", effort=8, context="none", mu=0.1, stored=False, threads=1)
    file = container.unpack(data)
    without = replace(file, chunks=tuple(c for c in file.chunks if c.kind != SCHEDULES_CHUNK))
    with pytest.raises(CorruptFileError, match="0 parts SCHD instead of 1"):
        mulanzip.decode(without.pack())
    uniform = container.unpack(mulanzip.encode(image, effort=1, stored=False, threads=1))
    with pytest.raises(CorruptFileError, match="1 parts SCHD instead of 0"):
        mulanzip.decode(replace(uniform, chunks=(Chunk(SCHEDULES_CHUNK, b"x" * 8), *uniform.chunks)).pack())


@pytest.mark.slow
@settings(max_examples=20)
@given(st.data())
def test_damaged_schedules_never_give_a_wrong_picture(data: st.DataObject) -> None:
    image = np.concatenate((photo(40, 24), noise(40, 24)), 1)
    packed = mulanzip.encode(image, schedule="adaptive", effort=8, context="none", mu=0.25, stored=False, threads=1)
    file = container.unpack(packed)
    chunks = list(file.chunks)
    (at,) = (i for i, c in enumerate(chunks) if c.kind == SCHEDULES_CHUNK)
    payload = bytearray(chunks[at].payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    chunks[at] = Chunk(SCHEDULES_CHUNK, bytes(payload))
    try:
        restored = mulanzip.decode(replace(file, chunks=tuple(chunks)).pack(), threads=1)
    except MulanzipError:
        return
    np.testing.assert_array_equal(restored, image)


@pytest.mark.parametrize("mu", [-0.1, float("nan")])
def test_impossible_prices_are_refused(mu: float) -> None:
    with pytest.raises(ValueError, match="mu must be"):
        SearchPlan.of(EncodeOptions(schedule="adaptive", mu=mu))


def test_every_choice_has_the_default_schedule_or_is_one() -> None:
    for name in SCHEDULE_CHOICES:
        for effort in (1, 5, 9):
            names = SearchPlan.of(EncodeOptions(effort=effort, schedule=name)).schedules.names
            assert names == (name,) or {"default", "one"} <= set(names)
