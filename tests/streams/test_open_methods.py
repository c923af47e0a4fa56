"""Runs, text, lossless JPEG, LZW of GIF: contents that leave no choice to a library."""

from __future__ import annotations

import io
from contextlib import suppress
from random import Random

import imagecodecs
import numpy as np
import pytest
from fuzz.mutation import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.sources import dicom_rle, lzw_of_gif
from support.sources import lossless_jpeg as lossless_jpeg_of

from mulanzip.source import dicom, gif
from mulanzip.streams import byte_planes, dicom_items, gif_lzw, lossless_jpeg, runs, text


@given(seed=st.integers(0, 1 << 32), unit=st.integers(1, 4))
def test_packets_of_any_writer_come_back(seed: int, unit: int) -> None:
    random = Random(seed)
    stream, pixels = b"", 0
    for _ in range(random.randint(1, 9)):
        header = random.randrange(256)
        count = (header & 127) + 1
        stream += bytes([header]) + random.randbytes(unit * (1 if header > 127 else count))
        pixels += count
    assert runs.stream_end(b"ab" + stream + b"cd", 2, pixels, unit) == 2 + len(stream)
    content = runs.content_of(stream, pixels * unit, unit)
    assert content is not None
    assert runs.make(content, pixels * unit, unit) == stream
    for size in (pixels * unit - 1, pixels * unit + 1):
        assert runs.content_of(stream, size, unit) is None
        with pytest.raises(ValueError, match="do not fit"):
            runs.make(content, size, unit)


def test_packets_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="too few"):
        runs.stream_end(b"\x81a", 0, 3, 1)
    with pytest.raises(ValueError, match="do not fit"):
        runs.stream_end(b"\x82a", 0, 2, 1)
    with pytest.raises(ValueError, match="do not fit"):
        runs.stream_end(b"\x01a", 0, 2, 1)


@given(st.lists(st.tuples(st.integers(0, 1 << 16), st.text(" \n\t\r", min_size=1)), min_size=1))
def test_numbers_in_text_come_back(pairs: list[tuple[int, str]]) -> None:
    stream = "".join(f"{number}{space}" for number, space in pairs).strip().encode()
    for unit in (1, 2):
        content = text.content_of(stream, unit, is_digits=False)
        assert (content is None) == (max(number for number, _ in pairs) >= 256**unit)
        if content is not None:
            size = unit * len(pairs)
            assert content[:size] == b"".join(number.to_bytes(unit, "big") for number, _ in pairs)
            assert text.make(content, size, unit) == stream
    assert text.stream_end(b"P" + stream + b" x", 1, len(pairs), is_digits=False) == 1 + len(stream)


@given(st.lists(st.tuples(st.sampled_from("01"), st.text(" \n")), min_size=1))
def test_digits_in_text_come_back(pairs: list[tuple[str, str]]) -> None:
    stream = "".join(digit + space for digit, space in pairs).strip().encode()
    content = text.content_of(stream, 1, is_digits=True)
    assert content is not None
    assert content[: len(pairs)] == bytes(int(digit) for digit, _ in pairs)
    assert text.make(content, len(pairs), 1) == stream
    assert text.stream_end(stream + b"1", 0, len(pairs), is_digits=True) == len(stream)
    with pytest.raises(ValueError, match="too few"):
        text.stream_end(stream, 0, len(pairs) + 1, is_digits=True)


@pytest.mark.parametrize("stream", [b"", b" 1", b"1 ", b"01 2", b"1 # 2", b"1 -2", b"1\0002", b"123456", b"256"])
def test_other_texts_have_no_content(stream: bytes) -> None:
    assert text.content_of(stream, 1, is_digits=False) is None


@pytest.mark.parametrize(
    ("content", "size", "unit"),
    [(b"", 0, 1), (b"ab", 3, 1), (b"ab", 1, 2), (b"ab", 2, 1), (b"ab \0 \0", 2, 1), (b"ab\0 ", 2, 1)],
)
def test_damaged_contents_of_text(content: bytes, size: int, unit: int) -> None:
    with pytest.raises(ValueError, match="text"):
        text.make(content, size, unit)


def jpeg(precision: int, shape: tuple[int, ...], seed: int) -> tuple[bytes, np.ndarray]:
    """A lossless JPEG, and its samples."""
    samples = np.random.default_rng(seed).integers(0, 1 << precision, shape)
    return lossless_jpeg_of(samples, precision), samples


