"""Salvage: whatever is damaged, what is called exact is exact, and no more is lost than must be."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.models import ONE_THREAD
from support.pictures import photo, smooth
from support.processes import TESTS

import mulanzip
from mulanzip import limits, picture_encoder
from mulanzip.cli.main import main
from mulanzip.errors import CorruptFileError, NotDamagedError
from mulanzip.format.container import CHUNK_OVERHEAD, HEADER_SIZE, Chunk, Container, Header, unpack
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.inspect.salvage import Salvaged, salvage
from mulanzip.jobs.salvage_file import salvage_file
from mulanzip.lattice import geometry
from mulanzip.options import EncodeOptions, Execution

TILES = TESTS / "golden" / "tiles.mzp"


def spans(data: bytes) -> list[tuple[int, int]]:
    """Where the chunks of a file are, the end mark included."""
    found, position = [], HEADER_SIZE
    for chunk in (*unpack(data).chunks, Chunk(b"MEND", b"")):
        end = position + CHUNK_OVERHEAD + len(chunk.payload)
        found.append((position, end))
        position = end
    assert position == len(data)
    return found


@cache
def pyramid() -> tuple[bytes, np.ndarray]:
    """A file of several segments on each of two levels, and its pixels."""
    image = photo(70, 44)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", 16)
        return mulanzip.encode(image, stored=False, threads=1, schedule="one"), image


@pytest.fixture
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that make several segments of a small image; headers say 8 bits all the same."""
    monkeypatch.setattr(geometry, "TILE_CELLS", 16)


