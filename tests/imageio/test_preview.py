"""Previews are exactly the pixels of every n-th row and column, and need nothing of the finer levels."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.models import ONE_THREAD
from support.pictures import images, photo, smooth
from support.processes import TESTS

import mulanzip
from mulanzip import limits, picture_decoder, picture_encoder
from mulanzip.cli.main import main
from mulanzip.codec.segment import HASH_BYTES
from mulanzip.errors import CorruptFileError
from mulanzip.format.container import SEGMENT, STACK, Chunk, Container, unpack
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png, preview
from mulanzip.lattice import geometry
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.options import Execution

SCALES = st.sampled_from((2, 4, 8))


@pytest.mark.slow
@given(images(), SCALES, st.sampled_from(SCHEDULE_NAMES), st.sampled_from((4, 16, 256)))
@settings(max_examples=15)
def test_a_preview_is_every_nth_pixel(image: np.ndarray, scale: int, schedule: str, tile_cells: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", tile_cells)
        data = mulanzip.encode(image, stored=False, schedule=schedule, threads=1)
        np.testing.assert_array_equal(mulanzip.decode(data, scale=scale, threads=1), image[::scale, ::scale])


#: These keep bytes that are no image, and files of several pictures.
NOT_SHOWN = ("kept_bytes", "kept_gif", "kept_pages", "kept_streams")
SHOWN = [p for p in sorted((TESTS / "golden").glob("*.mzp")) if p.stem not in NOT_SHOWN]


@pytest.mark.slow
@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_previews_of_the_golden_files(path: Path) -> None:
    data = path.read_bytes()
    whole = mulanzip.decode(data, threads=1)
    slices = (slice(None),) if unpack(data).of_kind(STACK) else ()
    for scale in preview.SCALES:
        shown = whole[(*slices, slice(None, None, scale), slice(None, None, scale))]
        np.testing.assert_array_equal(mulanzip.decode(data, scale=scale, threads=1), shown)


def replaced(data: bytes, segment: int, payload: bytes) -> bytes:
    file = unpack(data)
    chunks = list(file.chunks)
    chunks[segment] = Chunk(SEGMENT, payload)
    return Container(file.header, tuple(chunks)).pack()


def test_finer_segments_are_not_decoded_but_checked() -> None:
    data = (TESTS / "golden" / "tiles.mzp").read_bytes()
    image = mulanzip.decode(data, threads=1)
    other = replaced(data, 2, b"anything")
    with pytest.raises(CorruptFileError, match="segment 2 of 3"):
        mulanzip.decode(other, threads=1)
    np.testing.assert_array_equal(mulanzip.decode(other, scale=2, threads=1), image[::2, ::2])
    flipped = bytearray(data)
    flipped[-20] ^= 1
    with pytest.raises(CorruptFileError, match="checksum"):
        mulanzip.decode(bytes(flipped), scale=2, threads=1)


def test_segments_that_are_decoded_whole_are_compared_with_their_hashes() -> None:
    data = (TESTS / "golden" / "tiles.mzp").read_bytes()
    payload = bytearray(unpack(data).chunks[0].payload)
    payload[HASH_BYTES - 1] ^= 1
    with pytest.raises(CorruptFileError, match="segment 0 of 3"):
        mulanzip.decode(replaced(data, 0, bytes(payload)), scale=2, threads=1)


def test_other_scales_are_refused() -> None:
    data = mulanzip.encode(smooth(20, 20))
    for scale in (0, 3, 16, -2):
        with pytest.raises(ValueError, match="scale must be one of 1, 2, 4, 8"):
            mulanzip.decode(data, scale=scale)


def test_progress_goes_to_one() -> None:
    seen: list[float] = []
    data = mulanzip.encode(photo(70, 30), stored=False, threads=1)
    picture_decoder.decode_picture(data, scale=4, execution=Execution(threads=1, progress=seen.append))
    assert seen[-1] == 1


def test_a_preview_needs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (TESTS / "golden" / "tiles.mzp").read_bytes()
    asked: list[int] = []
    monkeypatch.setattr(limits.Limits, "require", lambda _, size: asked.append(size))
    for scale in preview.SCALES:
        mulanzip.decode(data, scale=scale, threads=1)
    assert asked == sorted(asked, reverse=True)
    assert len(set(asked)) == 4


# Metadata.

EXIF_PREFIX = b"Exif\0\0"


def exif(orientation: int | None) -> bytes:
    block = Image.Exif()
    block[271] = "maker"
    block.get_ifd(0x8769)[0xA002] = 640
    if orientation is not None:
        block[274] = orientation
    return block.tobytes().removeprefix(EXIF_PREFIX)


def test_what_shows_the_image_right_is_kept_and_the_rest_is_not() -> None:
    gamma, text = (b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0words")
    found = {
        ICC: b"profile",
        EXIF: exif(6),
        XMP: b"<x/>",
        PNG_CHUNKS: png.pack_chunks([text, gamma]),
        RESOLUTION: metadata.pack_resolution((300, 150)),
        TRANSPARENCY: b"\0\1\0\2\0\3",
    }
    picture = Picture(Mode.RGB, smooth(20, 30), b"", found)
    small = picture_decoder.decode_container(picture_encoder.encode_picture(picture), scale=4, execution=ONE_THREAD)
    kept = dict(small.metadata)
    with Image.open(io.BytesIO(png.encode(small, [(b"eXIf", kept.pop(EXIF))]))) as image:
        assert dict(image.getexif()) == {274: 6}
    assert metadata.resolution(kept.pop(RESOLUTION)) == (75, 37.5)
    assert kept == {
        ICC: b"profile",
        PNG_CHUNKS: png.pack_chunks([gamma]),
        TRANSPARENCY: found[TRANSPARENCY],
    }


@pytest.mark.parametrize("block", [exif(None), b"II*\0\xff\xff\xff\xff", b"rubbish"])
def test_exif_without_orientation_is_left_out(block: bytes) -> None:
    picture = Picture(Mode.GRAY, smooth(9, 9, 1)[..., None], b"", {EXIF: block})
    assert preview.shrunk(picture, 2).metadata == {}
    assert preview.shrunk(picture, 1) is picture


# Files.


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_command_writes_previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.tif", "photo.jpg"):
        Image.fromarray(photo(40, 50)).save(name)
        run("compress", "-q", name)
    assert run("decompress", "--scale", "1/4", "photo.tif.mzp").startswith("photo.tif.mzp -> photo.preview.tif")
    with Image.open("photo.preview.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), photo(40, 50)[::4, ::4])
    assert "-> photo.jpg.preview.png" in run("decompress", "--scale", "1/2", "photo.jpg.mzp")
    run("decompress", "--scale", "1/8", "photo.tif.mzp", "-o", "small.webp")
    with Image.open("small.webp") as image:
        assert image.size == (7, 5)
    assert "--rm would delete the original" in run("decompress", "--rm", "--scale", "1/2", "photo.tif.mzp", exit_code=2)
    assert "'1/3' is not one of" in run("decompress", "--scale", "1/3", "photo.tif.mzp", exit_code=2)


@pytest.mark.slow
def test_previews_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)
    given = {"in/a.png": photo(40, 50), "in/deep/b.jpg": smooth(9, 12), "in/deep/c.tif": smooth(9, 12, 4)}
    for name, image in given.items():
        Image.fromarray(image).save(name, icc_profile=b"profile")
    run("compress", "-q", "-r", "in", "-j1")
    folder = ("decompress", "-r", "in", "--scale", "1/2", "--output-dir", "out", "--json", "--skip-done", "-T1")
    result = CliRunner().invoke(main, (*folder, "-j2"))
    assert result.exit_code == 0, result.output
    previews = {"out/a.preview.png", "out/deep/b.jpg.preview.png", "out/deep/c.preview.tif"}
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["output"] for row in rows if row["status"] == "done"} == previews
    assert {str(path) for path in Path("out").rglob("*.*")} == previews
    Image.fromarray(photo(40, 50)[1::2, ::2]).save("out/a.preview.png")
    Path("out/deep/c.preview.tif").unlink()
    output = run(*folder, "-j1", exit_code=1)
    assert "in/a.png.mzp: error: out/a.preview.png exists, but does not hold this image" in output
    assert "3 files: 1 done, 1 skipped, 1 failed; " in output
    run(*folder, "-j1", "-f")
    with Image.open("out/a.preview.png") as image:
        np.testing.assert_array_equal(np.asarray(image), photo(40, 50)[::2, ::2])


def test_what_a_format_cannot_hold_of_a_preview_is_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(smooth(9, 12)).save("a.png", icc_profile=b"profile")
    run("compress", "-q", "a.png")
    assert "note: .ppm files do not hold ICC profile: left out" in run(
        "decompress", "--scale", "1/2", "--format", "ppm", "a.png.mzp"
    )
    assert Path("a.png.preview.ppm").exists()
    assert "lost metadata: ICC profile" in run("decompress", "--format", "ppm", "a.png.mzp", exit_code=1)


def test_limits() -> None:
    data = mulanzip.encode(photo(40, 50), threads=1)
    with pytest.raises(mulanzip.LimitError, match="pixels"):
        mulanzip.decode(data, scale=8, limits=mulanzip.Limits(pixels=1999))
    need = limits.coding_bytes(20 * 25 * 3, 1)
    mulanzip.decode(data, scale=2, threads=1, limits=mulanzip.Limits(pixels=2000, memory=need))
    for scale, size in ((1, need), (2, need - 1)):
        with pytest.raises(mulanzip.LimitError, match="memory"):
            mulanzip.decode(data, scale=scale, threads=1, limits=mulanzip.Limits(memory=size))
