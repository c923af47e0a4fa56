"""Expanded files: streams come back, in their places or behind the file, and the numbers that speak of them fit."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from fuzz.mutation import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference_streams
from support.sources import MAKERS

from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.source import spans
from mulanzip.streams import deflate
from mulanzip.streams.expanded import LENGTH, POSITION, Field, Stream, Streams, remake
from mulanzip.streams.predictor import Predictor
from mulanzip.streams.recipe import Library, Method, Recipe
from mulanzip.streams.table import pack, unpack

PLAIN = Recipe(Method.PACKBITS, 10)
MADE = replace(PLAIN, settings=Library.IMAGECODECS)
#: A number for a length and one for a position, a stream, three bytes, a stream.
CONTENT = b"a" * 30
STREAM = MADE.make(CONTENT)
TABLE = Streams(
    71,
    (Stream(8, 30, len(STREAM), MADE), Stream(41, 30, len(STREAM) + 2, MADE, b"ab")),
    (
        Field(0, 2, True, LENGTH, 0),
        Field(2, 2, True, LENGTH, 1),
        Field(4, 2, False, POSITION, 0),
        Field(6, 2, False, POSITION, 1),
    ),
)
EXPANDED = bytes(8) + CONTENT + b"xyz" + CONTENT
SIZE = len(STREAM)
SOURCE = bytes([SIZE, 0, SIZE + 2, 0, 0, 8, 0, 8 + SIZE + 3]) + STREAM + b"xyz" + STREAM + b"ab"


def test_streams_and_numbers_come_back() -> None:
    assert remake(EXPANDED, TABLE) == SOURCE
    assert TABLE.source_size == len(SOURCE)
    assert TABLE.is_exact
    assert unpack(pack(TABLE)) == TABLE


def test_streams_that_are_written_anew() -> None:
    """A shorter one lies in the place of the old one, a longer one behind the file; nothing else moves."""
    anew = TABLE.anew()
    assert not anew.is_exact
    first, second = anew.streams
    anew = replace(anew, streams=(replace(first, place=1), replace(second, place=20)))
    assert unpack(pack(anew)) == anew
    made = remake(EXPANDED, anew)
    stream = PLAIN.make(CONTENT)
    length, position = len(stream), 8 + 1 + 3 + 20
    assert made[8:12] == b"\0xyz"
    assert made[12:32] == stream.ljust(20, b"\0")
    assert made[position:] == stream
    assert made[:8] == bytes([length, 0, length, 0, 0, position, 0, 12])


def test_numbers_that_are_too_small_for_a_stream() -> None:
    table = Streams(100_002, (Stream(2, 100_000, 1, PLAIN),), (Field(0, 2, True, LENGTH, 0),))
    with pytest.raises(UnsupportedImageError, match="too long"):
        remake(bytes(2) + Random(1).randbytes(100_000), table)


def test_a_table_of_another_file() -> None:
    with pytest.raises(CorruptFileError, match="size"):
        remake(EXPANDED + b"x", TABLE)
    recipe = replace(MADE, predictor=Predictor(1, "<", 1, 7), method=Method.LZW)
    with pytest.raises(CorruptFileError, match="whole rows"):
        remake(EXPANDED, replace(TABLE, streams=(replace(TABLE.streams[0], recipe=recipe),)))


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 70},
        {"streams": ()},
        {"streams": (TABLE.streams[0], TABLE.anew().streams[1])},
        {"streams": (replace(TABLE.streams[0], length=0),)},
        {"streams": (replace(TABLE.streams[0], tail=bytes(deflate.MAX_TAIL + 1), place=99),)},
        {"streams": (replace(TABLE.streams[0], tail=b"long", place=3),)},
        {"fields": (Field(7, 2, True, LENGTH, 0),)},
        {"fields": (Field(39, 4, True, LENGTH, 0),)},
        {"fields": (Field(70, 2, True, LENGTH, 0),)},
        {"fields": (Field(0, 2, True, LENGTH, 2),)},
    ],
)
def test_impossible_tables(changed: dict[str, object]) -> None:
    with pytest.raises(CorruptFileError, match="table of the streams"):
        unpack(pack(replace(TABLE, **changed)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["tiff", "tga_runs", "pnm_text", "dicom_jpeg", "dicom_jpeg_ls", "dicom_rle", "gif", "gzip"]
)
@settings(max_examples=40)
@given(seed=st.integers(0, 1 << 32))
def test_the_specification_suffices(name: str, seed: int) -> None:
    """What is written from the text alone makes the same files."""
    data = MAKERS[name](Random(seed)).data
    file = spans.expanded(data)
    if file.streams is not None and file.streams.is_exact:
        assert reference_streams.restore(pack(file.streams), file.data) == data


@given(seed=st.integers(0, 1 << 32))
def test_damaged_tables(seed: int) -> None:
    valid = pack(TABLE)
    try:
        table = unpack(damaged(Random(seed), valid, [valid]))
        if table.source_size < 1 << 20:
            remake(EXPANDED, table)
    except (CorruptFileError, UnsupportedImageError):
        pass
    found = deflate.Settings(deflate.Engine.ZLIB_NG, 6, 15, 8, 0, b"x\x9c")
    recipe = Recipe(Method.DEFLATE, 30, Predictor(2, ">", 3, 30), found)
    table = replace(TABLE, streams=(replace(TABLE.streams[0], recipe=recipe),), fields=())
    assert unpack(pack(table)) == table
