"""Archives: what goes in comes out, whatever the kinds, sizes, threads and damages; and nothing wrong ever does."""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.pictures import deep, images, noise, photo, smooth

import mulanzip
from mulanzip.archive import groups
from mulanzip.archive import reader as archive_reader
from mulanzip.archive import writer as archive_writer
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.cli.main import main
from mulanzip.codec.coders import CellMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import code_segment
from mulanzip.codec.stack import COARSEST, decode_stack, encode_stack
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError, LimitError, MulanzipError, OutputExistsError, UnsupportedVersionError
from mulanzip.format import archive as archive_format
from mulanzip.format.archive import FILE, GROUP, METADATA, ArchiveChunk, Directory, Header, Member, Shape, check_name
from mulanzip.format.container import CHUNK_OVERHEAD
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import D, segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import TileSchedules


def crops(count: int, side: int = 8, channels: int = 3) -> list[np.ndarray]:
    """Different small images."""
    whole = photo(400, 400, channels)
    return [np.ascontiguousarray(whole[5 * i % 300 :, 37 * i % 300 :][:side, :side]) for i in range(count)]


def packed(arrays: list[np.ndarray], **options: Any) -> bytes:
    return mulanzip.pack_arrays(arrays, threads=1, effort=1, **options)


@pytest.fixture(scope="module")
def mixed() -> tuple[dict[str, np.ndarray], bytes]:
    """Images of several groups, some with a neighbour of another kind, and its archive."""
    arrays = [*crops(5, 9), smooth(7, 7, 4), *crops(3, 6, 1), deep(9, 8), *crops(2, 9), noise(5, 30), noise(70, 3, 4)]
    named = {f"{i}/image.png": array for i, array in enumerate(arrays)}
    return named, mulanzip.pack_arrays(list(named.values()), list(named), threads=1, effort=1)


class TestStacks:
    @pytest.mark.slow
    @settings(max_examples=10)
    @given(st.integers(1, 20), st.integers(1, 20), st.sampled_from((1, 3)), st.sampled_from(SCHEDULE_NAMES))
    def test_there_and_back(self, runtime: Runtime, height: int, width: int, channels: int, schedule: str) -> None:
        stack = noise(3 * height, width, 3)[..., :channels].reshape(3, height, width, channels) // 3
        schedules = TileSchedules.uniform(schedule)
        data = encode_stack(stack, runtime, schedules)
        np.testing.assert_array_equal(decode_stack(data, stack.shape, runtime, schedules), stack)

    @pytest.mark.slow
    def test_images_see_nothing_of_those_behind_them_and_learn_from_those_before(self, runtime: Runtime) -> None:
        stack = np.stack(crops(6, 13))
        (segment,) = segments(13, 13, COARSEST)

        def finest(images: np.ndarray) -> np.ndarray:
            """Bits of each image in the last phase of the finest level."""
            meter = CellMeter(runtime.statistics)
            code_segment(segment, Canvas.of(images), runtime, TileSchedules.uniform("default"), meter)
            return meter.phases[D].reshape(len(images), -1).sum(1)

        together, alone = finest(stack), np.concatenate([finest(image[None]) for image in stack])
        np.testing.assert_array_equal(together[:4], finest(stack[:4]))
        assert together[0] == alone[0]
        assert (together[1:] != alone[1:]).any()


