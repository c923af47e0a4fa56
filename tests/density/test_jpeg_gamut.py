"""The colours of images that were decoded from a JPEG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from support import reference_decoder
from support.pictures import photo

import mulanzip
from mulanzip.density import jpeg_gamut
from mulanzip.density.jpeg_gamut import MAX_LOG2_PENALTY
from mulanzip.errors import CorruptFileError
from mulanzip.format import container
from mulanzip.format.container import GAMUT, Chunk, Container
from mulanzip.image.channels import to_coding_order
from mulanzip.native import library


def once_jpeg(quality: int = 95, subsampling: int = 0, height: int = 96, width: int = 112) -> np.ndarray:
    """A noisy photograph, decoded from a JPEG: uint8 ``(height, width, 3)``."""
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.clip(photo(height, width) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


def is_other(colours: np.ndarray) -> np.ndarray:
    """Whether no JPEG decoder produces a colour ``(..., 3)``, in coding order."""
    green, red, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    index = green << 16 | red << 8 | blue
    return library.other_colours()[index >> 3] >> (index & 7) & 1


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 95])
def test_what_a_jpeg_decoder_gives_is_recognised(quality: int, subsampling: int) -> None:
    pixels = once_jpeg(quality, subsampling)
    found = jpeg_gamut.find(to_coding_order(pixels))
    assert found is not None
    assert found.log2_penalty > 10
    assert not is_other(to_coding_order(pixels)).any()


@pytest.mark.slow
def test_the_colours_of_jpeg_files_are_those_of_the_specification() -> None:
    assert np.array_equal(library.other_colours(), reference_decoder.other_colours())
    assert 0.74 < np.unpackbits(library.other_colours()).mean() < 0.76


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
    assert len(data) < 0.95 * len(other)


def test_alpha_does_not_matter() -> None:
    alpha = photo(96, 112)[..., :1]
    pixels = np.concatenate((once_jpeg(), alpha), axis=2)
    data = mulanzip.encode(pixels, effort=1, stored=False)
    assert container.unpack(data).of_kind(GAMUT)
    np.testing.assert_array_equal(mulanzip.decode(data), pixels)


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