def check(found: Salvaged, image: np.ndarray) -> None:
    """Trusted pixels are exact, and losses cover all others."""
    pixels = found.picture.to_array()
    np.testing.assert_array_equal(pixels[found.trusted], image[found.trusted])
    covered = np.zeros(image.shape[:2], dtype=bool)
    for loss in found.regions:
        covered[loss.top : loss.bottom, loss.left : loss.right] = True
    assert covered[~found.trusted].all()
    np.testing.assert_array_equal(pixels[~covered], image[~covered])
    for loss in found.regions:  # Lost pixels repeat the coarser ones.
        step = 1 << loss.level
        level = pixels[::step, ::step]
        spread = level[::2, ::2].repeat(2, 0).repeat(2, 1)
        rectangle = np.s_[loss.top // step : -(-loss.bottom // step), loss.left // step : -(-loss.right // step)]
        np.testing.assert_array_equal(level[rectangle], spread[rectangle])


def damaged(data: bytes, position: int) -> bytes:
    result = bytearray(data)
    result[position] ^= 0x10
    return bytes(result)


@pytest.mark.parametrize("segment", [1, 2])
@pytest.mark.parametrize("place", ["kind", "length", "hash", "decisions"])
def test_damage_in_one_segment_costs_its_own_area_only(segment: int, place: str) -> None:
    data = TILES.read_bytes()
    image = mulanzip.decode(data, threads=1)
    start, end = spans(data)[segment]
    position = {"kind": start, "length": start + 5, "hash": start + 9, "decisions": (start + end) // 2}[place]
    found = salvage(damaged(data, position), execution=ONE_THREAD)
    check(found, image)
    (loss,) = found.regions
    assert (loss.segment, loss.total, loss.level, loss.left, loss.right) == (segment, 3, 0, 0, 22)
    assert (loss.top, loss.bottom) == ((0, 258), (258, 518))[segment - 1]
    assert found.trusted[loss.top : loss.bottom].mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("segment", [1, 2])
def test_a_damaged_checksum_alone_costs_nothing(segment: int) -> None:
    data = TILES.read_bytes()
    found = salvage(damaged(data, spans(data)[segment][1] - 1), execution=ONE_THREAD)
    assert found.regions == []
    assert found.trusted.all()
    check(found, mulanzip.decode(data, threads=1))


def test_without_the_first_segment_nothing_is_left() -> None:
    data = TILES.read_bytes()
    with pytest.raises(CorruptFileError, match="nothing can be salvaged: the first segment"):
        salvage(damaged(data, spans(data)[0][0] + 30), execution=ONE_THREAD)
    with pytest.raises(CorruptFileError, match="the header is damaged"):
        salvage(damaged(data, 20), execution=ONE_THREAD)
    for length in (0, 8, 51):
        with pytest.raises(CorruptFileError):
            salvage(data[:length], execution=ONE_THREAD)


def test_a_file_that_is_not_damaged_is_refused() -> None:
    with pytest.raises(NotDamagedError, match="not damaged"):
        salvage(TILES.read_bytes(), execution=ONE_THREAD)
    with pytest.raises(NotDamagedError):
        salvage(mulanzip.encode(smooth(9, 9, 4)))


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.usefixtures("_small_tiles")
def test_truncated_files(cut: float) -> None:
    data, image = pyramid()
    length = int(cut * len(data))
    whole = sum(end <= length for _, end in spans(data))
    found = salvage(data[:length], execution=ONE_THREAD)
    check(found, image)
    assert [loss.segment for loss in found.regions] == list(range(whole, len(spans(data)) - 1))


@pytest.mark.parametrize("segment", range(1, 9))
@pytest.mark.usefixtures("_small_tiles")
def test_a_lost_coarse_tile_costs_the_finer_ones_that_need_it(segment: int) -> None:
    data, image = pyramid()
    places = spans(data)[:-1]
    assert len(places) == 9
    # Everything after the length is overwritten: no chunk inside can be found.
    start, end = places[segment]
    found = salvage(data[: start + 8] + bytes(end - start - 8) + data[end:], execution=ONE_THREAD)
    check(found, image)
    assert found.regions[0].segment == segment
    halo = geometry.HALO_CELLS
    for loss in found.regions[1:]:
        assert loss.level < found.regions[0].level
        step, first = 1 << loss.level, found.regions[0]
        assert loss.top - 2 * halo * step < first.bottom
        assert loss.bottom + 2 * halo * step > first.top


@given(st.data())
@settings(max_examples=12)
def test_any_damage_leaves_exact_pixels_or_an_error(draw: st.DataObject) -> None:
    data, image = pyramid()
    hurt = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(HEADER_SIZE, len(hurt) - 1))
        length = draw.draw(st.integers(1, 400))
        how = draw.draw(st.sampled_from(("zeros", "removed", "noise")))
        if how == "removed":
            del hurt[start : start + length]
        else:
            part = hurt[start : start + length]
            hurt[start : start + length] = bytes(len(part)) if how == "zeros" else bytes(b ^ 0x55 for b in part)
        if len(hurt) <= HEADER_SIZE:
            break
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", 16)
        try:
            found = salvage(bytes(hurt), execution=ONE_THREAD)
        except (CorruptFileError, NotDamagedError):
            return
    check(found, image)


@pytest.mark.slow
@pytest.mark.usefixtures("_small_tiles")
def test_what_is_lost_is_told_in_few_lines(tmp_path: Path) -> None:
    data, image = pyramid()
    source = tmp_path / "a.mzp"

    def notes(*lost: int) -> list[str]:
        hurt = data
        for segment in lost:
            hurt = damaged(hurt, spans(data)[segment][0] + 20)
        source.write_bytes(hurt)
        return salvage_file(source, overwrite=True, threads=1).notes[:-1]

    assert image.shape == (70, 44, 3)
    half = "lost: 1/2 of the resolution in"
    assert notes(3) == [f"segment 3 of 9 is {half} columns 0 to 21, rows 0 to 21"]
    assert notes(3, 4, 5, 6) == [f"segments 3 to 6 of 9 are {half} columns 0 to 43, rows 0 to 45"]
    assert notes(3, 5) == [f"segments 3, 5 of 9 are {half} columns 0 to 21, rows 0 to 45"]
    assert notes(3, 6) == [
        f"segment 3 of 9 is {half} columns 0 to 21, rows 0 to 21",
        f"segment 6 of 9 is {half} columns 22 to 43, rows 22 to 45",
    ]
    assert notes(4, 5, 6, 7, 8) == [
        f"segment 4 of 9 is {half} columns 22 to 43, rows 0 to 21",
        f"segments 5 to 8 of 9 are {half} columns 0 to 43, rows 22 to 69",
    ]
    assert notes(2)[0] == "segment 2 of 9 is lost: 1/4 of the resolution in columns 0 to 43, rows 36 to 69"


@pytest.mark.usefixtures("_small_tiles")
def test_segments_that_are_missing_without_a_trace_are_found_by_their_hashes() -> None:
    data, image = pyramid()
    file = unpack(data)
    for missing in ({1}, {2, 4}):
        left = [chunk for index, chunk in enumerate(file.chunks) if index not in missing]
        found = salvage(Container(file.header, tuple(left)).pack(), execution=ONE_THREAD)
        check(found, image)
        assert missing <= {loss.segment for loss in found.regions}


def test_metadata_are_kept_where_they_are_intact() -> None:
    kinds = {b"iccp": b"profile", b"xmpm": b"<x/>"}
    data = picture_encoder.encode_picture(
        Picture(Mode.RGB, smooth(20, 21), b"", kinds), EncodeOptions(stored=False)
    ).pack()
    found = salvage(damaged(data, spans(data)[0][0] + 12), execution=ONE_THREAD)
    assert found.picture.metadata == {b"xmpm": b"<x/>"}
    assert found.damaged_metadata == ["metadata iccp"]
    unreadable = salvage(damaged(data, spans(data)[0][0]), execution=ONE_THREAD)
    assert unreadable.picture.metadata == found.picture.metadata
    assert unreadable.damaged_metadata == ["a part that cannot be read, perhaps metadata,"]
    assert found.trusted.all()
    np.testing.assert_array_equal(found.picture.pixels, smooth(20, 21))


def test_stored_images_are_all_or_nothing() -> None:
    data = picture_encoder.encode_picture(Picture.from_array(smooth(20, 21, 1) > 90)).pack()
    (start, end), (mark, _) = spans(data)
    found = salvage(damaged(data, mark + 2))
    check(found, smooth(20, 21, 1) > 90)
    with pytest.raises(CorruptFileError):
        salvage(damaged(data, (start + end) // 2))
    with pytest.raises(CorruptFileError, match="nothing can be salvaged"):
        salvage(data[: end - 5])


# The command.


def run(*arguments: str, exit_code: int) -> str:
    result = CliRunner().invoke(main, ["decompress", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_command_says_what_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = TILES.read_bytes()
    Path("a.png.mzp").write_bytes(data[:4000])
    output = run("--salvage", "a.png.mzp", exit_code=4)
    assert "a.png.mzp -> a.salvaged.png" in output
    assert "note: segment 2 of 3 is lost: 1/2 of the resolution in columns 0 to 21, rows 258 to 517" in output
    assert "note: 62.3 % of the pixels are exact" in output
    assert "error: the file is damaged: a.salvaged.png holds what can be trusted" in output
    with Image.open("a.salvaged.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[:258], mulanzip.decode(data, threads=1)[:258])
    assert "exists already" in run("--salvage", "a.png.mzp", exit_code=1)
    assert "--rm would delete the original" in run("--salvage", "--rm", "a.png.mzp", exit_code=2)
    assert "do not go together" in run("--salvage", "--scale", "1/2", "a.png.mzp", exit_code=2)


def test_where_nothing_is_left_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mzp").write_bytes(TILES.read_bytes()[:1000])
    assert "nothing can be salvaged" in run("--salvage", "a.mzp", exit_code=4)
    Path("a.mzp").write_bytes(TILES.read_bytes())
    assert "not damaged" in run("--salvage", "a.mzp", exit_code=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mzp"]


@pytest.mark.slow
def test_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = TILES.read_bytes()
    Path("in/deep").mkdir(parents=True)
    Path("in/a.png.mzp").write_bytes(data[:4000])
    Path("in/deep/b.tif.mzp").write_bytes(data[:4000])
    folder = ("--salvage", "-r", "in", "--output-dir", "out")
    assert "2 files: 2 planned" in run(*folder, "--dry-run", exit_code=0)
    result = CliRunner().invoke(main, ["decompress", *folder, "--json", "-j2"])
    assert result.exit_code == 4
    assert "2 files: 2 salvaged" in result.stderr
    rows = {row["output"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows.keys() == {"out/a.salvaged.png", "out/deep/b.salvaged.tif"}
    for name, row in rows.items():
        assert (row["status"], row["exit_code"], row["output_size"]) == ("salvaged", 4, Path(name).stat().st_size)
        assert row["notes"][-1] == "62.3 % of the pixels are exact"
        assert row["error"] == f"the file is damaged: {name} holds what can be trusted"
    assert "do not go together" in run(*folder, "--skip-done", exit_code=2)


@pytest.mark.slow
def test_sound_files_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png.mzp").write_bytes(TILES.read_bytes())
    Path("b.png.mzp").write_bytes(TILES.read_bytes()[:4000])
    result = CliRunner().invoke(main, ["decompress", "--salvage", "-r", ".", "--json"])
    assert result.exit_code == 4
    assert "a.png.mzp: note: the file is not damaged; decompress it without --salvage" in result.stderr
    assert "2 files: 1 salvaged, 1 sound" in result.stderr
    rows = {row["source"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert (rows["a.png.mzp"]["status"], rows["a.png.mzp"]["output"], rows["a.png.mzp"]["exit_code"]) == (
        "sound",
        None,
        0,
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.png.mzp", "b.png.mzp", "b.salvaged.png"}


def test_streams_and_limits() -> None:
    data = TILES.read_bytes()[:4000]
    result = CliRunner().invoke(main, ["decompress", "--salvage", "-", "--format", "tif"], input=data)
    assert result.exit_code == 4
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "TIFF"
    height, width = (header := Header.unpack(data)).height, header.width
    with pytest.raises(mulanzip.LimitError, match="pixels"):
        salvage(data, execution=Execution(limits=mulanzip.Limits(pixels=height * width - 1)))
    most = mulanzip.Limits(height * width, limits.coding_bytes(height * width, 1))
    with pytest.raises(mulanzip.LimitError, match="memory"):
        salvage(data, execution=Execution(threads=1, limits=most))