@settings(max_examples=40)
@given(
    precision=st.integers(8, 16),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    seed=st.integers(0, 99),
)
def test_lossless_jpegs_come_back(precision: int, shape: tuple[int, int, int], seed: int) -> None:
    unit = 1 if precision == 8 else 2
    data, samples = jpeg(precision, shape, seed)
    size = samples.size * unit
    content = lossless_jpeg.content_of(data, size, unit)
    assert content is not None
    assert content[:size] == samples.astype(f"<u{unit}").tobytes()
    assert lossless_jpeg.make(content, size, unit) == data
    assert lossless_jpeg.content_of(data, size - unit, unit) is None
    for length in (len(data), len(data) // 2, 50):
        items = [data[i : i + length] for i in range(0, len(data), length)]
        stream = b"".join(dicom_items.ITEM + len(item).to_bytes(4, "little") + item for item in items)
        content = lossless_jpeg.content_of(stream, size, unit)
        assert content is not None
        assert lossless_jpeg.make(content, size, unit) == stream


def test_a_second_decoder_sees_the_same() -> None:
    data, samples = jpeg(12, (30, 40, 1), 3)
    np.testing.assert_array_equal(imagecodecs.jpegsof3_decode(bytearray(data)), samples[..., 0])


def test_data_of_several_blocks() -> None:
    """Codes cross the limits of what is decoded at a time."""
    data, samples = jpeg(16, (150, 300, 1), 4)
    content = lossless_jpeg.content_of(data, 2 * samples.size, 2)
    assert content is not None
    assert content[: 2 * samples.size] == samples.astype("<u2").tobytes()


@given(seed=st.integers(0, 1 << 32))
def test_damaged_jpegs(seed: int) -> None:
    """There is no content, or one that makes the stream again; a damaged content makes something, or an error."""
    data, _ = jpeg(12, (6, 7, 1), 1)
    broken = damaged(Random(seed), data, [data])
    content = lossless_jpeg.content_of(broken, 84, 2)
    assert content is None or lossless_jpeg.make(content, 84, 2) == broken
    content = lossless_jpeg.content_of(data, 84, 2)
    assert content is not None
    with suppress(ValueError):
        lossless_jpeg.make(damaged(Random(seed), content, [content]), 84, 2)


def test_samples_without_a_code() -> None:
    data, _ = jpeg(12, (6, 7, 1), 1)
    content = lossless_jpeg.content_of(data, 84, 2)
    assert content is not None
    table = content.index(bytes(range(17)), 84)
    fewer = content[: table - 12] + b"\x10" + content[table - 11 : table + 16] + content[table + 17 :]
    start = fewer.index(b"\xff\xc4", 84) + 2
    fewer = fewer[:start] + (2 + 17 + 16).to_bytes(2, "big") + fewer[start + 2 :]
    lossless_jpeg.make(fewer, 84, 2)
    with pytest.raises(ValueError, match="without a code"):
        lossless_jpeg.make(b"\0\x88" + fewer[2:], 84, 2)


@given(seed=st.integers(0, 1 << 32))
def test_byte_planes_come_back(seed: int) -> None:
    file = dicom_rle(Random(seed))
    (found, *_) = dicom.find(file.data)
    assert found.blocks is not None
    start, unit = int(found.blocks.positions.values[0]), found.blocks.recipe.unit
    stream, size = file.data[start : start + int(found.blocks.lengths.values[0])], found.size * unit
    content = byte_planes.content_of(stream, size, unit)
    assert content is not None
    assert len(content) < size + len(stream)
    assert byte_planes.make(content, size, unit) == stream
    broken = damaged(Random(seed), stream, [stream])
    other = byte_planes.content_of(broken, size, unit)
    if other is not None:
        with suppress(ValueError):  # Segments may overlap, or lie apart.
            assert byte_planes.make(other, size, unit) == broken
    with suppress(ValueError):
        byte_planes.make(damaged(Random(seed), content, [content]), size, unit)
    with pytest.raises(ValueError, match="header"):
        byte_planes.make(content[:size], size, unit)


@given(seed=st.integers(0, 1 << 32), least=st.integers(2, 8), unit=st.integers(1, 20))
def test_lzw_of_gif_comes_back(seed: int, least: int, unit: int) -> None:
    random = Random(seed)
    size = unit * random.randint(1, 99)
    indices = bytes(byte % random.randint(1, 1 << least) for byte in random.randbytes(size))
    stream = lzw_of_gif(random, indices, least)
    content = gif_lzw.content_of(stream, size, unit)
    assert content is not None
    assert unit > 1 or content[:size] == indices
    assert gif_lzw.make(content, size, unit) == stream
    blank = gif_lzw.make(bytes(size) + content[size:], size, unit)
    again = gif_lzw.content_of(blank, size, unit)  # Streams can be made of any indices.
    assert again is not None
    assert again[:size] == bytes(size)
    broken = damaged(random, stream, [stream])
    other = gif_lzw.content_of(broken, size, unit)
    if other is not None:  # Codes may differ where a phrase has two, but not the indices.
        same = gif_lzw.content_of(gif_lzw.make(other, size, unit), size, unit)
        assert same is not None
        assert same[:size] == other[:size]
    with suppress(ValueError):
        gif_lzw.make(damaged(random, content, [content]), size, unit)


def test_full_tables_of_gif() -> None:
    indices = np.random.default_rng(3).integers(0, 16, (90, 333), np.uint8)
    for size in (1000, indices.size):
        stream = lzw_of_gif(Random(5), indices.tobytes()[:size], 4)
        content = gif_lzw.content_of(stream, size, 1)
        assert content is not None
        assert gif_lzw.make(content, size, 1) == stream


@pytest.mark.parametrize("is_interlaced", [False, True])
def test_gif_files_of_libraries(is_interlaced: bool) -> None:
    """What a writer chose takes a few bytes, and other readers see the same indices."""
    image = Image.fromarray(np.random.default_rng(4).integers(0, 256, (61, 67), np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "GIF", interlace=is_interlaced)
    (found,) = gif.find(buffer.getvalue())
    assert found.blocks is not None
    start, length = (int(numbers.values[0]) for numbers in (found.blocks.positions, found.blocks.lengths))
    stream = buffer.getvalue()[start : start + length]
    content = gif_lzw.content_of(stream, found.size, found.blocks.recipe.unit)
    assert content is not None
    assert content[: found.size] == image.tobytes()
    assert len(content) < found.size + 20
    assert gif_lzw.make(content, found.size, found.blocks.recipe.unit) == stream
