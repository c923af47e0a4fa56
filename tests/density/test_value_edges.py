"""Value edges: values that are not evenly wide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import brightened, noise, photo
from support.predictions import random_edges, seeds

import mulanzip
from mulanzip.density import value_edges
from mulanzip.density.runtime import Runtime
from mulanzip.density.value_edges import MAX_LOG2_UNIT, MAX_OFFSET
from mulanzip.encoder.edge_choice import edge_choices
from mulanzip.errors import CorruptFileError
from mulanzip.format import container
from mulanzip.format.container import VALUE_EDGES, Chunk, Container
from mulanzip.image.channels import to_coding_order

WIDE, HIGH = 136, 132


def file_of(pixels: np.ndarray) -> Container:
    return container.unpack(mulanzip.encode(pixels, effort=1, stored=False))


@pytest.mark.slow
@settings(max_examples=40)
@given(seeds, st.integers(0, MAX_LOG2_UNIT), st.sampled_from((1, 3)))
def test_value_edges_come_back_from_their_bytes(seed: int, unit: int, colours: int) -> None:
    given = random_edges(seed, unit, colours)
    found = value_edges.decode(given.encode(), colours)
    np.testing.assert_array_equal(found.edges, given.edges)


@settings(max_examples=40)
@given(st.binary(max_size=300), st.sampled_from((1, 3)))
def test_any_bytes_are_rising_edges_or_refused(data: bytes, colours: int) -> None:
    try:
        found = value_edges.decode(data, colours)
    except CorruptFileError:
        return
    assert (np.diff(found.edges) >= 0).all()
    assert np.abs(found.edges - value_edges.PLAIN_EDGES).max() <= MAX_OFFSET
    assert found.edges.shape == (colours, 257)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_with_more_contrast_gets_smaller(channels: int) -> None:
    pixels = brightened(photo(HIGH, WIDE, channels))
    data = mulanzip.encode(pixels, effort=1, stored=False)
    assert len(container.unpack(data).of_kind(VALUE_EDGES)) == 1
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)
    assert len(data) < 0.97 * len(mulanzip.encode(pixels, effort=1, context="none", stored=False))


@pytest.mark.slow
def test_a_fitted_image_has_value_edges_too() -> None:
    pixels = brightened(photo(HIGH, WIDE))
    data = mulanzip.encode(pixels, effort=1, context="fit", stored=False)
    assert container.unpack(data).of_kind(VALUE_EDGES)
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)


@pytest.mark.slow
def test_previews_and_alpha_go_with_value_edges() -> None:
    pixels = np.concatenate((brightened(photo(HIGH, WIDE)), photo(HIGH, WIDE)[..., :1]), axis=2)
    data = mulanzip.encode(pixels, effort=1, stored=False)
    assert container.unpack(data).of_kind(VALUE_EDGES)
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)
    np.testing.assert_array_equal(mulanzip.decode(data, scale=4), pixels[::4, ::4])


@pytest.mark.slow
def test_other_images_have_none() -> None:
    for pixels in (photo(HIGH, WIDE), photo(HIGH, WIDE, 1), noise(HIGH, WIDE), brightened(photo(60, 70))):
        assert not file_of(pixels).of_kind(VALUE_EDGES)


def test_what_is_found_is_the_same_for_the_same_image(runtime: Runtime) -> None:
    planes = to_coding_order(brightened(photo(HIGH, WIDE)))
    found = edge_choices(planes, runtime, is_judged=True)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].encode() == found[1].encode()


@pytest.mark.slow
@pytest.mark.parametrize("payload", [b"", b"\0\0", bytes([MAX_LOG2_UNIT + 1, 0, 0]), b"\0\xff\xff\x01", b"\0\0\0\0"])
def test_damaged_value_edges_are_refused(payload: bytes) -> None:
    file = file_of(brightened(photo(HIGH, WIDE)))
    chunks = tuple(Chunk(VALUE_EDGES, payload) if chunk.kind == VALUE_EDGES else chunk for chunk in file.chunks)
    with pytest.raises(CorruptFileError):
        mulanzip.decode(Container(file.header, chunks).pack())


def test_images_that_cannot_have_value_edges_are_refused_with_them() -> None:
    deep = container.unpack(mulanzip.encode(photo(40, 40, 1).astype(np.uint16) * 200, stored=False))
    with pytest.raises(CorruptFileError, match="value edges"):
        mulanzip.decode(Container(deep.header, (Chunk(VALUE_EDGES, b"\0\0\0"), *deep.chunks)).pack())


@pytest.mark.slow
def test_bits_are_counted_as_they_are_coded() -> None:
    data = mulanzip.encode(brightened(photo(HIGH, WIDE)), effort=1, stored=False)
    found = mulanzip.ledger(data)
    assert found.total.file == 8 * len(data)
    assert any(entry.name == "value edges" for entry in found.entries)
    assert mulanzip.bits_map(data).sum() == pytest.approx(found.total.theory, rel=0.02)
