"""The table of holes: it comes back, and whatever else it is told is refused or harmless."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from fuzz.mutation import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference_places
from support.sources import MAKERS

from mulanzip.errors import CorruptFileError
from mulanzip.source import spans
from mulanzip.source.holes import Hole, Layout, restore
from mulanzip.source.packing import Fields, Packed, Words
from mulanzip.source.table import pack, unpack


def taken_apart(name: str, seed: int) -> tuple[bytes, spans.Spans]:
    """A random file, expanded, and the images in it: each by itself, or small ones as one."""
    source = MAKERS[name](Random(seed)).data
    file = spans.expanded(source)
    images = spans.choose(file.data, file.images)
    found = spans.take(file.data, spans.stacked(images) if seed % 2 else images)
    assert found is not None
    return file.data, found


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=50)
@given(seed=st.integers(0, 1 << 32))
def test_damaged_tables(name: str, seed: int) -> None:
    """A decoder with a wrong table gives some bytes, or an error of its own."""
    data, found = taken_apart(name, seed)
    valid = pack(found.holes)
    assert pack(unpack(valid)) == valid
    table = damaged(Random(seed), valid, [valid])
    try:
        restored = restore(found.skeleton, unpack(table), [picture.pixels for picture in found.pictures])
    except CorruptFileError:
        return
    assert len(restored) <= 2 * len(data) + 64


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=20)
@given(seed=st.integers(0, 1 << 32))
def test_the_specification_suffices(name: str, seed: int) -> None:
    """A decoder written from the text alone restores the files."""
    data, found = taken_apart(name, seed)
    restored = reference_places.restore(pack(found.holes), found.skeleton, [p.pixels for p in found.pictures])
    assert restored == data


def test_stacks_take_few_bytes() -> None:
    layout = Layout.of_rows(100, 100, 200, Words(2, pixel_step=2))
    holes = [Hole(layout, np.array([100 + 20_000 * i])) for i in range(1000)]
    assert len(pack(holes)) < 32
    assert all(a.offsets == b.offsets for a, b in zip(unpack(pack(holes)), holes, strict=True))


_PLAIN = Layout.of_rows(9, 9, 9, Words(1))


@pytest.mark.parametrize(
    "layout",
    [
        replace(_PLAIN, height=0),
        replace(_PLAIN, width=1 << 25),
        replace(_PLAIN, planes=256),
        replace(_PLAIN, block_height=10),
        replace(_PLAIN, block_width=0),
        replace(_PLAIN, row_step=1 << 50),
        replace(_PLAIN, height=1 << 12, width=1 << 12, block_height=1, block_width=1),
        replace(_PLAIN, packing=Words(4)),
        replace(_PLAIN, packing=Words(1, signed=True)),
        replace(_PLAIN, packing=Words(1, flip=256)),
        replace(_PLAIN, packing=Words(1, places=())),
        replace(_PLAIN, packing=Packed(17)),
        replace(_PLAIN, packing=Packed(4, flip=16)),
        replace(_PLAIN, packing=Fields(2, "<", 0, ((0, 17),))),
        replace(_PLAIN, packing=Fields(2, "<", 0, ((9, 8),))),
        replace(_PLAIN, packing=Fields(2, "<", 0, ((0, 5), (4, 5)))),
        replace(_PLAIN, packing=Fields(2, "<", 32, ((0, 5),))),
        replace(_PLAIN, packing=Fields(2, "<", 0, ())),
    ],
)
def test_impossible_layouts_are_refused(layout: Layout) -> None:
    with pytest.raises(CorruptFileError, match="table of the images' places is damaged"):
        unpack(pack([Hole(layout, np.array([0]))]))


@pytest.mark.parametrize("offsets", [[-2], [1 << 50]])
def test_impossible_offsets_are_refused(offsets: list[int]) -> None:
    with pytest.raises(CorruptFileError, match="table of the images' places is damaged"):
        unpack(pack([Hole(_PLAIN, np.array(offsets))]))


def test_images_that_do_not_fit_are_refused() -> None:
    hole, image = Hole(_PLAIN, np.array([3])), np.zeros((9, 9, 1), np.uint8)
    assert restore(b"abcdef", [hole], [image]) == b"abc" + bytes(81) + b"def"
    for images in ([], [image, image], [image[:8]], [image.astype(np.uint16)]):
        with pytest.raises(CorruptFileError, match=r"does not fit|another number"):
            restore(b"abcdef", [hole], images)
    for holes in ([Hole(_PLAIN, np.array([7]))], [hole, hole]):
        with pytest.raises(CorruptFileError, match="places of the images are damaged"):
            restore(b"abcdef", holes, [image] * len(holes))
