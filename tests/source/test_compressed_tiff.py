"""TIFF files of compressed streams: files come back where their writer's library is known, else their content."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.models import ONE_THREAD
from support.pictures import smooth

from mulanzip import keep, picture_decoder
from mulanzip.errors import CorruptFileError, GradeError, LimitError
from mulanzip.format import container
from mulanzip.format.container import STREAMS, Chunk, Coding, Container
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution, Grade, Keeping
from mulanzip.source import spans
from mulanzip.streams.recipe import Recipe

COLOUR, DEEP = smooth(50, 60), smooth(50, 60, 1).astype(np.uint16) * 200
FAST = EncodeOptions(effort=1)
PILLOW = ["tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"]
OPTIONS: list[dict[str, Any]] = [{}, {"tile": (32, 32)}, {"rowsperstrip": 7, "bigtiff": True}, {"byteorder": ">"}]


def by_pillow(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, "TIFF", compression=name)
    return buffer.getvalue()


def by_tifffile(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def by_hand(stream: bytes, size: tuple[int, int] = (60, 50), tail: bytes = b"a word behind") -> bytes:
    """A TIFF file of a single deflated strip of gray pixels."""
    sides = ((256, size[0]), (257, size[1]), (258, 8), (259, 8), (262, 1), (273, 150), (277, 1), (278, size[1]))
    tags = (*sides, (279, len(stream)))
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + rows + bytes(4)
    return head.ljust(150, b"_") + stream + tail


def flushed(content: bytes) -> bytes:
    """A stream that no settings of a library make."""
    deflater = zlib.compressobj(9)
    stream = deflater.compress(content[:999]) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return stream + deflater.compress(content[999:]) + deflater.flush()


def kept(data: bytes, **keeping: Any) -> tuple[Container, bytes]:
    """What becomes of a file, and what comes back of that."""
    found = keep.keep(data, Keeping(**keeping), FAST, ONE_THREAD)
    file = container.unpack(found.file.pack())
    keep.verify(found, data, FAST.model, ONE_THREAD)
    return file, picture_decoder.restore_file(file, execution=ONE_THREAD)


@pytest.mark.parametrize("name", PILLOW)
def test_files_of_pillow(name: str) -> None:
    data = by_pillow(name)
    found = spans.find(data)
    assert found is not None
    assert found.streams is not None
    assert found.streams.is_exact
    np.testing.assert_array_equal(found.pictures[0].pixels, COLOUR)
    assert len(found.skeleton) < 300


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["lzw", "zlib", "packbits"])
@pytest.mark.parametrize("pixels", [COLOUR, DEEP])
def test_files_of_tifffile(pixels: np.ndarray, name: str, options: dict[str, Any]) -> None:
    for is_predicted in (False, True)[: 1 if name == "packbits" else 2]:
        data = by_tifffile(pixels, compression=name, predictor=is_predicted, **options)
        found = spans.find(data)
        assert found is not None
        assert found.streams is not None
        assert found.streams.is_exact
        np.testing.assert_array_equal(found.pictures[0].pixels.squeeze(), pixels)


def test_the_file_comes_back_and_is_shown() -> None:
    data = by_pillow("tiff_lzw") + b"a word behind"
    file, restored = kept(data)
    assert restored == data
    assert (file.header.grade, file.header.coding) == (Grade.FILE, Coding.SKELETON)
    assert file.size < len(data) / 2
    np.testing.assert_array_equal(picture_decoder.decode_container(file, execution=ONE_THREAD).to_array(), COLOUR)
    preview = picture_decoder.decode_container(file, scale=4, execution=ONE_THREAD)
    np.testing.assert_array_equal(preview.to_array(), COLOUR[::4, ::4])
    assert picture_decoder.front_of(file).pixels.shape == COLOUR.shape


def test_streams_that_nobody_makes_are_written_anew() -> None:
    """All samples and the words around them come back, and the grade says that the stream does not."""
    gray = smooth(50, 60, 1)
    data = by_hand(flushed(gray.tobytes()))
    file, restored = kept(data)
    assert file.header.grade is Grade.CONTENT
    assert restored != data
    assert (restored[:150].find(b"____"), b"a word behind" in restored) == (data.find(b"____"), True)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(restored)), gray)
    np.testing.assert_array_equal(picture_decoder.decode_container(file, execution=ONE_THREAD).to_array(), gray)
    with pytest.raises(GradeError, match="content"):
        keep.keep(data, Keeping(require="file"), FAST, ONE_THREAD)


def test_a_file_of_the_grade_content_is_done_once(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(by_hand(flushed(smooth(50, 60, 1).tobytes())))
    result = compress_file(tmp_path / "a.tif", tmp_path / "a.mzp", effort=1, threads=1)
    assert result.grade is Grade.CONTENT
    assert any("written anew" in note for note in result.notes)
    assert compress_file(tmp_path / "a.tif", tmp_path / "a.mzp", effort=1, skip_done=True).status == "skipped"
    assert decompress_file(tmp_path / "a.mzp", tmp_path / "b.tif").notes == []
    assert decompress_file(tmp_path / "a.mzp", tmp_path / "b.tif", skip_done=True).status == "skipped"


def test_where_libraries_make_other_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples and all other bytes come back, and a note says what does not."""
    data = by_pillow("tiff_adobe_deflate") + b"a word behind"
    (tmp_path / "a.tif").write_bytes(data)
    compress_file(tmp_path / "a.tif", tmp_path / "a.mzp", effort=1, threads=1)
    monkeypatch.setattr(Recipe, "_compressed", lambda _, content: zlib.compress(content, 1))
    result = decompress_file(tmp_path / "a.mzp", tmp_path / "b.tif")
    restored = (tmp_path / "b.tif").read_bytes()
    assert any("could not be made again here" in note for note in result.notes)
    assert restored != data
    assert b"a word behind" in restored
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(restored)), COLOUR)


