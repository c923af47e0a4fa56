"""Files appear whole or not at all, under the right names, and never over something else."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pictures import drawing, photo, smooth

import mulanzip
from mulanzip import limits as memory
from mulanzip import picture_decoder, picture_encoder
from mulanzip.errors import (
    CorruptFileError,
    LimitError,
    ModelError,
    OutputExistsError,
    UnreadableImageError,
    UnsupportedImageError,
    VerificationError,
)
from mulanzip.format import container
from mulanzip.format.container import CHUNK_OVERHEAD, HEADER_SIZE, Coding, Container
from mulanzip.image.kinds import Mode
from mulanzip.imageio import stored
from mulanzip.imageio.png_original import original as png_original
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs import compress
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.names import restored_name
from mulanzip.jobs.restore import decompress_file
from mulanzip.options import Grade

DATE = 1_000_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An image that needs no model."""
    path = tmp_path / "photo.png"
    drawing(9, 12).save(path)
    return path


def compressed(source: Path, **options: Any) -> Path:
    return compress_file(source, **options).output


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestRoundTrip:
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_images_of_the_model(self, mode: str, tmp_path: Path) -> None:
        pixels = photo(48, 40, 1 if mode == "L" else 3)
        path = tmp_path / "photo.png"
        Image.fromarray(pixels).save(path, icc_profile=b"profile", transparency=7 if mode == "L" else (7, 8, 9))
        shares: list[float] = []
        result = compress_file(path, progress=shares.append)
        assert mulanzip.info(result.output).coding is Coding.MODEL
        assert result.notes == []
        assert (result.source_size, result.output_size) == (path.stat().st_size, result.output.stat().st_size)
        assert shares == sorted(shares)
        assert shares[-1] == 1
        # Encoding and verifying have a part each.
        assert 0.7 in shares
        copy = decompress_file(result.output, tmp_path / "copy.png").output
        assert read_picture(copy)[0].metadata == read_picture(path)[0].metadata
        with Image.open(copy) as image:
            assert image.mode == mode
            np.testing.assert_array_equal(np.asarray(image), pixels)

    @pytest.mark.parametrize("mode", ["1", "P"])
    def test_images_of_other_modes_are_stored(self, mode: str, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.fromarray(smooth(40, 50)).convert(mode).save(path)
        result = compress_file(path)
        assert mulanzip.info(result.output).coding is Coding.STORED
        copy = decompress_file(result.output, tmp_path / "copy.png").output
        with Image.open(path) as image, Image.open(copy) as other:
            assert image.mode == other.mode == mode
            assert image.tobytes() == other.tobytes()
            assert image.getpalette() == other.getpalette()
        size = len(stored.store(read_picture(path)[0]))
        original = mulanzip.info(result.output).parts["original file"] + CHUNK_OVERHEAD
        assert result.output_size <= size + HEADER_SIZE + 2 * CHUNK_OVERHEAD + original <= size + 200

    @pytest.mark.slow
    def test_pixels_hardly_depend_on_the_container_of_the_source(self, tmp_path: Path) -> None:
        image = Image.fromarray(smooth(9, 12, 4))
        outputs = set()
        for name in ("a.png", "b.png", "c.webp", "d.tif"):
            options: dict[str, Any] = {"compress_level": 1} if name == "a.png" else {}
            image.save(tmp_path / name, lossless=True, exact=True, **options)
            file = container.unpack(compressed(tmp_path / name, pixels=True).read_bytes())
            # All but how the file of PNG was made.
            chunks = tuple(chunk for chunk in file.chunks if chunk.kind != png_original.KIND)
            outputs.add(Container(replace(file.header, grade=Grade.SAMPLES), chunks).pack())
        assert len(outputs) == 1

    def test_notes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.fromarray(smooth(9, 12)).save(path, icc_profile=b"profile", dpi=(72, 72))
        result = compress_file(path)
        assert result.notes == []
        assert decompress_file(result.output, overwrite=True).notes == []
        result = decompress_file(result.output, tmp_path / "a.ppm")
        assert (result.notes, result.lost) == ([], ["ICC profile", "resolution"])
        result = compress_file(path, pixels=True, overwrite=True)
        assert result.notes[0].startswith("decoded from JPEG:")
        assert result.grade is Grade.SAMPLES


class TestNames:
    @pytest.mark.parametrize(
        ("mode", "name", "expected"),
        [
            ("RGBA", "photo.png", "photo.png"),
            ("RGBA", "photo.PNG", "photo.PNG"),
            ("RGBA", "photo.tif", "photo.tif"),
            ("RGBA", "photo.webp", "photo.webp"),
            ("RGBA", "photo.jpg", "photo.jpg.png"),
            ("RGBA", "photo.bmp", "photo.bmp.png"),
            ("P", "photo.gif", "photo.gif.png"),
            ("P", "photo.bmp", "photo.bmp"),
            ("P", "photo.webp", "photo.webp.png"),
            ("LA", "photo", "photo.png"),
            ("LA", "photo.v2", "photo.v2.png"),
        ],
    )
    def test_default_names(self, mode: str, name: str, expected: str, tmp_path: Path) -> None:
        path = tmp_path / "source.png"
        Image.fromarray(smooth(5, 5, 4)).convert(mode).save(path)
        output = compressed(path, output=tmp_path / f"{name}.mzp")
        assert decompress_file(output).output == tmp_path / expected
        with Image.open(tmp_path / expected) as image:
            assert image.mode == mode

    def test_names_without_our_suffix(self, source: Path) -> None:
        data = compressed(source).read_bytes()
        assert restored_name(Path("a/photo"), data) == Path("a/photo.png")
        assert restored_name(Path("a/photo.png"), data) == Path("a/photo.png.png")
        assert restored_name(Path("a/.mzp"), data) == Path("a/.mzp.png")

    def test_folders_as_output(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        output = compressed(source, output=tmp_path / "out")
        assert output == tmp_path / "out" / "photo.png.mzp"
        assert decompress_file(output, str(tmp_path / "out")).output == tmp_path / "out" / "photo.png"

    def test_the_suffix_is_refused_before_the_work(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output = compressed(source)
        monkeypatch.setattr(picture_decoder, "decode_container", lambda *_, **__: pytest.fail("decoded"))
        with pytest.raises(UnsupportedImageError, match=r"as photo\.jpg; use one of \.png, \.tif"):
            decompress_file(output, source.with_name("photo.jpg"))


class TestExistingOutputs:
    def test_are_kept(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output = compressed(source)
        before = output.read_bytes()
        monkeypatch.setattr(compress.keep, "keep", lambda *_: pytest.fail("read"))
        with pytest.raises(OutputExistsError, match="exists already"):
            compress_file(source)
        with pytest.raises(OutputExistsError, match="exists already"):
            decompress_file(output)
        assert output.read_bytes() == before

    def test_are_overwritten_on_request(self, source: Path) -> None:
        output = source.with_name("photo.png.mzp")
        output.write_bytes(b"old")
        compress_file(source, overwrite=True)
        mulanzip.info(output)
        source.write_bytes(b"old")
        decompress_file(output, overwrite=True)
        assert read_picture(source)[0].mode is Mode.PALETTE

    @pytest.mark.parametrize("link", ["none", "hard", "symbolic"])
    def test_the_input_itself_is_never_overwritten(self, link: str, source: Path) -> None:
        output = source
        if link != "none":
            output = source.with_name("link")
            (os.link if link == "hard" else os.symlink)(source, output)
        before = source.read_bytes()
        with pytest.raises(OutputExistsError, match="the input itself"):
            compress_file(source, output, overwrite=True)
        assert source.read_bytes() == before

    def test_devices_and_pipes_are_not_replaced(self, source: Path) -> None:
        pipe = source.with_name("pipe")
        os.mkfifo(pipe)
        with pytest.raises(OutputExistsError, match="no regular file"):
            compress_file(source, pipe, overwrite=True)
        assert stat.S_ISFIFO(pipe.stat().st_mode)

    def test_missing_folders(self, source: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere"):
            compress_file(source, source.parent / "nowhere" / "a.mzp")

    def test_folders_that_cannot_be_written_to(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(PermissionError, match="cannot write to this folder"):
            compress_file(source)


class TestBadSources:
    def test_missing(self, tmp_path: Path) -> None:
        for work in (compress_file, decompress_file):
            with pytest.raises(FileNotFoundError):
                work(tmp_path / "missing.png")

    def test_folder(self, tmp_path: Path) -> None:
        for work in (compress_file, decompress_file):
            with pytest.raises(IsADirectoryError, match="is a folder; name the files in it"):
                work(tmp_path)

    def test_pipes_and_sockets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(tmp_path / "pipe")
        monkeypatch.chdir(tmp_path)  # Names of sockets are short.
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            for name in ("pipe", "socket"):
                with pytest.raises(OSError, match="not a regular file"):
                    compress_file(name)

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "the file is empty"), (b"text" * 99, "not an image"), (b"\x89PNG\r\n\x1a\n", "damaged")],
    )
    def test_no_image(self, content: bytes, message: str, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(UnreadableImageError, match=message):
            compress_file(tmp_path / "a.png")
        assert names(tmp_path) == {"a.png"}

    def test_compressed_already(self, source: Path) -> None:
        with pytest.raises(UnreadableImageError, match="already; mulanzip decompress restores it"):
            compress_file(compressed(source))

    def test_not_compressed(self, source: Path) -> None:
        with pytest.raises(CorruptFileError, match="not a mulanzip file"):
            decompress_file(source)

    def test_damaged_anywhere(self, source: Path) -> None:
        data = compressed(source).read_bytes()
        damaged = source.with_name("damaged.mzp")
        for at in range(0, len(data), 7):
            damaged.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
            with pytest.raises(CorruptFileError):
                decompress_file(damaged)
            damaged.write_bytes(data[:at])
            with pytest.raises(CorruptFileError):
                decompress_file(damaged)
        assert names(source.parent) == {"photo.png", "photo.png.mzp", "damaged.mzp"}

    def test_what_cannot_be_kept_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("CMYK", (3, 3)).save(path)
        with pytest.raises(UnsupportedImageError, match="CMYK"):
            compress_file(path, only_modelled=True)
        with pytest.raises(UnsupportedImageError, match="CMYK"):
            compress_file(path, pixels=True)
        assert names(tmp_path) == {"a.jpg"}
        result = compress_file(path)
        assert [note.split(":")[0] for note in result.notes] == ["kept as it is"]

    def test_unknown_models(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.fromarray(smooth(5, 5)).save(path)
        with pytest.raises(ModelError, match="'nonsense'"):
            compress_file(path, model="nonsense")
        assert names(tmp_path) == {"a.png"}

    def test_too_little_memory(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output = compressed(source)
        monkeypatch.setattr(memory, "available_memory", lambda: 50)
        with pytest.raises(LimitError):
            compress_file(source, overwrite=True)
        with pytest.raises(LimitError):
            decompress_file(output, source.with_name("b.png"))
        assert names(source.parent) == {"photo.png", "photo.png.mzp"}


class TestWriting:
    def test_a_result_that_does_not_decode_is_not_written(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        other = source.with_name("other.png")
        Image.fromarray(smooth(9, 12, 4, seed=1)).save(other)
        wrong = container.unpack(compressed(other).read_bytes())
        monkeypatch.setattr(picture_encoder, "encode_picture", lambda *_, **__: wrong)
        with pytest.raises(VerificationError):
            compress_file(source)
        assert not source.with_name("photo.png.mzp").exists()
        assert compressed(source, verify=False).exists()

    def test_the_bytes_that_are_verified_are_those_that_are_written(
        self, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verified: list[bytes] = []
        monkeypatch.setattr(
            compress.keep, "verify", lambda kept, source, model, execution: verified.append(kept.file.pack())
        )
        output = compressed(source)
        assert mulanzip.info(output).grade is Grade.FILE
        assert verified == [output.read_bytes()]

    def test_a_file_is_unpacked_once(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        unpack, unpacked = container.unpack, []
        output = compressed(source)

        def counted(data: bytes) -> Container:
            unpacked.append(data)
            return unpack(data)

        monkeypatch.setattr(container, "unpack", counted)
        copy = decompress_file(output, source.with_name("copy.png")).output
        assert copy.read_bytes() == source.read_bytes()
        assert unpacked == [output.read_bytes()]

    def test_a_full_disk_leaves_nothing(self, source: Path) -> None:
        resource = pytest.importorskip("resource")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
        try:
            with pytest.raises(OSError, match=r"photo\.png\.mzp"):
                compress_file(source)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert names(source.parent) == {"photo.png"}

    def test_a_failed_overwrite_leaves_the_old_file(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output = source.with_name("photo.png.mzp")
        output.write_bytes(b"old")

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device", "temporary name")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match=r"No space left on device: .*photo\.png\.mzp'"):
            compress_file(source, overwrite=True)
        assert output.read_bytes() == b"old"
        assert names(source.parent) == {"photo.png", "photo.png.mzp"}

    def test_interruptions_leave_nothing(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: Any) -> None:
            assert len(names(source.parent)) == 2
            raise KeyboardInterrupt

        monkeypatch.setattr(shutil, "copystat", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compress_file(source)
        assert names(source.parent) == {"photo.png"}

    def test_dates_and_permissions_are_kept(self, source: Path) -> None:
        source.chmod(0o640)
        os.utime(source, (DATE, DATE))
        output = compressed(source)
        copy = decompress_file(output, source.with_name("copy.png")).output
        for path in (output, copy):
            facts = path.stat()
            assert facts.st_mtime == DATE
            assert stat.S_IMODE(facts.st_mode) == 0o640

    def test_where_they_cannot_be_kept(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(shutil, "copystat", fail)
        before = os.umask(0o027)
        try:
            result = compress_file(source)
        finally:
            os.umask(before)
        assert result.notes == ["dates and permissions could not be kept: Operation not permitted"]
        assert stat.S_IMODE(result.output.stat().st_mode) == 0o640

    @pytest.mark.parametrize("exists", [True, False])
    def test_outputs_that_are_links_stay_links(self, exists: bool, source: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        target = tmp_path / "elsewhere" / "real.mzp"
        if exists:
            target.write_bytes(b"old")
        link = tmp_path / "link.mzp"
        link.symlink_to(target)
        assert compressed(source, output=link, overwrite=exists) == link
        assert link.is_symlink()
        mulanzip.info(target)

    def test_sources_that_are_links(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "links").mkdir()
        link = tmp_path / "links" / "b.png"
        link.symlink_to(source)
        assert compressed(link) == tmp_path / "links" / "b.png.mzp"
        assert source.exists()

    def test_long_names(self, tmp_path: Path) -> None:
        """The temporary file's name is no longer than the output's."""
        path = tmp_path / ("\N{LATIN SMALL LETTER A WITH DIAERESIS}" * 120 + ".png")
        Image.fromarray(smooth(5, 5, 4)).save(path)
        assert compressed(path).exists()
        path = tmp_path / ("a" * 250 + ".png")
        Image.fromarray(smooth(5, 5, 4)).save(path)
        with pytest.raises(OSError, match="name too long"):
            compress_file(path)
