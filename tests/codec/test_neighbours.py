"""Slices of a stack, and bands, that are coded given earlier ones."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mulanzip
from mulanzip.codec import neighbours
from mulanzip.codec.neighbours import MAX_DISTANCE, Neighbourhood, References
from mulanzip.encoder.neighbour_choice import KEY_INTERVAL, choose_references
from mulanzip.errors import CorruptFileError, LimitError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import NEIGHBOURS, STACK, Chunk, Container
from mulanzip.image.picture import Picture
from mulanzip.inspect.info import describe
from mulanzip.inspect.ledger import ledger
from mulanzip.inspect.maps import bits_map
from mulanzip.inspect.salvage import salvage
from mulanzip.limits import Limits


def volume(slices: int, height: int, width: int, kind: str = "uint8") -> np.ndarray:
    """Slices that hardly differ: noise that all of them have, and little of their own."""
    rng = np.random.default_rng(slices * height + width)
    same = rng.normal(100, 20, (height, width)) + np.add.outer(np.arange(height), np.arange(width)) / 3
    own = np.cumsum(rng.normal(0, 1.5, (slices, height, width)), 0)
    return np.clip(same + own, 0, 255).astype(kind)


@st.composite
def references(draw: st.DrawFn) -> References:
    found = []
    for number in range(draw(st.integers(2, 40))):
        before = st.integers(max(0, number - MAX_DISTANCE), number - 1)
        found.append(tuple(draw(st.lists(before, max_size=2, unique=True))) if number else ())
    found[1] = (0,)
    return tuple(found)


@given(references())
def test_references_come_back(wanted: References) -> None:
    assert neighbours.unpack(neighbours.pack(wanted), [False] * len(wanted)) == wanted


def _distances(*rows: tuple[int, int]) -> bytes:
    return zlib.compress(bytes(np.array(rows, dtype=np.uint8)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        zlib.compress(b"\0\0\1"),
        _distances((0, 0), (1, 0), (1, 0), (1, 0)),
        _distances((0, 0), (0, 0), (0, 0)),
        _distances((1, 0), (0, 0), (0, 0)),
        _distances((0, 0), (2, 0), (0, 0)),
        _distances((0, 0), (0, 1), (0, 0)),
        _distances((0, 0), (0, 0), (1, 1)),
        _distances((0, 0), (1, 0), (0, 0)) + b"more",
        zlib.compress(bytes(1 << 20)),
    ],
)
def test_damaged_references_are_refused(payload: bytes) -> None:
    with pytest.raises(CorruptFileError):
        neighbours.unpack(payload, [False] * 3)


def test_constant_groups_neither_look_nor_are_looked_at() -> None:
    for constant in ([True, False], [False, True]):
        with pytest.raises(CorruptFileError):
            neighbours.unpack(_distances((0, 0), (1, 0)), constant)
    far = [(0, 0)] * MAX_DISTANCE + [(MAX_DISTANCE, 0)]
    assert neighbours.unpack(_distances(*far), [False] * len(far))[-1] == (0,)
    with pytest.raises(CorruptFileError):
        neighbours.unpack(_distances((0, 0), *far[:-1], (MAX_DISTANCE + 1, 0)), [False] * (len(far) + 1))


@given(references())
def test_no_more_is_kept_than_later_ones_look_at(wanted: References) -> None:
    neighbourhood, most = Neighbourhood(wanted, [0] * len(wanted)), 0
    for number in range(len(wanted)):
        most = max(most, len(neighbourhood._kept) - (number - 1 in neighbourhood._kept))
        canvas = neighbourhood.canvas(number, np.zeros((1, 1, 1), dtype=np.uint8))
        assert len(canvas.slice.earlier if canvas.slice else ()) == len(wanted[number])
        later = {other for own in wanted[number + 1 :] for other in own}
        assert set(neighbourhood._kept) == {other for other in later if other <= number}
        for other, kept in neighbourhood._kept.items():  # They do not keep others alive.
            assert other == number or kept.slice is None or not kept.slice.earlier
    assert most <= neighbours.most_kept(wanted) <= MAX_DISTANCE + 1


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
def test_stacks_come_back_and_are_smaller(kind: str) -> None:
    slices = volume(4, 60, 66, kind) * (1 if kind == "uint8" else 5)
    data = mulanzip.encode(slices, stack=True, effort=1, stored=False)
    restored = mulanzip.decode(data)
    assert restored.dtype == slices.dtype
    np.testing.assert_array_equal(restored, slices)
    alone = sum(len(mulanzip.encode(one, effort=1, stored=False)) for one in slices)
    assert len(data) < 0.9 * alone


def test_threads_do_not_change_stacks() -> None:
    slices = volume(3, 270, 280)  # Several tiles.
    data = mulanzip.encode(slices, stack=True, effort=1, stored=False, threads=1)
    assert mulanzip.encode(slices, stack=True, effort=1, stored=False, threads=3) == data
    np.testing.assert_array_equal(mulanzip.decode(data, threads=3), slices)
    np.testing.assert_array_equal(mulanzip.decode(data, scale=4), slices[:, ::4, ::4])


def _with(file: Container, chunk: Chunk) -> bytes:
    return replace(file, chunks=(*(other for other in file.chunks if other.kind != chunk.kind), chunk)).pack()


STACKED = volume(5, 40, 37)
DATA = mulanzip.encode(STACKED, stack=True, effort=1, stored=False, threads=1)


@pytest.mark.parametrize("index", range(5))
def test_a_slice_is_decoded_alone(index: int) -> None:
    np.testing.assert_array_equal(mulanzip.decode(DATA, index=index, threads=1), STACKED[index])
    np.testing.assert_array_equal(mulanzip.decode(DATA, index=index, scale=8), STACKED[index, ::8, ::8])


def test_only_what_a_slice_takes_is_decoded() -> None:
    """The last segment may be damaged then."""
    file = container.unpack(DATA)
    last = replace(file.chunks[-1], payload=file.chunks[-1].payload[:-1] + b"\7")
    data = replace(file, chunks=(*file.chunks[:-1], last)).pack()
    np.testing.assert_array_equal(mulanzip.decode(data, index=3), STACKED[3])
    for index in (4, None):
        with pytest.raises(CorruptFileError):
            mulanzip.decode(data, index=index)


@pytest.mark.parametrize("index", [-1, 5])
def test_slices_that_are_not_there(index: int) -> None:
    with pytest.raises(IndexError, match="5 slices"):
        mulanzip.decode(DATA, index=index)
    with pytest.raises(IndexError, match="no slices or bands"):
        mulanzip.decode(mulanzip.encode(STACKED[0], effort=1), index=index)


@pytest.mark.parametrize(
    "array", [STACKED[0], STACKED[:0], STACKED.astype(np.float32), np.zeros((256, 2, 2), np.uint8)]
)
def test_other_arrays_are_no_stacks(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError, match="stacks"):
        mulanzip.encode(array, stack=True)


def test_stored_stacks_come_back() -> None:
    slices = np.repeat(np.arange(3, dtype=np.uint8)[:, None, None], 30, 1).repeat(40, 2)
    data = mulanzip.encode(slices, stack=True, effort=1)
    assert container.unpack(data).header.coding is container.Coding.STORED
    np.testing.assert_array_equal(mulanzip.decode(data), slices)


def test_files_whose_parts_contradict_each_other_are_refused() -> None:
    file = container.unpack(DATA)
    for chunk in (Chunk(STACK, b"\0"), Chunk(NEIGHBOURS, b"")):
        with pytest.raises(CorruptFileError):
            mulanzip.decode(_with(file, chunk))
    other = container.unpack(mulanzip.encode(STACKED[0], effort=1, stored=False))
    for chunk in (Chunk(STACK, b""), Chunk(NEIGHBOURS, file.of_kind(NEIGHBOURS)[0])):
        with pytest.raises(CorruptFileError):
            mulanzip.decode(_with(other, chunk))


@pytest.mark.parametrize("rows", [[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)], [(0, 0), (1, 0), (2, 1), (3, 1), (1, 2)]])
def test_wrong_references_are_found(rows: Sequence[tuple[int, int]]) -> None:
    """Nothing else of the file is wrong."""
    assert container.unpack(DATA).of_kind(NEIGHBOURS)[0] != _distances(*rows)
    with pytest.raises(CorruptFileError):
        mulanzip.decode(_with(container.unpack(DATA), Chunk(NEIGHBOURS, _distances(*rows))))


def test_memory_is_checked_for_what_is_kept() -> None:
    with pytest.raises(LimitError):
        mulanzip.decode(DATA, limits=Limits(memory=1 << 20))


def test_key_slices_look_at_no_other() -> None:
    slices = np.random.default_rng(1).integers(0, 255, (KEY_INTERVAL + 5, 20, 21)).astype(np.uint8)
    found = choose_references(Picture.from_stack(slices), [False] * len(slices))
    assert found is not None
    assert [number for number, own in enumerate(found) if not own] == [0, KEY_INTERVAL]
    assert all(other >= KEY_INTERVAL for own in found[KEY_INTERVAL:] for other in own)


def test_bands_look_at_like_ones_alone() -> None:
    one, other = (np.random.default_rng(seed).integers(0, 255, (70, 80)).astype(np.uint8) for seed in (1, 2))
    bands = np.dstack((one, other, 255 - one, one // 2, other // 3))
    assert choose_references(Picture.from_array(bands), [False] * 5) == ((), (), (0,), (2, 0), (1,))
    assert choose_references(Picture.from_array(bands), [True, *[False] * 4]) == ((), (), (), (2,), (1,))
    assert choose_references(Picture.from_array(bands[:20, :20]), [False] * 5) is None
    noise = np.random.default_rng(3).integers(0, 255, (70, 80, 5)).astype(np.uint8)
    assert choose_references(Picture.from_array(noise), [False] * 5) is None


def test_bands_that_look_at_others_come_back() -> None:
    bands = np.moveaxis(volume(5, 64, 70), 0, 2) * np.arange(1, 6, dtype=np.uint16)
    data = mulanzip.encode(bands, effort=1, stored=False)
    assert container.unpack(data).of_kind(NEIGHBOURS)
    np.testing.assert_array_equal(mulanzip.decode(data), bands)
    np.testing.assert_array_equal(mulanzip.decode(data, index=2), bands[..., 2])


def test_lengths_and_maps_of_stacks() -> None:
    entries = ledger(DATA).entries
    assert sum(entry.file for entry in entries) == 8 * len(DATA)
    assert not any(entry.name == "metadata" for entry in entries)
    segments = [entry for entry in entries if "coarse levels" in entry.name]
    assert len(segments) == len(STACKED)
    assert all(entry.theory <= entry.coded < entry.theory + 64 for entry in segments)
    bits = bits_map(DATA)
    assert bits.shape == STACKED.shape[1:]
    assert float(bits.sum()) == pytest.approx(sum(entry.theory for entry in segments), rel=1e-4)


def test_all_parts_are_described() -> None:
    facts = describe(container.unpack(DATA), len(DATA))
    assert not any(part.startswith("unknown") for part in facts.parts)
    assert facts.channels == len(STACKED)


def test_slices_before_a_damaged_one_are_salvaged() -> None:
    damaged = bytearray(mulanzip.encode(volume(3, 270, 280), stack=True, effort=1, stored=False))
    damaged[-60] ^= 255  # In a tile of the last slice.
    result = salvage(bytes(damaged))
    np.testing.assert_array_equal(result.picture.pixels[..., :2], np.moveaxis(volume(3, 270, 280), 0, 2)[..., :2])
