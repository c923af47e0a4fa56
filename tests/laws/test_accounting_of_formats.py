"""What goes in comes back or is named: a word that is put into any place of a file is not lost in silence."""

from __future__ import annotations

import io
import warnings
from random import Random

import numpy as np
import pytest
from fuzz import seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sources import MAKERS

from mulanzip.errors import MulanzipError
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.options import Grade


def round_trip(data: bytes) -> tuple[bytes, Grade | None, list[str]]:
    """The restored file, the grade, and what is named as lost."""
    compressed, restored = io.BytesIO(), io.BytesIO()
    result = compress_file(io.BytesIO(data), compressed, effort=1, threads=1)
    compressed.seek(0)
    decompress_file(compressed, restored, threads=1)
    return restored.getvalue(), result.grade, result.lost


@pytest.mark.parametrize("name", [*seeds.images(), *MAKERS])
@settings(max_examples=4)
@given(number=st.integers(0, 1 << 32), share=st.floats(0, 1))
def test_no_word_is_lost_in_silence(name: str, number: int, share: float) -> None:
    random = Random(number)
    data = seeds.images()[name] if name in seeds.images() else MAKERS[name](random).data
    word, place = random.randbytes(16), int(share * len(data))
    data = data[:place] + word + data[place:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about damage.
            restored, grade, lost = round_trip(data)
    except MulanzipError:
        return  # The exit code is not 0, and the source stays.
    assert word in restored or lost
    assert grade is not Grade.FILE or restored == data
    assert grade is not Grade.SAMPLES or lost


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_files_with_coded_images_come_back(name: str) -> None:
    """The same, where images are large enough to be taken out."""
    data = MAKERS[name](Random(name), 45).data
    restored, grade, _ = round_trip(data)
    assert (restored == data, grade) == (True, Grade.FILE)


def test_a_changed_sample_comes_back() -> None:
    random = Random(7)
    data = bytearray(b"P5 40 30 255\n" + bytes(range(40)) * 30)
    for place in random.sample(range(13, len(data)), 3):
        data[place] ^= 1 << random.randrange(8)
        assert round_trip(bytes(data))[0] == data
    assert np.frombuffer(data, np.uint8)[13:].max() > 0
