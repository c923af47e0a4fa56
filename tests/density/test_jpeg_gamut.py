"""The colours of images that were decoded from a JPEG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.mixtures import TABLES, hostile, mixtures, seeds
from support.pictures import photo

import mulanzip
from mulanzip.codec.cell_bits import CellBits
from mulanzip.codec.subpixels import MixtureCoder
from mulanzip.density import jpeg_gamut
from mulanzip.density.jpeg_gamut import MAX_LOG2_PENALTY, JpegGamut
from mulanzip.density.likelihood import Likelihood
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.entropy.ans import BitCounter, SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError
from mulanzip.format import container
from mulanzip.format.container import GAMUT, Chunk, Container
from mulanzip.image.channels import to_coding_order


def once_jpeg(quality: int = 95, subsampling: int = 0, height: int = 96, width: int = 112) -> np.ndarray:
    """A noisy photograph, decoded from a JPEG: uint8 ``(height, width, 3)``."""
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.clip(photo(height, width) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 95])
def test_what_a_jpeg_decoder_gives_is_recognised(quality: int, subsampling: int) -> None:
    pixels = once_jpeg(quality, subsampling)
    found = jpeg_gamut.find(to_coding_order(pixels))
    assert found is not None
    assert found.log2_penalty > 10
    green, red, blue = to_coding_order(pixels).reshape(-1, 3).T.astype(np.int32)
    assert not found.log2_penalties((green, red), blue).any()


def test_a_quarter_of_all_colours_are_those_of_jpeg_files() -> None:
    rng = np.random.default_rng(1)
    green, red, blue = rng.integers(0, 256, (3, 100_000), dtype=np.int32)
    others = JpegGamut(1).log2_penalties((green, red), blue).mean()
    assert 0.74 < others < 0.76


def test_other_images_have_no_gamut() -> None:
    pixels = photo(96, 112)
    assert jpeg_gamut.find(to_coding_order(pixels)) is None
    assert jpeg_gamut.find(to_coding_order(once_jpeg()[:20, :20])) is None
    assert jpeg_gamut.find(once_jpeg()[..., :1]) is None
    # After brightening, most colours are no JPEG colours.
    assert jpeg_gamut.find(to_coding_order((once_jpeg() * 0.9).astype(np.uint8))) is None


def test_it_pays() -> None:
    pixels = once_jpeg()
    data = mulanzip.encode(pixels, effort=1, stored=False)
    file = container.unpack(data)
    assert len(file.of_kind(GAMUT)) == 1
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)
    changed = pixels.copy()
    changed[::4, ::3, 2] ^= 1
    other = mulanzip.encode(changed, effort=1, stored=False)
    assert not container.unpack(other).of_kind(GAMUT)
    assert len(data) < 0.93 * len(other)


def test_alpha_does_not_matter() -> None:
    alpha = photo(96, 112)[..., :1]
    pixels = np.concatenate((once_jpeg(), alpha), axis=2)
    data = mulanzip.encode(pixels, effort=1, stored=False)
    assert container.unpack(data).of_kind(GAMUT)
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)


@settings(max_examples=25)
@given(seeds, mixtures, st.integers(1, 600), st.integers(1, MAX_LOG2_PENALTY))
def test_any_values_come_back_within_any_gamut(seed: int, k: int, count: int, log2_penalty: int) -> None:
    prediction = hostile(seed, k, count)
    truth = np.random.default_rng(seed).integers(0, 256, (count, 3), dtype=np.uint8)
    encoder = SymbolEncoder()
    MixtureCoder(Likelihood(TABLES, SampleStatistics(gamut=JpegGamut(log2_penalty))), encoder).code_phase(
        prediction, truth
    )
    decoder = SymbolDecoder(encoder.finish())
    found = MixtureCoder(Likelihood(TABLES, SampleStatistics(gamut=JpegGamut(log2_penalty))), decoder).code_phase(
        prediction, None
    )
    decoder.finish()
    np.testing.assert_array_equal(found, truth)


def test_code_lengths_of_cells_are_what_is_coded() -> None:
    pixels = once_jpeg(height=128, width=128)
    planes = to_coding_order(pixels)
    statistics = SampleStatistics(gamut=jpeg_gamut.find(planes))
    rng = np.random.default_rng(2)
    prediction = hostile(3, 2, 4000)
    prediction.base[...] = rng.integers(0, 8, prediction.base.shape) * 32 + 100 * 32
    truth = planes.reshape(-1, 3)[:4000]
    counter, lengths = BitCounter(), CellBits(Likelihood(TABLES, statistics))
    MixtureCoder(Likelihood(TABLES, statistics), counter).code_phase(prediction, truth)
    lengths.code_phase(prediction, truth)
    assert lengths.phases[0].sum() == pytest.approx(counter.bits, rel=0.01)


@pytest.mark.parametrize("payload", [b"", b"\0", bytes([MAX_LOG2_PENALTY + 1]), b"\x05\x05"])
def test_damaged_gamuts_are_refused(payload: bytes) -> None:
    file = container.unpack(mulanzip.encode(once_jpeg(), effort=1, stored=False))
    chunks = tuple(Chunk(GAMUT, payload) if chunk.kind == GAMUT else chunk for chunk in file.chunks)
    with pytest.raises(CorruptFileError, match="gamut"):
        mulanzip.decode(Container(file.header, chunks).pack())


def test_a_wrong_gamut_gives_no_wrong_picture() -> None:
    file = container.unpack(mulanzip.encode(once_jpeg(), effort=1, stored=False))
    chunks = tuple(Chunk(GAMUT, b"\x02") if chunk.kind == GAMUT else chunk for chunk in file.chunks)
    with pytest.raises(CorruptFileError):
        mulanzip.decode(Container(file.header, chunks).pack())


def test_gray_images_have_no_gamut() -> None:
    file = container.unpack(mulanzip.encode(photo(40, 40, 1), stored=False))
    with pytest.raises(CorruptFileError, match="gamut"):
        mulanzip.decode(Container(file.header, (Chunk(GAMUT, b"\x10"), *file.chunks)).pack())
