"""Run-length codes of BMP files."""

from __future__ import annotations

import struct
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.image_files import read
from support.pictures import noise

from mulanzip.errors import UnreadableImageError


def bmp(code: bytes, height: int, width: int, bits: int = 8, gap: int = 0) -> bytes:
    """A BMP file of 4 or 256 colours whose code begins after ``gap`` more bytes."""
    palette = noise(1, 1 << bits, 4).tobytes()
    offset = 54 + len(palette) + gap
    compression = 1 if bits == 8 else 2
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(code), 0, 0, 1 << bits, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(code), 0, 0, offset) + info + palette + bytes(gap) + code


def packed(indices: list[int], bits: int) -> bytes:
    if bits == 8:
        return bytes(indices)
    pairs = [*indices, 0][: len(indices) + len(indices) % 2]
    return bytes(high << 4 | low for high, low in zip(pairs[::2], pairs[1::2], strict=True))


def coded(random: Random, pixels: np.ndarray, bits: int) -> bytes:
    """Runs, literals, moves and ends of lines, chosen at random; rows of zeros are left out at times."""
    code = b""
    for y in range(len(pixels) - 1, -1, -1):
        row, x = pixels[y].tolist(), 0
        while x < len(row):
            if not any(row[x:]) and random.random() < 0.5:
                break
            count = random.randint(1, min(len(row) - x, 255))
            part = row[x : x + count]
            if row[x] == 0 and random.random() < 0.5:
                code += bytes([0, 2, 1, 0])
                x += 1
            elif count >= 3 and random.random() < 0.6:
                literal = packed(part, bits)
                code += bytes([0, count]) + literal + bytes(len(literal) % 2)
                x += count
            else:
                pattern = part[:1] if bits == 8 else [part[0], part[1 % count]]
                run = next((i for i in range(count) if part[i] != pattern[i % len(pattern)]), count)
                code += bytes([run]) + packed(pattern, bits)
                x += run
        code += bytes([0, 0])
    return code + bytes([0, 1])


@given(st.integers(0, 1 << 32), st.sampled_from((4, 8)))
def test_codes_of_all_kinds(seed: int, bits: int) -> None:
    random = Random(seed)
    pixels = noise(random.randint(1, 9), random.randint(1, 20), 1, seed % 99) >> (8 - bits)
    pixels[random.randrange(len(pixels))] = 0
    pixels[:, random.randrange(pixels.shape[1]) :] //= 4
    picture = read(bmp(coded(random, pixels, bits), *pixels.shape, bits, gap=random.randrange(3)))
    np.testing.assert_array_equal(picture.pixels[..., 0], pixels)
    assert picture.palette == noise(1, 1 << bits, 4)[0, :, 2::-1].tobytes()


def test_the_last_mark_may_be_missing() -> None:
    np.testing.assert_array_equal(read(bmp(b"\x03\x07", 1, 3)).pixels[..., 0], [[7, 7, 7]])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"\x03\x07\0\0", "ends too early"),
        (b"\x03\x07\0\x02\x01", "ends too early"),
        (b"\0\x09ab", "ends too early"),
        (b"\x04\x07\0\x01", "leaves the image"),
        (b"\0\x02\x00\x05\x01\x01\0\x01", "leaves the image"),
    ],
)
def test_damage(code: bytes, message: str) -> None:
    with pytest.raises(UnreadableImageError, match=message):
        read(bmp(code, 2, 3))
