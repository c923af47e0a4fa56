"""Pages, frames and slices of files as stacks."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from PIL import Image
from support.image_files import nifti

import mulanzip
from mulanzip import keep, picture_decoder
from mulanzip.format import container
from mulanzip.format.container import IMAGE, STACK
from mulanzip.image.kinds import Mode
from mulanzip.options import EncodeOptions, Execution
from mulanzip.source import spans

VOLUME = np.clip(
    np.random.default_rng(5).normal(120, 20, (128, 130)) + np.random.default_rng(6).normal(0, 2, (3, 128, 130)), 0, 255
).astype(np.uint8)


def _tiff(pages: np.ndarray, compression: str | None = None) -> bytes:
    first, *others = (Image.fromarray(page) for page in pages)
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others, compression=compression)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _fits(array: np.ndarray) -> bytes:
    sides = (f"NAXIS{i + 1}  = {side:20}" for i, side in enumerate(array.shape[::-1]))
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                   16",
        f"NAXIS   = {array.ndim:20}",
        *sides,
        "END",
    ]
    header = "".join(card.ljust(80) for card in cards).encode()
    data = array.astype(">i2").tobytes()
    return header.ljust(2880) + data + bytes(-len(data) % 2880)


WORDS = VOLUME.astype(np.int16) * 7 - 900
SOURCES = {
    "tiff": _tiff(VOLUME),
    "deflated tiff": _tiff(VOLUME, "tiff_adobe_deflate"),
    "npy": _npy(VOLUME),
    "npy of words": _npy(WORDS),
    "FITS of words": _fits(WORDS),
    "NIfTI of words": nifti(WORDS),
    "NIfTI of words in gzip": gzip.compress(nifti(WORDS)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_slices_of_files_are_coded_as_a_stack(name: str) -> None:
    source = SOURCES[name]
    kept = keep.keep(source, encoding=EncodeOptions(effort=1), execution=Execution("auto", 1))
    file = container.unpack(kept.file.pack())
    (image,) = (container.unpack(payload) for payload in file.of_kind(IMAGE))
    assert image.of_kind(STACK) == [b""]
    assert image.header.mode is Mode.BANDS
    assert image.header.bands == len(VOLUME)
    assert picture_decoder.restore_file(file) == source
    wanted = VOLUME if "words" not in name else WORDS
    data = kept.file.pack()
    np.testing.assert_array_equal(mulanzip.decode(data, index=1), wanted[1])
    np.testing.assert_array_equal(mulanzip.decode(data, index=2, region=(slice(5), slice(7, 9))), wanted[2, :5, 7:9])
    with pytest.raises(IndexError, match="3 slices"):
        mulanzip.decode(data, index=3)
    # Readers show pages of a TIFF file as bands, and nothing of other files of three axes.
    shown = mulanzip.decode(data)
    np.testing.assert_array_equal(shown, np.moveaxis(wanted, 0, 2) if "tiff" in name else wanted)


def test_slices_of_a_place_follow_each_other_in_time() -> None:
    """An array of NIfTI is (time, slice, row, column)."""
    series = np.stack([WORDS[:2], WORDS[:2] + 1, WORDS[:2] - 5])
    source = nifti(series)
    kept = keep.keep(source, encoding=EncodeOptions(effort=1))
    assert picture_decoder.restore_file(kept.file) == source
    shown = mulanzip.decode(kept.file.pack())
    np.testing.assert_array_equal(shown, series.transpose(1, 0, 2, 3).reshape(6, 128, 130))


def test_a_slice_of_a_file_of_single_images() -> None:
    pages = [_tiff(VOLUME[:1, :60, :70]), _npy(VOLUME[0, :60])]
    for source in pages:
        data = keep.keep(source, encoding=EncodeOptions(effort=1)).file.pack()
        wanted = VOLUME[0, :60, :70] if source is pages[0] else VOLUME[0, :60]
        np.testing.assert_array_equal(mulanzip.decode(data, index=0), wanted)


def test_small_and_coloured_images_are_no_slices() -> None:
    small = spans.find(_npy(VOLUME[:, :40, :50]))
    assert small is not None
    assert [(picture.mode, picture.pixels.shape) for picture in small.pictures] == [(Mode.GRAY, (120, 50, 1))]
    coloured = spans.find(_npy(np.stack([VOLUME, VOLUME[::-1], VOLUME], 3)))
    assert coloured is not None
    assert not any(picture.is_stack for picture in coloured.pictures)


def test_long_stacks_are_cut() -> None:
    found = spans.find(_npy(np.zeros((300, 128, 160), dtype=np.uint8)))
    assert found is not None
    assert [picture.bands for picture in found.pictures] == [255, 45]


def test_very_many_tiny_slices() -> None:
    """As one image, they would have more blocks than a table may have."""
    values = np.random.default_rng(9).integers(-900, 900, (5, 9, 9, 2, 2)).astype("<i2")
    source = nifti(values)
    kept = keep.keep(source, encoding=EncodeOptions(effort=1))
    keep.verify(kept, source, EncodeOptions.model)
    assert picture_decoder.restore_file(container.unpack(kept.file.pack())) == source