def test_streams_of_equal_tiles_are_one() -> None:
    """Some writers store equal tiles once."""
    data = bytearray(by_tifffile(np.full((64, 64), 7, np.uint8), tile=(16, 16), compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        at = page.tags["TileOffsets"].valueoffset
        data[at : at + 64] = struct.pack("<I", page.dataoffsets[0]) * 16
    found = spans.find(bytes(data))
    assert found is not None
    assert found.streams is not None
    assert (len(found.streams.streams), len(found.streams.fields)) == (1, 32)


def test_short_streams_stay_in_the_file() -> None:
    assert spans.find(by_hand(zlib.compress(bytes(60 * 50 - 1)))) is None
    assert spans.find(by_hand(zlib.compress(bytes(60 * 50)))[:170]) is None
    assert spans.find(by_hand(zlib.compress(bytes(60 * 50 + 1)))) is None


def test_limits_hold_before_streams_are_inflated() -> None:
    data = by_hand(zlib.compress(bytes(1 << 24)), (1 << 12, 1 << 12))
    with pytest.raises(LimitError, match="memory"):
        spans.find(data, Limits(memory=1 << 24))
    with pytest.raises(LimitError, match="pixels"):
        spans.find(data, Limits(pixels=1000))
    # A stream that claims more bytes than the file has, or cannot hold what it claims: nothing is taken for it.
    length = struct.pack("<HHII", 279, 4, 1, len(zlib.compress(bytes(1 << 24))))
    assert spans.find(data.replace(length, length[:8] + b"\xff" * 4), Limits(memory=1 << 24)) is None
    assert spans.find(by_hand(zlib.compress(b"x"), (1 << 16, 1 << 15)), Limits(memory=1 << 24)) is None


def test_a_damaged_table_of_streams() -> None:
    file, _ = kept(by_pillow("packbits"))
    (payload,) = file.of_kind(STREAMS)
    for changed, error in (
        (payload[:9], "cut"),
        (payload[:-1] + b"\x07", "damaged"),
        (bytes(16) + payload[16:], "hash"),
    ):
        chunks = tuple(Chunk(STREAMS, changed) if chunk.kind == STREAMS else chunk for chunk in file.chunks)
        with pytest.raises(CorruptFileError, match=error):
            picture_decoder.restore_file(Container(file.header, chunks), execution=Execution(threads=1))
