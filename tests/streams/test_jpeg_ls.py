"""JPEG-LS comes back: the coded data are those of the book, which CharLS reads, and those that CharLS writes."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import imagecodecs
import numpy as np
import pytest
from fuzz.mutation import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference_jpeg_ls import jpeg_ls as by_the_book

from mulanzip.native.jpeg_ls import Parameters, encode
from mulanzip.streams import dicom_items, jpeg_ls


def image(random: Random, precision: int, components: int) -> np.ndarray:
    """Noise, steps, waves, or a flat image with some spots: ``(h, w, components)``."""
    rng = np.random.default_rng(random.getrandbits(32))
    most, shape = (1 << precision) - 1, (random.randint(1, 20), random.randint(1, 20), components)
    steps = np.cumsum(rng.integers(-2, 3, shape), 1) + most // 2
    found = random.choice(
        (
            rng.integers(0, most + 1, shape),
            steps.clip(0, most),
            (most * (0.5 + 0.5 * np.sin(np.arange(shape[1])[:, None] / 3)) * np.ones(shape)).astype(int),
            most * (rng.random(shape) < 0.05),
        )
    )
    return found.astype(np.uint16)


def parameters(random: Random, precision: int) -> tuple[int, ...]:
    """MAXVAL, T1 to T3 and RESET; CharLS reads these as the book does."""
    most = (1 << precision) - 1
    thresholds = random.choice(((0, 0, 0), tuple(sorted(random.randint(1, most) for _ in range(3)))))
    return random.choice(((), (most, *thresholds, random.choice((0, 3, 64, 200)))))


@settings(max_examples=150)
@given(
    precision=st.integers(2, 16),
    components=st.sampled_from((1, 3, 4)),
    by_pixel=st.booleans(),
    seed=st.integers(0, 1 << 32),
)
def test_the_coded_data_are_those_of_the_book(precision: int, components: int, by_pixel: bool, seed: int) -> None:
    random, unit = Random(seed), 1 if precision <= 8 else 2
    samples, given_ones = image(random, precision, components), parameters(random, precision)
    if by_pixel and components > 1:  # CharLS has another idea of RESET there.
        given_ones = given_ones and (*given_ones[:4], 64)
    data = by_the_book(samples, precision, by_pixel, given_ones)
    np.testing.assert_array_equal(imagecodecs.jpegls_decode(data).reshape(samples.shape), samples)
    content = jpeg_ls.content_of(data, samples.size * unit, unit)
    assert content is not None
    assert content[: samples.size * unit] == samples.astype(f"<u{unit}").tobytes()
    assert jpeg_ls.make(content, samples.size * unit, unit) == data
    assert jpeg_ls.content_of(data, samples.size * unit + unit, unit) is None
    length = random.randint(1, len(data))
    items = [data[i : i + length] for i in range(0, len(data), length)]
    stream = b"".join(dicom_items.ITEM + len(item).to_bytes(4, "little") + item for item in items)
    content = jpeg_ls.content_of(stream, samples.size * unit, unit)
    assert content is not None
    assert jpeg_ls.make(content, samples.size * unit, unit) == stream


@given(st.integers(1, 65535), st.booleans(), st.integers(0, 1 << 32))
def test_any_parameters_of_the_book(largest: int, by_pixel: bool, seed: int) -> None:
    """Also those that CharLS reads otherwise: the native code is the book's."""
    random = Random(seed)
    precision = max(2, largest.bit_length())
    samples = np.minimum(image(random, precision, random.randint(1, 4)), largest).astype(np.uint16)
    thresholds = sorted(random.randint(1, largest) for _ in range(3))
    reset = random.randint(3, max(255, largest))
    data = by_the_book(samples, precision, by_pixel, (largest, *thresholds, reset))
    header = jpeg_ls.read_header(data)
    coded = encode(samples, header.parameters)
    assert data[header.end :].startswith(coded)
    assert len(data) - header.end - len(coded) <= 4


def test_streams_of_charls() -> None:
    rng = np.random.default_rng(0)
    rows = np.cumsum(rng.normal(0, 20, (60, 70, 3)), 1) + 30000
    for samples in (rows[..., 0].astype(np.uint16), *((part / 256).astype(np.uint8) for part in (rows[..., 0], rows))):
        data = bytes(imagecodecs.jpegls_encode(samples))
        content = jpeg_ls.content_of(data, samples.nbytes, samples.itemsize)
        assert content is not None
        assert jpeg_ls.make(content, samples.nbytes, samples.itemsize) == data


@given(seed=st.integers(0, 1 << 32))
def test_damaged_streams(seed: int) -> None:
    """There is no content, or one that makes the stream again; a damaged content makes something, or an error."""
    samples = image(Random(1), 12, 1)
    data, size = by_the_book(samples, 12, given=(0, 5, 6, 7, 20)), 2 * samples.size
    broken = damaged(Random(seed), data, [data])
    content = jpeg_ls.content_of(broken, size, 2)
    assert content is None or jpeg_ls.make(content, size, 2) == broken
    content = jpeg_ls.content_of(data, size, 2)
    assert content is not None
    with suppress(ValueError):
        jpeg_ls.make(damaged(Random(seed), content, [content]), size, 2)


def test_samples_beyond_the_largest() -> None:
    samples = np.zeros((2, 3, 1), np.uint16)
    content = jpeg_ls.content_of(by_the_book(samples, 12), 12, 2)
    assert content is not None
    with pytest.raises(ValueError, match="out of range"):
        jpeg_ls.make(b"\0\x10" + content[2:], 12, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"largest": 0},
        {"largest": 65536},
        {"thresholds": (0, 1, 1)},
        {"thresholds": (3, 2, 4)},
        {"thresholds": (3, 4, 300)},
        {"reset": 2},
        {"reset": 65536},
    ],
)
def test_parameters_out_of_range(changed: dict[str, object]) -> None:
    right = Parameters(False, 255, (3, 7, 21), 64)
    assert encode(np.zeros((1, 1, 1), np.uint16), right) == b""
    with pytest.raises(ValueError, match="out of range"):
        encode(np.zeros((1, 1, 1), np.uint16), right._replace(**changed))  # type: ignore[arg-type]


def test_the_longest_codes_fit() -> None:
    """Rare leaps in flat surroundings take the most bits."""
    samples = np.zeros((64, 64, 4), np.uint16)
    samples[::2, ::3] = samples[1::2, 1::2] = 40000
    for by_pixel in (False, True):
        data = by_the_book(samples, 16, by_pixel, (65535, 1, 1, 1, 3))
        assert encode(samples, jpeg_ls.read_header(data).parameters) in data
