"""Netpbm files of more than 8 bits, and PAM."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import pytest
from support.image_files import read
from support.pictures import deep

from mulanzip.errors import MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.imageio.writer import write_picture


@pytest.mark.parametrize("bits", range(9, 17))
def test_maximum_is_the_depth(bits: int) -> None:
    values = deep(5, 6, bits=bits)
    head = f"P5 # comment\n6 5\n{(1 << bits) - 1}\n".encode()
    picture = read(head + values.astype(">u2").tobytes())
    assert picture.depth == bits
    np.testing.assert_array_equal(picture.to_array(), values)


def test_pam() -> None:
    data = b"P7\n# comment\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\1\2\3\4"
    picture = read(data)
    assert picture.mode is Mode.GRAY_ALPHA
    assert picture.pixels.tolist() == [[[1, 2], [3, 4]]]
    bits = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\1\0"
    assert read(bits).mode is Mode.BILEVEL
    assert read(write_picture(read(bits), PurePath("a.pam"))[0]).pixels.tolist() == [[[1], [0]]]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"P5 1 1 1023\n\1", UnreadableImageError),
        (b"P5 1 1 1023\n\xff\xff", UnreadableImageError),
        (b"P5 0 1 1023\n", UnsupportedImageError),
        (b"P5 9999999999 9999999999 65535\n\1\1", UnsupportedImageError),
        (b"P5 1000000 4000 65535\n\1\1", MulanzipError),
        (b"P7\nWIDTH 2\nENDHDR\n\1\2", UnreadableImageError),
        (b"P7\nWIDTH 2\nHEIGHT x\nDEPTH 1\nMAXVAL 255\nENDHDR\n\1\2", UnreadableImageError),
        (b"P7\n" + b"#\n" * 9000, UnreadableImageError),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\1\2", UnsupportedImageError),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 256\nMAXVAL 255\nENDHDR\n", UnsupportedImageError),
    ],
)
def test_damage(data: bytes, error: type[MulanzipError]) -> None:
    with pytest.raises(error):
        read(data)
