"""Files of samples of 32 bits: one half of them is coded as images, the other one stays in the file."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pytest
import tifffile
from support.image_files import nifti
from support.pictures import smooth

import mulanzip
from mulanzip import keep, picture_decoder
from mulanzip.errors import PartError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import IMAGE, STREAMS, Coding
from mulanzip.image.kinds import Mode
from mulanzip.options import EncodeOptions, Execution, Grade
from mulanzip.source import spans

FLOATS = (700 + 3.0 * smooth(60, 70, 1) + np.random.default_rng(7).normal(0, 0.01, (60, 70))).astype(np.float32)
WORDS = smooth(60, 70, 1).astype(np.int32) * 60 - 5000


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _fits(array: np.ndarray, zero: int = 0) -> bytes:
    bits = 32 if array.dtype.kind == "i" else -32
    cards = {
        "SIMPLE": "T",
        "BITPIX": bits,
        "NAXIS": 2,
        "NAXIS1": array.shape[1],
        "NAXIS2": array.shape[0],
        "BZERO": zero,
    }
    header = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in cards.items()) + "END".ljust(80)
    data = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return header.encode().ljust(2880) + data + bytes(-len(data) % 2880)


def _mgh(array: np.ndarray) -> bytes:
    kind = 1 if array.dtype.kind == "i" else 3
    header = struct.pack(">6i", 1, array.shape[1], array.shape[0], 1, 1, kind).ljust(284, b"\0")
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def _tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _makers(array: np.ndarray) -> dict[str, bytes]:
    return {
        "npy": _npy(array),
        "npy in Fortran order": _npy(np.asfortranarray(array)),
        "npy with high bytes first": _npy(array.astype(array.dtype.newbyteorder(">"))),
        "FITS": _fits(array),
        "MGH": _mgh(array),
        "TIFF": _tiff(array),
        "TIFF with high bytes first": _tiff(array, byteorder=">"),
        "deflated TIFF": _tiff(array, compression="zlib", rowsperstrip=20),
        "npy in gzip": gzip.compress(_npy(array)),
    }


SOURCES = {
    **{f"floats, {name}": data for name, data in _makers(FLOATS).items()},
    **{f"integers, {name}": data for name, data in _makers(WORDS).items()},
    "floats, NIfTI": nifti(FLOATS),
    "integers, FITS without sign": _fits(WORDS, 1 << 31),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_half_that_says_most_is_an_image(name: str) -> None:
    found = spans.find(SOURCES[name])
    assert found is not None
    assert found.has_halves
    (picture,) = found.pictures
    if "floats" in name:
        wanted = (FLOATS.view(np.uint32) >> 16).astype(np.uint16)
    else:
        wanted = WORDS.astype(np.uint16 if "without sign" in name else np.int16)
    assert picture.mode is Mode.GRAY
    np.testing.assert_array_equal(picture.to_array(), wanted)


@pytest.mark.parametrize("name", ["floats, npy", "integers, FITS", "floats, deflated TIFF", "floats, npy in gzip"])
def test_files_come_back(name: str) -> None:
    kept = keep.keep(SOURCES[name], encoding=EncodeOptions(effort=1), execution=Execution("auto", 1))
    file = container.unpack(kept.file.pack())
    assert (kept.grade, file.header.coding, len(file.of_kind(IMAGE))) == (Grade.FILE, Coding.SKELETON, 1)
    assert picture_decoder.restore_file(file) == SOURCES[name]


def test_halves_are_never_shown() -> None:
    """They would be other values than those in the file."""
    stack = 3.0 * smooth(140, 141, 1) + np.random.default_rng(8).normal(0, 0.01, (2, 140, 141))
    for source in (SOURCES["floats, npy"], nifti(stack.astype(np.float32))):
        file = keep.keep(source, encoding=EncodeOptions(effort=1)).file
        assert file.header.coding is Coding.SKELETON
        data = file.pack()
        with pytest.raises(UnsupportedImageError):
            mulanzip.decode(data)
        with pytest.raises(UnsupportedImageError):
            mulanzip.decode(data, region=(slice(5), slice(5)))
        with pytest.raises((PartError, IndexError), match="32 bits"):
            mulanzip.decode(data, index=0)


def test_other_pages_are_no_halves() -> None:
    """Halves and whole samples of the same size do not become one image."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(FLOATS)
        writer.write(WORDS.astype(np.uint16))
    found = spans.find(buffer.getvalue())
    assert found is not None
    assert len(found.pictures) == 2


def test_predictors_of_samples_of_32_bits_are_not_ours() -> None:
    source = _tiff(WORDS, compression="zlib", predictor=True)
    kept = keep.keep(source, encoding=EncodeOptions(effort=1))
    assert not kept.file.of_kind(STREAMS)
    assert picture_decoder.restore_file(kept.file) == source
