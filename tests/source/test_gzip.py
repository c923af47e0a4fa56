"""Files that are compressed by gzip as a whole: their images are coded, and the very file comes back."""

from __future__ import annotations

import gzip
import io
import zlib
from random import Random

import numpy as np
import pytest
from PIL import Image
from support.image_files import nifti

import mulanzip
from mulanzip import keep, picture_decoder
from mulanzip.errors import LimitError, MulanzipError, UnreadableImageError
from mulanzip.format import container
from mulanzip.format.container import IMAGE, STREAMS, Coding
from mulanzip.imageio.reader import read_picture
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution, Grade, Keeping
from mulanzip.source import spans
from mulanzip.streams import pigz
from mulanzip.streams.deflate import Engine, Settings

VOLUME = (np.add.outer(np.arange(3), np.add.outer(np.arange(40), 2 * np.arange(50))) % 90).astype(np.int16)
FILE = nifti(VOLUME)
ONE_THREAD = Execution("auto", 1)
HEADER = b"\x1f\x8b\x08\x1c\1\2\3\4\0\3" + b"\3\0abc" + b"brain.nii\0" + b"a comment\0"


def _kept(source: bytes, **options: object) -> keep.Kept:
    kept = keep.keep(source, Keeping(**options), EncodeOptions(effort=1), ONE_THREAD)  # type: ignore[arg-type]
    keep.verify(kept, source, EncodeOptions.model, ONE_THREAD)
    return kept


def _flushed(content: bytes) -> bytes:
    """A stream that no settings make."""
    coder = zlib.compressobj(wbits=-15)
    return (
        coder.compress(content[:5000]) + coder.flush(zlib.Z_SYNC_FLUSH) + coder.compress(content[5000:]) + coder.flush()
    )


def _member(content: bytes, stream: bytes) -> bytes:
    return HEADER + stream + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


@pytest.mark.parametrize("level", [1, 6, 9])
def test_the_very_file_comes_back(level: int) -> None:
    coder = zlib.compressobj(level, wbits=-15)
    source = _member(FILE, coder.compress(FILE) + coder.flush()) + b"behind"
    kept = _kept(source)
    file = container.unpack(kept.file.pack())
    assert (kept.grade, file.header.coding, len(file.of_kind(IMAGE))) == (Grade.FILE, Coding.SKELETON, 1)
    assert picture_decoder.restore_file(file) == source
    whole = keep.keep(FILE, encoding=EncodeOptions(effort=1), execution=ONE_THREAD).file
    assert file.of_kind(IMAGE) == whole.of_kind(IMAGE)


def test_streams_of_no_library_are_written_anew() -> None:
    """The content comes back, and all that is outside of the streams."""
    source = _member(FILE, _flushed(FILE)) + gzip.compress(FILE) + b"behind"
    kept = _kept(source)
    assert kept.grade is Grade.CONTENT
    assert kept.notes
    restored = picture_decoder.restore_file(container.unpack(kept.file.pack()))
    assert restored != source
    assert restored.startswith(HEADER)
    assert restored.endswith(b"behind")
    assert gzip.decompress(restored.removesuffix(b"behind")) == FILE + FILE


def test_files_are_compared_by_their_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the content does not come back, the file is kept as it is."""
    source = _member(FILE, _flushed(FILE))
    monkeypatch.setattr(picture_decoder, "restore_file", lambda *_, **__: gzip.compress(FILE[:-1] + b"x"))
    kept = keep.keep(source, encoding=EncodeOptions(effort=1), execution=ONE_THREAD)
    assert kept.file.header.coding is Coding.PIECES


def test_every_member_is_a_file() -> None:
    """Members without content and other files are kept beside them; an archive's members are found, too."""
    empty = gzip.compress(b"", mtime=0)
    source = gzip.compress(FILE, 9, mtime=7) + empty + gzip.compress(b"some text" * 9) + gzip.compress(FILE, 1) + empty
    kept = _kept(source)
    assert kept.grade is Grade.FILE
    found = spans.find(source)
    assert found is not None
    assert found.streams is not None
    assert len(found.streams.streams) == 3
    assert sum(picture.pixels.size for picture in found.pictures) == 2 * VOLUME.size


