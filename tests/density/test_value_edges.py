"""Value edges: values that are not evenly wide."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mixtures import TABLES, hostile, mixture_rows, mixtures, seeds, whole_cdf
from support.pictures import brightened, noise, photo

import mulanzip
from mulanzip.codec.subpixels import MixtureCoder
from mulanzip.density import value_edges
from mulanzip.density.config import MEAN_BITS
from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.likelihood import Likelihood
from mulanzip.density.mixture import Mixture
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.density.value_edges import MAX_LOG2_UNIT, MAX_OFFSET, ValueEdges
from mulanzip.encoder.edge_choice import choose_edges
from mulanzip.entropy.ans import SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError
from mulanzip.floatnet.loss import code_length
from mulanzip.format import container
from mulanzip.format.container import VALUE_EDGES, Chunk, Container
from mulanzip.image.channels import to_coding_order

WIDE, HIGH = 136, 132


def random_edges(seed: int, unit: int, colours: int = 3) -> ValueEdges:
    """Edges with random offsets, up to the largest that are allowed."""
    rng = np.random.default_rng(seed)
    reach = int(rng.integers(1, (MAX_OFFSET >> unit) + 1))
    edges = (np.arange(1, 256) << MEAN_BITS - unit) + rng.integers(-reach, reach + 1, (colours, 255))
    edges = np.clip(np.maximum.accumulate(edges, axis=1), 0, 256 << MEAN_BITS - unit)
    return ValueEdges.moved(edges - (np.arange(1, 256) << MEAN_BITS - unit), unit)


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


@settings(max_examples=25)
@given(seeds, mixtures, st.integers(0, MAX_LOG2_UNIT))
def test_cdfs_rise_to_the_total_with_any_edges(seed: int, k: int, unit: int) -> None:
    prediction = hostile(seed, k, 50)
    mixture = Mixture.build(TABLES, *mixture_rows(prediction, k), random_edges(seed, unit, 1).edges[0])[0]
    assert (np.diff(whole_cdf(mixture), axis=0) > 0).all()


@settings(max_examples=25)
@given(seeds, mixtures, st.integers(1, 600), st.integers(0, MAX_LOG2_UNIT), st.booleans())
def test_any_values_come_back_with_any_edges(seed: int, k: int, count: int, unit: int, within: bool) -> None:
    prediction = hostile(seed, k, count)
    statistics = SampleStatistics(value_edges=random_edges(seed, unit), gamut=JpegGamut(9) if within else None)
    truth = np.random.default_rng(seed).integers(0, 256, (count, 3), dtype=np.uint8)
    encoder = SymbolEncoder()
    MixtureCoder(Likelihood(TABLES, statistics), encoder).code_phase(prediction, truth)
    decoder = SymbolDecoder(encoder.finish())
    found = MixtureCoder(Likelihood(TABLES, statistics), decoder).code_phase(prediction, None)
    decoder.finish()
    np.testing.assert_array_equal(found, truth)


def test_a_wider_value_is_likelier_by_as_much(runtime: Runtime) -> None:
    shapes = np.full((1, 1), 128, np.uint8), np.full((1, 1), 200, np.uint8)
    means = np.full((1, 1), 100 << MEAN_BITS, np.int32)
    steps = np.zeros((1, 255), dtype=np.int64)
    steps[0, 99] = -16  # Value 100 begins half a gray level lower.
    masses = []
    for edges in (value_edges.PLAIN_EDGES, ValueEdges.moved(steps, 0).edges[0]):
        mixture = Mixture.build(runtime.model.tables, *shapes, means, edges)[0]
        masses.append(np.diff(whole_cdf(mixture)[:, 0]))
    ratio = masses[1] / masses[0]
    assert ratio[100] == pytest.approx(1.5, rel=0.03)
    assert ratio[99] == pytest.approx(0.5, rel=0.05)
    assert (np.delete(ratio, [99, 100]) == 1).all()


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
    data = mulanzip.encode(pixels, effort=2, stored=False)
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
    found = [choose_edges(planes, runtime, judged) for judged in (False, True)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].encode() == found[1].encode()


def test_the_fit_sees_the_same_code_length() -> None:
    rng = np.random.default_rng(0)
    count, k = 500, 2
    outputs = [torch.from_numpy(rng.normal(0, 0.5, (3 * k, count)).astype(np.float32))]
    statistics = SampleStatistics(value_edges=ValueEdges.moved(rng.integers(-10, 11, (1, 255)), 0))
    base = rng.integers(60, 190, (1, count)) << MEAN_BITS
    values = torch.from_numpy(np.clip((base >> MEAN_BITS) + rng.integers(-6, 7, (1, count)), 0, 255))
    theory = code_length(outputs, torch.from_numpy(base / 2**MEAN_BITS).float(), values, torch.ones(count), statistics)
    parts = outputs[0].numpy()
    shapes = np.rint(128 + np.concatenate((16 * parts[:k], 32 * parts[k : 2 * k]))).astype(np.uint8)
    means = (np.rint(parts[2 * k :] * 16 * 2**MEAN_BITS) + base).astype(np.int32)
    assert statistics.value_edges is not None
    mixture = Mixture.build(TABLES, shapes[:k], shapes[k:], means, statistics.value_edges.edges[0])[0]
    cdf = whole_cdf(mixture)
    at = values[0].numpy(), np.arange(count)
    mass = cdf[at[0] + 1, at[1]] - cdf[at]
    assert float(theory) == pytest.approx(-np.log2(mass / mixture.total).sum(), rel=0.01)


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
