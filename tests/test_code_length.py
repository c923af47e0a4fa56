"""Code length: the ledger accounts for every bit of a file, and coding costs what theory says."""

from __future__ import annotations

import numpy as np
import pytest
from support.models import ONE_THREAD
from support.pictures import photo, smooth

import mulanzip
from mulanzip import picture_encoder
from mulanzip.api import code_length
from mulanzip.errors import CorruptFileError, MulanzipError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.options import EncodeOptions


def encode(image: np.ndarray, schedule: str = "default") -> bytes:
    return mulanzip.encode(image, effort=1, schedule=schedule, stored=False, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "schedule"),
    [(photo(100, 90), name) for name in SCHEDULE_NAMES]
    + [(photo(90, 100, 1), "default"), (photo(518, 40), "default"), (smooth(1, 1), "default")],
)
def test_the_terms_add_up_to_the_file_and_coding_costs_next_to_nothing(image: np.ndarray, schedule: str) -> None:
    data = encode(image, schedule)
    ledger = mulanzip.ledger(data, threads=1)
    assert ledger.total.file == 8 * len(data)
    assert ledger.subpixels == image.size
    assert ledger.total.theory == pytest.approx(code_length(image, schedule=schedule, threads=1))
    coded = [e for e in ledger.entries if e.theory]
    assert len(coded) == len(segments(*image.shape[:2]))
    for entry in coded:
        assert -32 <= entry.coded - entry.theory <= 64


def test_metadata_is_a_term_of_its_own() -> None:
    picture = Picture.from_array(photo(20, 20))
    plain = picture_encoder.encode_picture(picture, EncodeOptions(stored=False), ONE_THREAD).pack()
    picture.metadata[b"iccp"] = bytes(range(200))
    data = picture_encoder.encode_picture(picture, EncodeOptions(stored=False), ONE_THREAD).pack()
    ledger = mulanzip.ledger(data, threads=1)
    assert ledger.total.file == 8 * len(data)
    term = {e.name: e.file for e in ledger.entries}["metadata"]
    assert term == 8 * (len(data) - len(plain) - container.CHUNK_OVERHEAD)


def test_the_table_names_every_term() -> None:
    data = encode(photo(518, 10))
    ledger = mulanzip.ledger(data, threads=1)
    lines = ledger.table().splitlines()
    assert len(lines) == 2 + len(ledger.entries)
    assert all(line.startswith(e.name) for line, e in zip(lines[1:], (*ledger.entries, ledger.total), strict=True))
    assert f"{len(data):,}" in lines[-1]


def test_stored_images_have_no_code_length() -> None:
    data = mulanzip.encode(smooth(5, 5, 1) > 90)
    with pytest.raises(UnsupportedImageError, match="no code length"):
        mulanzip.ledger(data)


def test_damaged_files_have_no_ledger() -> None:
    data = encode(photo(30, 30))
    with pytest.raises(CorruptFileError):
        mulanzip.ledger(data[:-1])
    # Samples that do not have their hash are no samples of the image: their code length means nothing.
    file = container.unpack(data)
    payload = bytes(8) + file.chunks[0].payload[8:]
    damaged = container.Container(file.header, (container.Chunk(container.SEGMENT, payload),)).pack()
    with pytest.raises(MulanzipError):
        mulanzip.ledger(damaged, threads=1)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), dtype=np.uint16),
        np.zeros((4, 0, 3), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros(4, dtype=np.uint8),
    ],
)
def test_only_gray_and_colour_have_a_code_length(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError):
        code_length(array)