@pytest.mark.parametrize(("level", "checksum"), [(1, 0x3183616D), (6, 0x4DE9589F)])
def test_blocks_of_pigz(level: int, checksum: int) -> None:
    """The checksums are those of what pigz 2.6 made, with four threads."""
    data = b"".join(bytes([i * i % 251, i % 7, (i >> 9) % 5]) for i in range(100_000))
    made = b"".join(pigz.pieces(data, level, 8, 0))
    assert zlib.crc32(made) == checksum
    assert gzip.decompress(_member(data, made)) == data


@pytest.mark.parametrize("seed", range(12))
def test_blocks_of_pigz_end_in_a_whole_byte(seed: int) -> None:
    """Whatever number of bits is left: an empty stored block for odd ones, blocks of fixed codes for even ones."""
    data = bytes(Random(seed).choices(b"abcdefgh", k=1 << 17)) + b"more"
    assert gzip.decompress(_member(data, b"".join(pigz.pieces(data, 1, 8, 0)))) == data


def test_files_of_pigz_come_back() -> None:
    content = FILE + bytes(Random(1).choices(b"abc", k=1 << 18))
    source = _member(content, b"".join(pigz.pieces(content, 6, 8, 0)))
    file = spans.expanded(source)
    assert file.streams is not None
    (stream,) = file.streams.streams
    assert isinstance(stream.recipe.settings, Settings)
    assert (stream.recipe.settings.engine, stream.recipe.settings.level) == (Engine.PIGZ, 6)
    assert _kept(source).grade is Grade.FILE


@pytest.mark.parametrize("place", [3, 11, 60, -1, -5, -9])
def test_damaged_files_are_kept_as_they_are(place: int) -> None:
    source = bytearray(_member(FILE, _flushed(FILE)))
    source[place] ^= 0x80
    kept = _kept(bytes(source), everything=True)
    assert kept.grade is Grade.FILE
    assert not kept.file.of_kind(STREAMS) or place == 11
    assert picture_decoder.restore_file(kept.file) == source


def test_cut_files_are_kept_as_they_are() -> None:
    source = gzip.compress(FILE)
    for size in (1, 5, 12, 200, len(source) - 1):
        kept = _kept(source[:size], everything=True)
        assert (kept.grade, kept.file.header.coding) == (Grade.FILE, Coding.PIECES)


def test_no_more_memory_is_taken_than_there_may_be() -> None:
    """A small file may say that it is a large one."""
    source = gzip.compress(nifti(VOLUME) + bytes(50 << 20))
    with pytest.raises(LimitError, match="memory"):
        keep.keep(source, execution=Execution(limits=Limits(memory=20 << 20)))
    assert _kept(gzip.compress(b"no image" + bytes(50 << 20)), everything=True).grade is Grade.FILE


def test_pictures_in_gzip() -> None:
    """Readers of the format inside say what is shown."""
    image = Image.fromarray(VOLUME[0].astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PPM")
    source = gzip.compress(buffer.getvalue())
    assert np.array_equal(read_picture(io.BytesIO(source))[0].to_array(), image)
    data = _kept(source).file.pack()
    assert np.array_equal(mulanzip.decode(data), image)
    assert np.array_equal(mulanzip.decode(data, scale=4), np.asarray(image)[::4, ::4])


@pytest.mark.parametrize("content", [b"text " * 99, gzip.compress(FILE), b"\x89PNG\r\n\x1a\n", b""])
def test_other_files_in_gzip_are_no_images(content: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        read_picture(io.BytesIO(gzip.compress(content)))
    with pytest.raises(MulanzipError):
        keep.keep(gzip.compress(content))


def test_images_that_the_model_does_not_code() -> None:
    """Floating-point volumes are kept as the files that they are, as they are without gzip."""
    source = gzip.compress(nifti(VOLUME.astype(np.float32)))
    kept = _kept(source)
    assert kept.file.header.coding is Coding.PIECES
    assert "NIfTI" in kept.notes[0]