class TestReading:
    @pytest.mark.slow
    @settings(max_examples=5)
    @given(st.lists(images(12, 12), max_size=4))
    def test_what_goes_in_comes_out(self, arrays: list[np.ndarray]) -> None:
        archive = mulanzip.Archive(packed(arrays), threads=1)
        assert len(archive) == len(arrays)
        for found, array in zip(archive.values(), arrays, strict=True):
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)

    @pytest.mark.slow
    def test_names_order_kinds(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        named, data = mixed
        archive = mulanzip.Archive(data, threads=1)
        assert archive.names == tuple(archive) == tuple(named)
        for name in reversed(archive.names):
            np.testing.assert_array_equal(archive[name], named[name])
        kinds = {part.kind for part in archive.directory.parts}
        assert kinds == {GROUP, FILE}
        assert sum(part.kind == FILE for part in archive.directory.parts) == 3
        assert "nothing" not in archive
        with pytest.raises(KeyError):
            archive["nothing"]

    @pytest.mark.slow
    def test_bytes_do_not_depend_on_threads(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        named, data = mixed
        assert mulanzip.pack_arrays(list(named.values()), list(named), threads=3, effort=1) == data

    @pytest.mark.slow
    def test_parts_of_some_are_those_of_all(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        archive = mulanzip.Archive(mixed[1], threads=2)
        wanted = archive.matching(["1*/image.png", "3/image.png"])
        assert wanted == ["1/image.png", "3/image.png", "10/image.png", "11/image.png", "12/image.png", "13/image.png"]
        found = {member.name for opened in archive.parts(wanted) for member in opened.members}
        assert found == set(wanted)
        some = {m.name: p for o in archive.parts(wanted) for m, p in zip(o.members, o.pictures, strict=False)}
        every = {m.name: p for o in archive.parts() for m, p in zip(o.members, o.pictures, strict=False)}
        for name, picture in some.items():
            np.testing.assert_array_equal(picture.pixels, every[name].pixels)
        with pytest.raises(MulanzipError, match="no image cat"):
            archive.matching(["cat*"])

    def test_small_images_cost_next_to_nothing_beside_their_code(self, runtime: Runtime) -> None:
        arrays = crops(200)
        stack = np.stack([array[..., [1, 0, 2]] for array in arrays])
        coded = len(encode_stack(stack, runtime, TileSchedules.uniform("default")))
        assert len(packed(arrays)) < coded + 250

    def test_what_is_smaller_stored_is_stored(self) -> None:
        drawn = np.zeros((60, 60, 3), dtype=np.uint8)
        drawn[10:30, 7:40] = (255, 0, 0)
        drawn[np.add.outer(range(60), range(60)) % 6 == 0] = (0, 9, 200)
        archive = mulanzip.Archive(packed([drawn, *crops(2)]), threads=1)
        assert [part.kind for part in archive.directory.parts] == [FILE, GROUP]
        np.testing.assert_array_equal(archive["0.png"], drawn)

    def test_metadata_is_kept_once(self) -> None:
        buffer = io.BytesIO()
        profile, text = np.random.default_rng(0).bytes(5000), b"\0\0\0\x05tEXta\0bcd"
        with ArchiveWriter(buffer, threads=1) as writer:
            for i, pixels in enumerate(crops(4)):
                kept = {b"iccp": profile} if i % 2 else {b"iccp": profile, b"pngc": text}
                writer.add(replace(Picture.from_array(pixels), metadata=kept), f"{i}")
        archive = mulanzip.Archive(buffer.getvalue(), threads=1)
        assert [part.kind for part in archive.directory.parts] == [METADATA, GROUP]
        assert archive.directory.parts[0].length < 5100
        assert [set(archive.picture(f"{i}").metadata) for i in range(2)] == [{b"iccp", b"pngc"}, {b"iccp"}]
        assert archive.picture("3").metadata == {b"iccp": profile}

    def test_a_model_that_is_not_here_is_named(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        data = Header(b"12345678", 0).pack() + mixed[1][archive_format.HEADER_SIZE :]
        with pytest.raises(mulanzip.ModelError, match="3132333435363738"):
            mulanzip.Archive(data)["0/image.png"]

    def test_limits(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        with pytest.raises(LimitError, match="9x9"):
            mulanzip.Archive(mixed[1], threads=1, limits=mulanzip.Limits(pixels=80))["0/image.png"]
        with pytest.raises(LimitError):
            mulanzip.Archive(mixed[1], threads=1, limits=mulanzip.Limits(memory=20))


class _Yielding(io.BytesIO):
    """A file that lets other threads run between seeking and reading."""

    def seek(self, *place: int) -> int:
        found = super().seek(*place)
        time.sleep(0.001)
        return found


class TestThreads:
    """Several threads may use one archive."""

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["bytes", "path", "file"])
    def test_each_gets_the_images_it_asks_for(
        self, kind: str, mixed: tuple[dict[str, np.ndarray], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "set.mzp"
        path.write_bytes(mixed[1])
        sources: dict[str, Any] = {"bytes": mixed[1], "path": path, "file": _Yielding(mixed[1])}
        archive = mulanzip.Archive(sources[kind], threads=1)
        monkeypatch.setattr(archive_reader, "_KEPT", 1)

        def read(seed: int) -> None:
            names = np.random.default_rng(seed).permutation(archive.names)
            for name in names:
                np.testing.assert_array_equal(archive[name], mixed[0][name])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read, range(4)))

    def test_a_group_is_decoded_once(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        archive, together = mulanzip.Archive(mixed[1], threads=1), threading.Barrier(4)
        decode, decoded = archive._decode_group, []

        def counted(number: int, payload: bytes) -> list[Picture]:
            decoded.append(number)
            return decode(number, payload)

        def read(_: int) -> np.ndarray:
            together.wait()
            return archive["0/image.png"]

        archive._decode_group = counted  # type: ignore[method-assign]
        with ThreadPoolExecutor(4) as pool:
            first, *others = pool.map(read, range(4))
        assert len(decoded) == 1
        first[...] = 0  # It is the caller's own.
        for other in (*others, archive["0/image.png"]):
            np.testing.assert_array_equal(other, mixed[0]["0/image.png"])

    def test_an_error_is_everybodys_and_is_not_kept(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        archive, together = mulanzip.Archive(mixed[1], threads=1), threading.Barrier(2)
        decode = archive._decode_group

        def fail(number: int, payload: bytes) -> list[Picture]:
            raise MemoryError

        def read(_: int) -> None:
            together.wait()
            with pytest.raises(MemoryError):
                archive["0/image.png"]

        archive._decode_group = fail  # type: ignore[method-assign]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(read, range(2)))
        archive._decode_group = decode  # type: ignore[method-assign]
        np.testing.assert_array_equal(archive["0/image.png"], mixed[0]["0/image.png"])

    def test_other_processes_get_copies(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        archive = mulanzip.Archive(mixed[1], threads=1, limits=mulanzip.Limits(pixels=81))
        archive["0/image.png"]
        copy = pickle.loads(pickle.dumps(archive))
        np.testing.assert_array_equal(copy["0/image.png"], mixed[0]["0/image.png"])
        with pytest.raises(LimitError, match="30x5"):
            copy["12/image.png"]


class TestWriting:
    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_number_of_images(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive_writer, "_WAITING", 20_000)
        buffer = io.BytesIO()
        pixels = photo(40, 40, 1)
        with ArchiveWriter(buffer, threads=1) as writer:
            # Many of one size, and as many sizes as there can be.
            for i in range(2000):
                height, width = (4, 4) if i < 1992 else (5 + i % 10, 1 + i // 10 % 2)
                writer.add(Picture.from_array(pixels[i % 20 :, i // 20 % 20 :][:height, :width].copy()), f"{i:04}")
                assert writer._waiting_bytes <= 20_000 + 16
                assert len(writer._queue) <= 2
        archive = mulanzip.Archive(buffer.getvalue(), threads=1)
        assert len(archive) == 2000
        np.testing.assert_array_equal(archive["0077"], pixels[17:, 3:][:4, :4])
        assert archive_format.GROUP_PIXELS >= groups._CHAIN_PIXELS > groups._PIXELS

    def test_names_must_be_different_and_as_many_as_images(self) -> None:
        with pytest.raises(OutputExistsError, match="called a already"):
            packed(crops(2), names=["a", "a"])
        with pytest.raises(ValueError, match="zip"):
            packed(crops(2), names=["a"])

    @pytest.mark.parametrize(
        "name", ["", "/a", "a//b", "../a", "a/..", "./a", "a/", "C:a", "c:/a", "a\\b", "a\0b", "\udc80"]
    )
    def test_names_that_lead_elsewhere_are_refused(self, name: str) -> None:
        with pytest.raises(MulanzipError, match="name"):
            check_name(name)
        with pytest.raises(CorruptFileError):
            Directory.unpack(_forged([name]))

    def test_unknown_schedules_are_refused(self) -> None:
        with pytest.raises(ValueError, match="schedule"):
            packed(crops(1), schedule="adaptive")


def _directory(names: list[str], shape: Shape | None = None) -> Directory:
    shape = shape or Shape(Mode.GRAY, 2, 3)
    return Directory(
        (ArchiveChunk(GROUP, 9, len(names), bytes(16), shape),), tuple(Member(name, shape) for name in names)
    )


def _forged(names: list[str]) -> bytes:
    """A directory with any names, its hash right."""
    stand_ins = [f"{i}" + "x" * (len(name.encode(errors="surrogateescape")) - 1) for i, name in enumerate(names)]
    if not names[0]:
        stand_ins = ["x"]
    content = zlib.decompress(_directory(stand_ins).pack()[16:])
    for stand_in, name in zip(stand_ins, names, strict=True):
        wanted = name.encode(errors="surrogateescape") or b"."
        content = content.replace(stand_in.encode(), wanted)
    return archive_format.digest_of(content) + zlib.compress(content)


class TestDirectory:
    text = st.text(st.characters(exclude_characters="\\\0/:", exclude_categories=("Cs",)), min_size=1, max_size=6)
    name = st.lists(text.filter(lambda t: t not in (".", "..")), min_size=1, max_size=3).map("/".join)

    @settings(max_examples=25)
    @given(st.lists(name, unique=True, min_size=1, max_size=9), st.data())
    def test_there_and_back(self, names: list[str], data: st.DataObject) -> None:
        number = st.none() | st.integers(0, (1 << 62) - 1)
        shapes = [None, Shape(Mode.GRAY, 2, 3), Shape(Mode.RGB, 3, 2)]
        members = tuple(
            Member(
                name, data.draw(st.sampled_from(shapes)), {}, data.draw(number), data.draw(st.sampled_from((None, 420)))
            )
            for name in names
        )
        parts = []
        for shape in shapes:
            held = sum(member.shape == shape for member in members)
            sizes = [1] * held if shape is None else [held] if held else []
            parts += [ArchiveChunk(FILE if shape is None else GROUP, 5, n, bytes(range(16)), shape) for n in sizes]
        directory = Directory(tuple(parts), members)
        assert Directory.unpack(directory.pack()) == directory
        places = {member.name: (part, place) for member, part, place in directory.places()}
        assert len(set(places.values())) == len(names)

    @pytest.mark.parametrize(
        "directory",
        [
            _directory(["a", "a"]),
            Directory(_directory(["a", "b"]).parts, _directory(["a"]).members),
            _directory(["a"], Shape(Mode.GRAY, 1 << 14, 1)),
            _directory(["a"], Shape(Mode.GRAY, 0, 1)),
            _directory(["a"], Shape(Mode.RGBA, 2, 2)),
            _directory([f"{i}" for i in range(5)], Shape(Mode.GRAY, 256, 256)),
            Directory((ArchiveChunk(FILE, 5, 2, bytes(16)),), (Member("a", None), Member("b", None))),
            Directory((ArchiveChunk(FILE, 1 << 40, 1, bytes(16)),), (Member("a", None),)),
            Directory((ArchiveChunk(FILE, 5, 1, bytes(16)),), (Member("a", None, {b"iccp": 0}),)),
            Directory((ArchiveChunk(FILE, 5, 1, bytes(16)),), (Member("a", None, {}, None, 1 << 20),)),
            Directory((ArchiveChunk(METADATA, 5, 0, bytes(16)),), ()),
        ],
        ids=range(11),
    )
    def test_contradictions_are_refused(self, directory: Directory) -> None:
        with pytest.raises(CorruptFileError, match="contradicts itself"):
            Directory.unpack(directory.pack())

    @given(st.binary(max_size=60))
    def test_anything_else_is_refused(self, content: bytes) -> None:
        with pytest.raises(CorruptFileError):
            Directory.unpack(archive_format.digest_of(content) + zlib.compress(content) + b"x")
        forged = archive_format.digest_of(content) + zlib.compress(content)
        with suppress(CorruptFileError):
            assert Directory.unpack(forged).members == ()

    def test_bombs_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive_format, "_MAX_DIRECTORY", 1000)
        with pytest.raises(LimitError):
            Directory.unpack(bytes(16) + zlib.compress(bytes(2000)))

    def test_other_versions_and_processes_are_named(self) -> None:
        def changed(at: int) -> bytes:
            fields = bytearray(Header(bytes(8), 0).pack()[:-4])
            fields[at] = 2
            return bytes(fields) + struct.pack("<I", zlib.crc32(fields))

        for at, problem in {8: "version 2", 9: "features", 11: "features"}.items():
            with pytest.raises(UnsupportedVersionError, match=problem):
                Header.unpack(changed(at))


class TestDamage:
    @pytest.mark.slow
    def test_no_byte_can_be_wrong_and_give_a_wrong_picture(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        data = mixed[1]
        rng = np.random.default_rng(1)
        middle = rng.integers(30, len(data), 8).tolist()
        places = [*range(0, 30, 2), *middle, *range(len(data) - 24, len(data), 3)]
        for place in places:
            damaged = bytearray(data)
            damaged[place] ^= 1 << int(rng.integers(8))
            with pytest.raises((MulanzipError, CorruptFileError)):
                mulanzip.Archive(bytes(damaged), threads=1).check()

    def test_truncation_and_more_bytes_are_noticed(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        data = mixed[1]
        for wrong in (b"", data[:7], data[:20], data[:-1], data[: len(data) // 2], data + b"x"):
            with pytest.raises(CorruptFileError):
                mulanzip.Archive(wrong)

    def test_a_damaged_group_does_not_hurt_the_others(self, mixed: tuple[dict[str, np.ndarray], bytes]) -> None:
        named, data = mixed
        archive = mulanzip.Archive(data, threads=1)
        number = next(i for i, part in enumerate(archive.directory.parts) if part.kind == GROUP)
        damaged = bytearray(data)
        damaged[archive.directory.starts()[number] + 12] ^= 1
        hurt = mulanzip.Archive(bytes(damaged), threads=1)
        lost = [member.name for opened in hurt.parts() if opened.error for member in opened.members]
        assert lost == [member.name for member, part, _ in hurt.directory.places() if part == number]
        for name in set(named) - set(lost):
            np.testing.assert_array_equal(hurt[name], named[name])
        with pytest.raises(CorruptFileError, match=f"{len(lost)} of {len(named)} images"):
            hurt.check()

    def test_a_group_with_a_right_checksum_and_wrong_bytes_is_noticed(self) -> None:
        data = packed(crops(3))
        start, length = archive_format.HEADER_SIZE, mulanzip.Archive(data).directory.parts[0].length
        chunk = bytearray(data[start : start + length + 8])
        for change in (1, 128):
            chunk[20] ^= change
            forged = bytes(chunk) + struct.pack("<I", zlib.crc32(chunk))
            archive = mulanzip.Archive(data[:start] + forged + data[start + length + CHUNK_OVERHEAD :], threads=1)
            with pytest.raises(CorruptFileError):
                archive["0.png"]

    def test_an_archive_is_no_image_and_an_image_no_archive(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.mzp"
        archive.write_bytes(packed(crops(1)))
        for work in (mulanzip.info, mulanzip.decompress_file):
            with pytest.raises(mulanzip.ArchiveError, match="mulanzip unpack"):
                work(archive)
        with pytest.raises(mulanzip.ArchiveError, match="mulanzip unpack"):
            mulanzip.decode(archive.read_bytes())
        with pytest.raises(mulanzip.UnreadableImageError, match="mulanzip unpack"):
            mulanzip.compress_file(archive)
        with pytest.raises(CorruptFileError, match="mulanzip decompress"):
            mulanzip.Archive(mulanzip.encode(smooth(3, 3, 4)))


def run(*arguments: str | Path, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder ``in`` of images: two groups, one with metadata, and an icon."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    for i, pixels in enumerate(crops(4)):
        info = PngInfo()
        info.add_text("number", str(i))
        Image.fromarray(pixels).save(f"in/{i}.png", pnginfo=info)
        os.utime(f"in/{i}.png", ns=(10**18 + i, 10**18 + i))
        Path(f"in/{i}.png").chmod(0o640)
    Image.fromarray(crops(1, 11)[0]).save("in/deeper/ü.ppm")
    Image.fromarray(smooth(8, 9, 4)).save("in/deeper/icon.png")
    Image.fromarray(smooth(8, 9)).save("in/deeper/lossy.jpg")
    return tmp_path


NAMES = ["0.png", "1.png", "2.png", "3.png", "deeper/icon.png", "deeper/lossy.jpg", "deeper/ü.ppm"]


def pixels_of(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def files_below(path: str) -> list[str]:
    return sorted(found.relative_to(path).as_posix() for found in Path(path).rglob("*") if found.is_file())


class TestFiles:
    @pytest.mark.slow
    def test_there_and_back(self, folder: Path) -> None:
        result = run("pack", "in", "-o", "set.mzp", "-T", "1")
        assert result.stdout.startswith("7 images -> set.mzp  ")
        assert mulanzip.Archive("set.mzp").names == tuple(NAMES)
        run("pack", "in", "-o", "set.mzp", exit_code=1)
        result = run("unpack", "set.mzp", "-d", "out", "-T", "1")
        assert result.stdout.startswith("set.mzp -> out  7 images, ")
        assert files_below("out") == sorted([*NAMES[:5], "deeper/lossy.jpg", "deeper/ü.ppm"])
        assert Path("out/deeper/lossy.jpg").read_bytes() == Path("in/deeper/lossy.jpg").read_bytes()
        for name in NAMES:
            restored = Path("out", name)
            np.testing.assert_array_equal(pixels_of(Path("in", name)), pixels_of(restored))
            before, after = Path("in", name).stat(), restored.stat()
            assert (before.st_mtime_ns, before.st_mode) == (after.st_mtime_ns, after.st_mode)
        with Image.open("out/3.png") as image:
            assert image.info["number"] == "3"
        # An image that is stored by itself comes back as the same file.
        assert Path("out/deeper/icon.png").read_bytes() == Path("in/deeper/icon.png").read_bytes()

    @pytest.mark.slow
    @pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
    def test_programs_that_run_as_their_owner_do_not_come_back(self, folder: Path) -> None:
        for number, mode in enumerate((0o4755, 0o2711, 0o1777, 0o600)):
            Path(f"in/{number}.png").chmod(mode)
        run("pack", "in", "-o", "set.mzp")
        run("unpack", "set.mzp", "-d", "out")
        modes = [stat.S_IMODE(Path(f"out/{number}.png").stat().st_mode) for number in range(4)]
        assert modes == [0o755, 0o711, 0o777, 0o600]

    @pytest.mark.slow
    def test_only_some(self, folder: Path) -> None:
        run("pack", "in", "-o", "set.mzp", "--effort", "1")
        run("unpack", "set.mzp", "-d", "out", "--only", "2.png", "--only", "deeper/*m")
        assert files_below("out") == ["2.png", "deeper/ü.ppm"]
        run("unpack", "set.mzp", "-d", "all")
        assert Path("all/2.png").read_bytes() == Path("out/2.png").read_bytes()
        assert "no image 9.png" in run("unpack", "set.mzp", "-d", "out", "--only", "9.png", exit_code=1).stderr

    @pytest.mark.slow
    def test_nothing_is_overwritten_without_f(self, folder: Path) -> None:
        run("pack", "in", "-o", "set.mzp")
        run("unpack", "set.mzp", "-d", "out")
        Path("out/1.png").write_bytes(b"precious")
        Path("out/2.png").unlink()
        result = run("unpack", "set.mzp", "-d", "out", exit_code=1)
        assert "1.png exists already" in result.stderr
        assert "1 of 7 images" in result.stdout
        assert Path("out/1.png").read_bytes() == b"precious"
        run("unpack", "set.mzp", "-d", "out", "-f")
        np.testing.assert_array_equal(pixels_of("out/1.png"), pixels_of("in/1.png"))

    @pytest.mark.slow
    def test_what_cannot_be_packed_is_named_and_the_rest_is_packed(self, folder: Path) -> None:
        Path("in/broken.png").write_bytes(b"no image")
        result = run("pack", "in", "-o", "set.mzp", exit_code=1)
        assert "in/broken.png: error: " in result.stderr
        assert mulanzip.Archive("set.mzp").names == tuple(NAMES)
        with pytest.raises(MulanzipError):
            mulanzip.pack(["in"], "other.mzp")
        assert not Path("other.mzp").exists()

    def test_without_images_there_is_no_archive(self, folder: Path) -> None:
        Path("empty").mkdir()
        result = run("pack", "empty", "-o", "set.mzp", exit_code=3)  # As compress -r leaves when it finds no file.
        assert "there is no image file below empty: no archive was written" in result.stderr
        Path("empty/a.png").write_bytes(b"no image")
        Path("empty/a.txt").touch()
        assert "1 other file left alone: .txt" in run("pack", "empty", "-o", "set.mzp", exit_code=1).stderr
        assert "none of the images can be packed" in run("pack", "empty", "-o", "set.mzp", exit_code=1).stderr
        assert not list(Path().glob("*.mzp"))

    @pytest.mark.slow
    def test_damage_is_named_and_the_rest_restored(self, folder: Path) -> None:
        run("pack", "in", "-o", "set.mzp")
        run("test", "set.mzp")
        data = bytearray(Path("set.mzp").read_bytes())
        archive = mulanzip.Archive(bytes(data))
        number = next(part for member, part, _ in archive.directory.places() if member.name == "0.png")
        data[archive.directory.starts()[number] + 30] ^= 1
        Path("set.mzp").write_bytes(data)
        result = run("unpack", "set.mzp", "-d", "out", exit_code=4)
        assert "0.png to 3.png: error: the part at byte" in result.stderr
        assert files_below("out") == ["deeper/icon.png", "deeper/lossy.jpg", "deeper/ü.ppm"]
        assert "4 of 7 images are damaged: 0.png to 3.png" in run("test", "set.mzp", exit_code=4).stderr

    @pytest.mark.parametrize("share", [0.3, 0.7], ids=["packing", "verifying"])
    def test_interruption_leaves_nothing(self, folder: Path, share: float) -> None:
        def interrupt(done: float) -> None:
            if done >= share:
                raise KeyboardInterrupt

        before = sorted(os.listdir())
        with pytest.raises(KeyboardInterrupt):
            mulanzip.pack(["in"], "set.mzp", threads=2, progress=interrupt)
        assert sorted(os.listdir()) == before

    def test_what_does_not_decode_gets_no_name(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "stack_hash", lambda _: bytes(16))
        assert "verification failed" in run("pack", "in", "-o", "set.mzp", exit_code=1).stderr
        assert not Path("set.mzp").exists()

    def test_a_full_disk_is_no_fault_of_an_image(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: ArchiveWriter, data: bytes) -> None:
            if len(data) > 100:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(ArchiveWriter, "_write", full)
        assert "set.mzp: error: No space left" in run("pack", "in", "-o", "set.mzp", exit_code=1).stderr
        assert sorted(os.listdir()) == ["in"]

    def test_metadata_can_be_left_out(self, folder: Path) -> None:
        run("pack", "in", "-o", "set.mzp", "--strip", "all")
        assert not mulanzip.Archive("set.mzp").picture("1.png").metadata

    @pytest.mark.slow
    def test_info(self, folder: Path) -> None:
        run("pack", "in", "-o", "set.mzp")
        text = run("info", "-v", "set.mzp").stdout
        assert "7 images" in text
        assert all(f"  {name}\n" in text for name in NAMES)
        assert '"images": 7' in run("info", "--json", "set.mzp").stdout
