"""A damaged file ends in the right error: never in a wrong image, another exception, or a file left behind."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from support.pictures import noise, photo, smooth
from support.processes import run_python

import mulanzip
from mulanzip import limits, picture_decoder, picture_encoder, registry
from mulanzip.cli.main import main
from mulanzip.density.config import Config
from mulanzip.density.model import context_entries
from mulanzip.errors import (
    ArchiveError,
    CorruptFileError,
    LimitError,
    ModelError,
    MulanzipError,
    UnsupportedVersionError,
)
from mulanzip.format.container import (
    ARCHIVE_SIGNATURE,
    CHUNK_OVERHEAD,
    CONTEXT,
    HEADER_SIZE,
    SEGMENT,
    Chunk,
    Coding,
    Container,
    Header,
    unpack,
)
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.jobs.compress import compress_file
from mulanzip.lattice.geometry import segments
from mulanzip.testing import check_corruption_is_noticed


def palette_picture() -> Picture:
    rng = np.random.default_rng(3)
    kinds = {b"iccp": bytes(rng.integers(0, 256, 90, dtype=np.uint8)), b"trns": b"\0\x80"}
    return Picture(Mode.PALETTE, rng.integers(0, 4, (33, 31, 1), dtype=np.uint8), bytes(range(12)), kinds)


def with_context() -> bytes:
    context = np.zeros(context_entries(Config.from_dict(registry.find(registry.DEFAULT_MODEL).config)), dtype=np.int8)
    context[::30] = 2
    return mulanzip.encode(smooth(9, 10), context=context, stored=False, threads=1)


def with_original() -> bytes:
    """All kinds of metadata, and what it takes to make the PNG file again."""
    info, source, output = PngImagePlugin.PngInfo(), io.BytesIO(), io.BytesIO()
    info.add_text("Title", "a title")
    exif = Image.Exif()
    exif[315] = "nobody"
    Image.fromarray(smooth(15, 16)).save(source, "PNG", pnginfo=info, exif=exif, icc_profile=b"icc" * 9, dpi=(72, 72))
    source.seek(0)
    compress_file(source, output, effort=1, threads=1)
    return output.getvalue()


MAKERS: dict[str, Callable[[], bytes]] = {
    "context": with_context,
    "original": with_original,
    "tiny": lambda: mulanzip.encode(smooth(16, 16), stored=False, threads=1),
    "gray": lambda: mulanzip.encode(smooth(40, 35, 1), stored=False, schedule="one", threads=1),
    "medium": lambda: mulanzip.encode(photo(200, 150), effort=1, stored=False, threads=1),
    "palette": lambda: picture_encoder.encode_picture(palette_picture()).pack(),
    "rgba": lambda: mulanzip.encode(np.repeat(noise(1, 31, 4), 30, 0), threads=1),
    "bilevel": lambda: mulanzip.encode(smooth(30, 31, 1) > 90),
}
#: Errors in which the decoding of a damaged file may end: damage, version, model, limit; an archive is no image.
REFUSALS = (ArchiveError, CorruptFileError, LimitError, ModelError, UnsupportedVersionError)
_made: dict[str, bytes] = {}


def file(name: str) -> bytes:
    if name not in _made:
        _made[name] = MAKERS[name]()
    return _made[name]


def decode(data: bytes) -> np.ndarray:
    return mulanzip.decode(data, threads=1)


def refuse(data: bytes) -> MulanzipError:
    """Decode damaged data, and return the error."""
    with pytest.raises(REFUSALS) as caught:
        decode(data)
    assert str(caught.value)
    return caught.value


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def repaired(data: bytes, layout: bytes) -> bytes:
    """``data`` with all checksums computed anew, at the places where ``layout``, the intact file, has them."""
    result = bytearray(data)

    def checksum(start: int, end: int) -> None:
        result[end : end + 4] = struct.pack("<I", zlib.crc32(result[start:end]))

    checksum(0, HEADER_SIZE - 4)
    position = HEADER_SIZE
    for chunk in (*unpack(layout).chunks, Chunk(b"MEND", b"")):
        end = position + CHUNK_OVERHEAD + len(chunk.payload)
        checksum(position, end - 4)
        position = end
    assert position == len(data)
    return bytes(result)


@pytest.mark.slow
def test_the_files_are_intact_before() -> None:
    for name in MAKERS:
        data = file(name)
        assert repaired(data, data) == data
        expected = Coding.STORED if name in ("palette", "rgba", "bilevel") else Coding.MODEL
        assert unpack(data).header.coding is expected
    assert file("context")[HEADER_SIZE:].startswith(CONTEXT)
    kinds = {chunk.kind for chunk in unpack(file("original")).chunks}
    assert kinds >= {b"exif", b"iccp", b"phys", b"pngc", b"orig"}
    np.testing.assert_array_equal(mulanzip.decode(file("tiny")), smooth(16, 16))


def test_every_truncation_and_every_flipped_bit_is_noticed() -> None:
    data = file("tiny")
    check_corruption_is_noticed(decode, data, REFUSALS, count=8 * len(data))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "tiny"])
def test_damage_is_noticed(name: str) -> None:
    check_corruption_is_noticed(decode, file(name), REFUSALS, count=150)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
@example(ARCHIVE_SIGNATURE, False)
def test_random_bytes_are_no_file(data: bytes, with_header: bool) -> None:
    refuse(file("tiny")[:HEADER_SIZE] + data if with_header else data)


# Damage whose checksums match: a bug writes it, or an attacker.


def assert_repaired_damage_is_noticed(name: str, bits: Iterable[int]) -> None:
    data = file(name)
    original = decode(data)
    metadata = [c for c in unpack(data).chunks if c.kind.islower()]
    noticed = failed = 0
    for bit in bits:
        damaged = repaired(flipped(data, bit), data)
        if damaged == data:
            continue  # The flip was in a checksum.
        try:
            found = decode(damaged)
        except MulanzipError as error:
            failed += 1
            noticed += error.exit_code in (4, 5, 6, 7)
        else:
            # Only metadata, the grade and the bytes of a stored image can differ while the pixels stay the same.
            np.testing.assert_array_equal(found, original)
            header = unpack(data).header
            other_grade = replace(unpack(damaged).header, grade=header.grade) == header and damaged[11] != data[11]
            assert metadata or other_grade or header.coding is Coding.STORED
    assert noticed == failed > 0


@pytest.mark.slow
def test_repaired_damage_of_every_header_bit_is_noticed() -> None:
    assert_repaired_damage_is_noticed("tiny", range(8 * (HEADER_SIZE + 8)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "gray", "palette", "rgba", "bilevel", "context", "original"])
def test_repaired_damage_of_payloads_is_noticed(name: str) -> None:
    bits = np.random.default_rng(4).integers(8 * HEADER_SIZE, 8 * len(file(name)), 40)
    assert_repaired_damage_is_noticed(name, bits.tolist())


@pytest.mark.slow
def test_repaired_damage_of_coded_samples_is_corruption() -> None:
    data = file("medium")
    for bit in np.random.default_rng(5).integers(8 * (HEADER_SIZE + 8), 8 * (len(data) - 20), 10).tolist():
        assert isinstance(refuse(repaired(flipped(data, bit), data)), CorruptFileError)


def with_payload(data: bytes, payload: bytes) -> bytes:
    """A file whose one segment has this payload."""
    return Container(unpack(data).header, (Chunk(SEGMENT, payload),)).pack()


@pytest.mark.slow
@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_arbitrary_segments_are_corruption(payload: bytes) -> None:
    assert isinstance(refuse(with_payload(file("tiny"), payload)), CorruptFileError)


def test_shortened_and_lengthened_segments_are_corruption() -> None:
    data = file("tiny")
    payload = unpack(data).chunks[0].payload
    for length in (0, 3, 7, 8, 9, 12, len(payload) - 4, len(payload) - 1):
        assert isinstance(refuse(with_payload(data, payload[:length])), CorruptFileError)
    for extra in (b"\0", b"\0\0\0\0", b"\1", b"\0\0\0\1"):
        assert isinstance(refuse(with_payload(data, payload + extra)), CorruptFileError)


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x80", b"\x01"])
def test_constant_segments_are_corruption(fill: bytes) -> None:
    for name, count in (("tiny", 300), ("gray", 3000), ("medium", 20000)):
        assert isinstance(refuse(with_payload(file(name), fill * count)), CorruptFileError)


def test_a_right_segment_under_a_wrong_pixel_hash_is_corruption() -> None:
    file_ = unpack(file("tiny"))
    header = Header(**{**vars(file_.header), "pixel_hash": bytes(16)})
    error = refuse(Container(header, file_.chunks).pack())
    assert isinstance(error, CorruptFileError)
    assert "hash" in str(error)


def test_swapped_segments_are_corruption() -> None:
    data = mulanzip.encode(photo(514, 6), stored=False, threads=1)
    file_ = unpack(data)
    first, second, third = file_.chunks
    assert isinstance(refuse(Container(file_.header, (first, third, second)).pack()), CorruptFileError)


def test_an_unknown_model_is_a_model_error() -> None:
    header = Header(**{**vars(unpack(file("tiny")).header), "model_id": b"nobody's"})
    assert isinstance(refuse(Container(header, unpack(file("tiny")).chunks).pack()), ModelError)


def test_a_metadata_bomb_is_refused_without_inflating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_decoder, "_MAX_METADATA", 1 << 16)
    file_ = unpack(file("palette"))
    bomb = Chunk(b"exif", zlib.compress(bytes(1 << 17)))
    error = refuse(Container(file_.header, (bomb, *file_.chunks)).pack())
    assert "exif" in str(error)
    for payload in (b"", b"no zlib", zlib.compress(b"x") + b"y", zlib.compress(b"x" * 99)[:-5]):
        refuse(Container(file_.header, (Chunk(b"exif", payload), *file_.chunks)).pack())


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (1 << 22, 200)])
def test_huge_claimed_sizes_are_limits_before_memory_is_taken(
    monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 30)
    header = Header(**{**vars(unpack(file("tiny")).header), "width": width, "height": height})
    empty = (Chunk(SEGMENT, b""),) * len(segments(height, width))
    data = Container(header, empty).pack()
    tracemalloc.start()
    error = refuse(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(error, LimitError)
    assert peak < 64 << 20
    # With a single segment, such a file contradicts itself already.
    assert isinstance(refuse(Container(header, empty[:1]).pack()), CorruptFileError)


def test_huge_claimed_stored_sizes_are_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 30)
    file_ = unpack(file("rgba"))
    header = Header(**{**vars(file_.header), "width": 60_000, "height": 60_000})
    assert isinstance(refuse(Container(header, file_.chunks).pack()), LimitError)


def test_a_stored_image_of_another_size_or_mode_is_corruption() -> None:
    file_ = unpack(file("rgba"))
    for change in ({"width": 30}, {"height": 1}, {"mode": Mode.RGB}, {"mode": Mode.PALETTE}, {"mode": Mode.GRAY}):
        header = Header(**{**vars(file_.header), **change})
        assert isinstance(refuse(Container(header, file_.chunks).pack()), CorruptFileError)


# The command line.


def _unsupported(data: bytes) -> bytes:
    return repaired(data[:8] + b"\x63" + data[9:], data)


def _other_model(data: bytes) -> bytes:
    return repaired(flipped(data, 8 * 24), data)


def _too_large(data: bytes) -> bytes:
    return repaired(data[:12] + struct.pack("<II", 2**32 - 1, 2**32 - 1) + data[20:], data)


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "empty": (lambda data: b"", 4),
    "truncated": (lambda data: data[:-30], 4),
    "flipped": (lambda data: flipped(data, 8 * HEADER_SIZE + 700), 4),
    "flipped and repaired": (lambda data: repaired(flipped(data, 8 * HEADER_SIZE + 700), data), 4),
    "of a later version": (_unsupported, 7),
    "of another model": (_other_model, 5),
    "too large": (_too_large, 6),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_command_line_says_what_is_wrong_and_writes_nothing(damage: str, tmp_path: Path) -> None:
    make, code = DAMAGES[damage]
    source = tmp_path / "image.png.mzp"
    source.write_bytes(make(file("tiny")))
    done = CliRunner().invoke(main, ["decompress", str(source), "--threads", "1"])
    assert done.exit_code == code, done.output
    assert str(source) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [source]


def test_a_process_of_its_own_shows_no_traceback(tmp_path: Path) -> None:
    source = tmp_path / "image.png.mzp"
    source.write_bytes(file("tiny")[:-30])
    done = run_python("-m", "mulanzip", "decompress", source)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
