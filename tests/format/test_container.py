"""The container: written files are read back, and all others are refused with the right error."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.errors import CorruptFileError, LimitError, UnsupportedVersionError
from mulanzip.format import container
from mulanzip.format.container import (
    CHAIN,
    CHUNK_OVERHEAD,
    DATA,
    END,
    HEADER_SIZE,
    IMAGE,
    JPEG,
    SCHEDULES_CHUNK,
    SEGMENT,
    SIGNATURE,
    SKELETON,
    STORED,
    VALUES,
    VERSION,
    Chunk,
    Coding,
    Container,
    Header,
    unpack,
)
from mulanzip.image.kinds import MAX_PIXELS, MAX_SIDE, SIGNED_MODES, Mode
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES
from mulanzip.options import Grade

HEADER = Header(Mode.RGB, Coding.MODEL, 20, 30, 0, b"model id", bytes(range(16)))
STORED_HEADER = Header(Mode.RGBA, Coding.STORED, 20, 30, 0, bytes(8), bytes(range(16)))
SEGMENTS = (Chunk(SEGMENT, b"coded"),)
SMALL = Container(HEADER, SEGMENTS)

sides = st.integers(1, 3000)
ancillary = st.builds(
    Chunk,
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4)
    .map(str.encode)
    .filter(lambda kind: kind[:1].islower()),
    st.binary(max_size=30),
)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    coding = draw(st.sampled_from(Coding))
    is_model = coding is Coding.MODEL
    modes = {Coding.MODEL: tuple(set(Mode) - {Mode.PALETTE, Mode.BILEVEL}), Coding.CHAIN: (Mode.RGB,)}
    mode = draw(st.sampled_from(modes.get(coding, tuple(Mode))))
    depths = {Mode.PALETTE: st.just(8), Mode.BILEVEL: st.just(1)}
    depth = 8 if coding is Coding.CHAIN else draw(depths.get(mode, st.integers(8, 16)))
    return Header(
        mode,
        coding,
        draw(sides),
        draw(sides),
        draw(st.sampled_from((*range(len(SCHEDULE_NAMES)), MIXED))) if is_model else 0,
        bytes(8) if coding is Coding.STORED or coding.is_file else draw(st.binary(min_size=8, max_size=8)),
        draw(st.binary(min_size=16, max_size=16)),
        depth,
        draw(st.booleans()) if depth > 8 and mode in SIGNED_MODES else False,
        draw(st.integers(1, 9)) if mode is Mode.BANDS else 0,
        Grade.FILE if coding is Coding.PIECES else draw(st.sampled_from(Grade)),
    )


def with_header(position: int, value: bytes) -> bytes:
    """A file whose header differs, with its checksum repaired."""
    data = bytearray(SMALL.pack())
    data[position : position + len(value)] = value
    data[HEADER_SIZE - 4 : HEADER_SIZE] = struct.pack("<I", zlib.crc32(data[: HEADER_SIZE - 4]))
    return bytes(data)


def with_chunks(*chunks: Chunk, header: Header = HEADER) -> bytes:
    return Container(header, chunks).pack()


@given(headers())
def test_unpacking_a_header_inverts_packing(header: Header) -> None:
    data = header.pack()
    assert len(data) == HEADER_SIZE
    assert data.startswith(SIGNATURE)
    assert Header.unpack(data) == header


@given(headers(), st.lists(ancillary, max_size=4, unique_by=lambda c: c.kind), st.data())
def test_unpacking_a_file_inverts_packing(header: Header, extra: list[Chunk], data: st.DataObject) -> None:
    payload = {Coding.CHAIN: [CHAIN], Coding.PIECES: [DATA, JPEG, DATA], Coding.SKELETON: [SKELETON, IMAGE, IMAGE]}
    needed = [Chunk(kind, b"pixels") for kind in payload.get(header.coding, [STORED])]
    if header.coding is Coding.MODEL:
        count = header.kind.groups * len(segments(header.height, header.width))
        needed = [Chunk(SEGMENT, bytes([i % 256])) for i in range(min(count, 99) if header.depth > 8 else count)]
        needed += [Chunk(VALUES, b"1, 2, 3")] * (header.depth > 8)
    if header.schedule == MIXED:
        needed.append(Chunk(SCHEDULES_CHUNK, b"numbers"))
    file = Container(header, tuple(data.draw(st.permutations(extra + needed))))
    packed = file.pack()
    assert unpack(packed) == file
    assert len(packed) == HEADER_SIZE + sum(CHUNK_OVERHEAD + len(c.payload) for c in (*file.chunks, Chunk(END, b"")))


def test_the_layout_is_that_of_the_specification() -> None:
    data = SMALL.pack()
    assert data[:8] == b"\x8aMLZ\r\n\x1a\n"
    # Version, mode, depth, coding; width, height; levels, log2 of the tile side, schedule, bands.
    assert data[8:24] == struct.pack("<BBBBIIBBBB", VERSION, 2, 8, 0, 20, 30, 4, 8, 0, 0)
    assert data[24:32] == b"model id"
    assert data[32:48] == bytes(range(16))
    assert data[48:52] == struct.pack("<I", zlib.crc32(data[:48]))
    assert data[52:60] == b"SEGM" + struct.pack("<I", 5)
    assert data[60:65] == b"coded"
    assert data[65:69] == struct.pack("<I", zlib.crc32(data[52:65]))
    assert data[69:77] == b"MEND" + bytes(4)
    assert len(data) == 81


def test_unknown_ancillary_chunks_are_kept_for_whoever_knows_them() -> None:
    file = unpack(with_chunks(Chunk(b"newX", b"from the future"), *SEGMENTS))
    assert [c.kind for c in file.chunks] == [b"newX", SEGMENT]


@pytest.mark.parametrize("kind", [b"NEWX", b"Segm", b"seg1", b"\0\0\0\0", b"a\xe9bc"])
def test_unknown_critical_chunks_and_impossible_types_are_refused(kind: bytes) -> None:
    with pytest.raises(UnsupportedVersionError, match="does not know"):
        unpack(with_chunks(Chunk(kind, b""), *SEGMENTS))


def test_other_files_are_no_mulanzip_files() -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"RIFF", bytes(100), SMALL.pack()[1:]):
        with pytest.raises(CorruptFileError, match="not a mulanzip file"):
            unpack(data)


def test_text_mode_transfers_break_the_signature() -> None:
    data = SMALL.pack()
    for damaged in (data.replace(b"\r\n", b"\n"), data.replace(b"\n", b"\r\n"), bytes(b & 0x7F for b in data)):
        with pytest.raises(CorruptFileError, match="not a mulanzip file"):
            unpack(damaged)


@pytest.mark.parametrize("length", [4, 8, 30, HEADER_SIZE - 1])
def test_a_truncated_header_is_called_truncated(length: int) -> None:
    with pytest.raises(CorruptFileError, match="truncated"):
        unpack(SMALL.pack()[:length])


def test_a_version_from_the_future_is_unsupported_and_not_corrupt() -> None:
    with pytest.raises(UnsupportedVersionError, match=f"version {VERSION + 1}"):
        unpack(with_header(8, bytes([VERSION + 1])))


def test_a_wrong_version_with_a_wrong_checksum_is_damage() -> None:
    data = bytearray(SMALL.pack())
    data[8] += 1
    with pytest.raises(CorruptFileError, match="checksum") as caught:
        unpack(bytes(data))
    assert not isinstance(caught.value, UnsupportedVersionError)


UNKNOWN_FEATURES = {
    "mode": (9, bytes([len(Mode)])),
    "mode that has no model": (9, bytes([Mode.PALETTE])),
    "depth": (10, b"\x11"),
    "depth that the mode has not": (10, b"\x04"),
    "signed colours": (10, b"\x90"),
    "coding": (11, bytes([len(Coding)])),
    "number of levels": (20, b"\x07"),
    "tile side": (21, b"\x09"),
    "schedule": (22, bytes([len(SCHEDULE_NAMES)])),
    "bands of colours": (23, b"\x01"),
}


@pytest.mark.parametrize("what", UNKNOWN_FEATURES)
def test_unknown_features_and_reserved_bits_are_unsupported(what: str) -> None:
    with pytest.raises(UnsupportedVersionError):
        unpack(with_header(*UNKNOWN_FEATURES[what]))


@pytest.mark.parametrize(("position", "what"), [(12, "width"), (16, "height")])
def test_an_image_without_pixels_is_corrupt(position: int, what: str) -> None:
    with pytest.raises(CorruptFileError, match="no pixels"):
        unpack(with_header(position, bytes(4)))


@pytest.mark.parametrize("change", [{"model_id": b"model id"}, {"schedule": 1}])
def test_a_stored_image_names_no_model(change: dict) -> None:
    with pytest.raises(CorruptFileError, match="stored image names a model"):
        unpack(with_chunks(Chunk(STORED, b""), header=replace(STORED_HEADER, **change)))


def sizes(width: int, height: int) -> bytes:
    return struct.pack("<II", width, height)


@pytest.mark.parametrize(
    ("width", "height"), [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (1 << 16, (1 << 16) + 1), (2**32 - 1, 2**32 - 1)]
)
def test_sizes_beyond_the_format_are_refused_before_anything_is_allocated(width: int, height: int) -> None:
    # Other fields of this header are wrong as well, but the size is checked first.
    data = with_header(12, sizes(width, height))
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="beyond the limits"):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_sizes_are_still_within_the_format() -> None:
    for width, height in ((MAX_SIDE, MAX_PIXELS // MAX_SIDE), (1, MAX_SIDE)):
        header = replace(STORED_HEADER, width=width, height=height)
        assert Header.unpack(header.pack()) == header


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(CorruptFileError, match="3 bytes follow"):
        unpack(SMALL.pack() + b"abc")


def test_two_files_in_a_row_are_not_one() -> None:
    with pytest.raises(CorruptFileError, match="bytes follow"):
        unpack(SMALL.pack() * 2)


def test_the_end_mark_must_be_there_and_empty() -> None:
    data = SMALL.pack()
    with pytest.raises(CorruptFileError, match="truncated"):
        unpack(data[:-CHUNK_OVERHEAD])
    with pytest.raises(CorruptFileError, match="not empty"):
        unpack(data[:-CHUNK_OVERHEAD] + Chunk(END, b"x").pack())


@pytest.mark.parametrize(
    "data",
    [
        with_chunks(),
        with_chunks(*SEGMENTS, *SEGMENTS),
        with_chunks(*SEGMENTS, Chunk(STORED, b"")),
        with_chunks(Chunk(STORED, b"")),
        with_chunks(header=STORED_HEADER),
        with_chunks(Chunk(STORED, b""), Chunk(STORED, b""), header=STORED_HEADER),
        with_chunks(Chunk(STORED, b""), *SEGMENTS, header=STORED_HEADER),
        with_chunks(*SEGMENTS, header=replace(HEADER, width=600, height=600)),
    ],
)
def test_a_wrong_number_of_parts_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match="parts"):
        unpack(data)


def test_the_same_kind_of_metadata_twice_is_refused() -> None:
    with pytest.raises(CorruptFileError, match="twice"):
        unpack(with_chunks(Chunk(b"exif", b"1"), *SEGMENTS, Chunk(b"exif", b"1")))


@pytest.mark.parametrize("length", [0, 4, 6, 1000, 1 << 31, 2**32 - 1])
def test_a_wrong_chunk_length_is_refused_whatever_it_claims(length: int) -> None:
    data = bytearray(SMALL.pack())
    data[HEADER_SIZE + 4 : HEADER_SIZE + 8] = struct.pack("<I", length)
    with pytest.raises(CorruptFileError, match=r"wrong length|checksum"):
        unpack(bytes(data))


def test_a_chunk_checksum_covers_type_length_and_payload() -> None:
    data = SMALL.pack()
    for position in range(HEADER_SIZE, len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x20
        with pytest.raises(CorruptFileError):
            unpack(bytes(damaged))


def test_only_capital_letters_make_a_chunk_critical() -> None:
    assert all(Chunk(kind, b"").is_critical for kind in container.CRITICAL_KINDS)
    assert not Chunk(b"iccp", b"").is_critical
