"""Recipes: what libraries make of a content is found and made again; other streams are refused; no limit is passed."""

from __future__ import annotations

import zlib
from random import Random

import deflate as libdeflate
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulanzip.streams import deflate
from mulanzip.streams.predictor import Predictor
from mulanzip.streams.recipe import Library, Method, Recipe, candidates, find_deflate

ROWS = b"".join(bytes([i // 3 % 256, 7, 7, i * i % 256]) * 15 for i in range(40))
METHODS = pytest.mark.parametrize("method", [Method.DEFLATE, Method.LZW, Method.PACKBITS])


@METHODS
@settings(max_examples=20)
@given(rows=st.integers(1, 9), width=st.integers(1, 90), seed=st.integers(0, 999))
def test_any_content_comes_back(method: Method, rows: int, width: int, seed: int) -> None:
    content = bytes(Random(seed).choice(b"\0\1\xff") for _ in range(rows * width))
    for recipe in (Recipe(method, width), *candidates(Recipe(method, width))):
        stream = recipe.make(content)
        assert recipe.content_of(stream, len(content)) == content
        assert recipe.content_of(stream, len(content) - 1) is None


@METHODS
def test_contents_that_are_no_whole_rows(method: Method) -> None:
    """Writers may leave out the end of the last row."""
    for recipe in (Recipe(method, 60), *candidates(Recipe(method, 60))):
        assert recipe.content_of(recipe.make(ROWS[:-7]), len(ROWS)) == ROWS[:-7]


@METHODS
def test_damaged_streams_have_no_content(method: Method) -> None:
    recipe = Recipe(method, 60)
    for stream in (b"\xff", b"no stream \xfe", recipe.make(ROWS)[: -len(ROWS) // 9]):
        content = recipe.content_of(stream, len(ROWS))
        assert content is None or len(content) < len(ROWS)


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("name", ["zlib", "libdeflate"])
def test_settings_of_deflate_are_found(name: str, level: int) -> None:
    predictor = Predictor(1, "<", 4, 60)
    data = predictor.differences(ROWS)
    stream = zlib.compress(data, level) if name == "zlib" else bytes(libdeflate.zlib_compress(data, level))
    found = find_deflate(Recipe(Method.DEFLATE, 60, predictor), stream, ROWS)
    assert found is not None
    assert found.make(ROWS) == stream


def test_each_library_has_its_own_streams() -> None:
    """Otherwise there would be no need to name them."""
    noise = Random(2).randbytes(12_000)
    lzw = {bytes(recipe.make(noise)) for recipe in candidates(Recipe(Method.LZW, 60))}
    packbits = {bytes(recipe.make(ROWS)) for recipe in candidates(Recipe(Method.PACKBITS, 60))}
    assert (len(lzw), len(packbits)) == (2, 3)
    assert bytes(imagecodecs.lzw_encode(noise)) in lzw


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("order", "<>")
@given(seed=st.integers(0, 1 << 32))
def test_predictors(size: int, order: str, seed: int) -> None:
    random = Random(seed)
    rows, columns, channels = random.randint(1, 5), random.randint(1, 9), random.randint(1, 5)
    content = random.randbytes(rows * columns * channels * size)
    predictor = Predictor(size, order, channels, columns * channels * size)
    differences = predictor.differences(content)
    assert predictor.samples(differences) == content
    pixels, found = (
        np.frombuffer(data, f"{order}u{size}").astype(int).reshape(rows, columns, channels)
        for data in (content, differences)
    )
    assert ((np.cumsum(found, 1) - pixels) % 256**size == 0).all()


def test_impossible_recipes() -> None:
    zlibs = deflate.Settings(deflate.Engine.ZLIB, 6, 15, 8, 0, b"x\x9c")
    with pytest.raises(ValueError, match="impossible"):
        Recipe(Method.LZW, 60, None, zlibs)
    with pytest.raises(ValueError, match="impossible"):
        Recipe(Method.LZW, 60, None, Library.IMAGECODECS_ROWS)
    with pytest.raises(ValueError, match="impossible"):
        Recipe(Method.DEFLATE, 60, None, Library.LIBTIFF)
    impossible = ((Method.LZW, 0, 1), (Method.LZW, 9, 2), (Method.RUNS, 9, 5), (Method.NUMBERS, 9, 3))
    for method, row_bytes, unit in impossible:
        with pytest.raises(ValueError, match="impossible"):
            Recipe(method, row_bytes, unit=unit)
    for numbers in ((3, "<", 1, 60), (1, "=", 1, 60), (2, "<", 7, 60), (1, "<", 0, 60)):
        with pytest.raises(ValueError, match="impossible"):
            Predictor(*numbers)
    with pytest.raises(ValueError, match="whole rows"):
        Recipe(Method.LZW, 60, Predictor(1, "<", 1, 60)).make(ROWS[:-1])
