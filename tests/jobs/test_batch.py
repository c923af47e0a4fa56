"""Batches of files on the command line: which files, where results go, what is left after anything goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from support.pictures import drawing, noise, photo, smooth
from support.processes import run_python

import mulanzip
from mulanzip import limits as memory
from mulanzip.cli.main import main
from mulanzip.image.metadata import KINDS, PNG_CHUNKS
from mulanzip.imageio.metadata import STRIPPABLE, stripped
from mulanzip.imageio.png import pack_chunks
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs import batch
from mulanzip.jobs.batch import Found, Selection, find, is_compressed, is_image, plan
from mulanzip.jobs.compress import compress, compress_file
from mulanzip.jobs.files import STREAM, FileOptions, FileResult
from mulanzip.jobs.names import SUFFIX, compressed_name
from mulanzip.jobs.restore import decompress_file
from mulanzip.notes import note
from mulanzip.options import EncodeOptions, Execution

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a tree of images that need no model."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("in/b.png", "in/a.tif", "in/deep/er/a.PNG", "in/deep/b.png")):
        save(name, number)
    Path("in/text.txt").write_text("text")
    return tmp_path


def save(name: str, seed: int = 0, **options: Any) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing(9, 12, seed).save(path, **options)
    return path


def run(*arguments: str | Path, exit_code: int = 0, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)), input=stdin)
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    assert result.exit_code == exit_code, result.output
    return result


def tree(top: str | Path = ".") -> dict[str, bytes]:
    return {p.relative_to(top).as_posix(): p.read_bytes() for p in Path(top).rglob("*") if p.is_file()}


def pixels(path: str | Path) -> np.ndarray:
    return read_picture(path)[0].pixels


def unexpected(path: Path, error: OSError) -> None:
    pytest.fail(f"{path}: {error}")


def told_threads(source: Path, output: None, files: FileOptions, execution: Execution) -> FileResult:
    assert execution.threads is not None
    return FileResult(STREAM, STREAM, execution.threads)


class TestAttempt:
    def test_notes_of_files_that_are_done_side_by_side_stay_apart(self) -> None:
        together = threading.Barrier(3)
        before = warnings.showwarning, list(warnings.filters)

        def work(source: Path, output: None, files: FileOptions, execution: Execution) -> FileResult:
            together.wait()
            note(f"about {source}", UserWarning)
            together.wait()
            assert (warnings.showwarning, warnings.filters) == before
            together.wait()
            return FileResult(source, STREAM, 1, notes=["of the result"])

        with ThreadPoolExecutor(3) as pool:
            jobs = [batch.Job(Path(name)) for name in "abc"]
            outcomes = list(pool.map(partial(batch.attempt, batch.Task(work)), jobs))
        assert [outcome.notes for outcome in outcomes] == [[f"about {name}", "of the result"] for name in "abc"]

    def test_failures_keep_their_notes(self) -> None:
        def work(source: Path, output: None, files: FileOptions, execution: Execution) -> FileResult:
            note("a note", UserWarning)
            raise mulanzip.LimitError("too large")

        outcome = batch.attempt(batch.Task(work), batch.Job(Path("a")))
        assert (outcome.status, outcome.error, outcome.exit_code) == ("failed", "too large", 6)
        assert outcome.notes == ["a note"]


class TestFind:
    def found(self, *paths: str, wanted: Any = is_image) -> list[str]:
        files = find(map(Path, paths), Selection(wanted), recursive=True, report=unexpected)
        return [file.path.as_posix() for file in files]

    def test_folders_in_order_of_names(self, folder: Path) -> None:
        assert self.found("in") == ["in/a.tif", "in/b.png", "in/deep/b.png", "in/deep/er/a.PNG"]
        assert self.found(".") == self.found("in")

    def test_files_that_are_named_come_whatever_they_are_and_once(self, folder: Path) -> None:
        assert self.found("in/text.txt", "in/deep/b.png", "in/deep", "./in/text.txt", "missing") == [
            *("in/text.txt", "in/deep/b.png", "in/deep/er/a.PNG", "missing")
        ]

    def test_images_in_gzip_are_images(self, folder: Path) -> None:
        for name in ("in/brain.nii.gz", "in/sky.FITS.GZ", "in/text.txt.gz", "in/none.gz"):
            Path(name).write_bytes(b"any")
        assert [name for name in self.found("in") if name.lower().endswith("gz")] == [
            "in/brain.nii.gz",
            "in/sky.FITS.GZ",
        ]

    @posix
    def test_hidden_files_and_loops_are_left_out(self, folder: Path) -> None:
        before = self.found("in")
        save("in/.hidden.png")
        save("in/.git/a.png")
        Path("in/deep/loop").symlink_to("..")
        Path("in/broken.png").symlink_to("nowhere")
        os.mkfifo("in/pipe.png")
        assert self.found("in") == before
        assert self.found("in/.git") == ["in/.git/a.png"]
        Path("in/link.png").symlink_to("b.png")
        assert sorted(self.found("in")) == sorted([*before, "in/link.png"])

    def test_compressed_files_by_name_or_content(self, folder: Path) -> None:
        compress_file("in/b.png", "in/deep/renamed")
        Path("in/empty.mzp").touch()
        assert self.found("in", wanted=is_compressed) == ["in/empty.mzp", "in/deep/renamed"]

    @pytest.mark.slow
    def test_folders_that_cannot_be_read_are_reported(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scandir = os.scandir

        def refuse(path: Any) -> Any:
            if str(path).endswith("deep"):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        result = run("compress", "-r", "in", exit_code=1)
        assert result.stderr.splitlines()[0].endswith("error: Permission denied")
        assert {"b.png.mzp", "a.tif.mzp"} <= tree("in").keys()

    def test_files_that_nothing_is_known_of_do_not_stop_the_others(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder may be listed, but not entered: each name in it gives an error."""
        is_file = Path.is_file

        def refuse(path: Path) -> bool:
            if path.parent.name == "deep":
                raise PermissionError(13, "Permission denied", str(path))
            return is_file(path)

        monkeypatch.setattr(Path, "is_file", refuse)
        result = run("compress", "-n", "-r", "in", exit_code=1)
        assert f"{Path('in/deep/b.png')}: error: Permission denied" in result.stderr
        assert result.stdout.count("not done: dry run") == 3

    @posix
    def test_what_is_no_file_is_counted(self, folder: Path) -> None:
        os.mkfifo("in/pipe.png")
        Path("in/broken.png").symlink_to("nowhere")
        assert "3 other files left alone: .png, .txt" in run("compress", "-n", "-r", "in").stderr

    @posix
    @pytest.mark.parametrize("name", [".", "..", "/", "in", "in/..", "n" * 300])
    def test_what_is_no_file_does_not_stop_the_others(self, name: str, folder: Path) -> None:
        for command in ("compress", "decompress", "info", "test"):
            threads = [] if command == "info" else ["-j1"]
            errors = run(command, *threads, name, "missing", exit_code=1).stderr.splitlines()
            assert [line.split(": error: ")[0] for line in errors[:2]] == [str(Path(name)), "missing"]

    @posix
    def test_unreadable_files_do_not_stop_the_others(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The superuser may read any file, so the system is asked whether it can be read, and says no."""
        monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("a.tif") or not mode & os.R_OK)
        assert run("compress", "-n", "in/a.tif", "in/b.png").stdout.count("not done: dry run") == 2


class TestPlan:
    @given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), max_size=8))
    def test_no_two_results_get_the_same_name(self, paths: list[list[str]]) -> None:
        files = [Found(Path(str(number), *path), Path(*path)) for number, path in enumerate(paths)]
        jobs = plan(files, compressed_name, output_dir=Path("out"))
        written = [job.output for job in jobs if job.rival is None]
        assert len(set(written)) == len(written) == len({tuple(path) for path in paths})
        for file, job in zip(files, jobs, strict=True):
            assert job.output == Path("out", *file.below.parts[:-1], file.below.name + SUFFIX)

    @pytest.mark.slow
    def test_rivals_are_refused(self, folder: Path) -> None:
        result = run("compress", "-f", "in/b.png", "in/deep/b.png", "--output-dir", "out", exit_code=1)
        assert "in/deep/b.png: error: out/b.png.mzp is where the result of in/b.png goes" in result.stderr
        assert tree("out").keys() == {"b.png.mzp"}

    @pytest.mark.slow
    def test_trees_there_and_back(self, folder: Path) -> None:
        before = tree()
        run("compress", "-r", "in", "--output-dir", "some/where")
        assert tree("some/where").keys() == {"b.png.mzp", "a.tif.mzp", "deep/er/a.PNG.mzp", "deep/b.png.mzp"}
        assert len(run("test", "-r", "some").stdout.splitlines()) == 4
        run("decompress", "-r", "some/where", "--output-dir", "back")
        for name in ("b.png", "a.tif", "deep/er/a.PNG", "deep/b.png"):
            np.testing.assert_array_equal(pixels(Path("back", name)), pixels(Path("in", name)))
        assert before.items() <= tree().items()

    @pytest.mark.slow
    def test_the_number_of_processes_has_no_effect(self, folder: Path) -> None:
        for count in ("1", "3"):
            run("compress", "-r", "in", "--output-dir", f"out{count}", "-j", count)
        assert tree("out1") == tree("out3") != {}

    def test_options_that_exclude_each_other(self, folder: Path) -> None:
        for arguments in (
            ["in/b.png", "-o", "x", "--output-dir", "y"],
            ["in/b.png", "--rm", "--no-verify"],
            ["in/b.png", "--rm", "-o", "-"],
            ["in/b.png", "-o", "-", "--json"],
            ["-", "--rm"],
            ["-", "in/b.png"],
            ["-", "--output-dir", "y"],
            ["-0", "in/b.png"],
            ["--strip", "icc,nonsense", "in/b.png"],
            ["--max-memory", "much", "in/b.png"],
            [],
        ):
            result = run("compress", *arguments, exit_code=2)
            assert "Error: " in result.stderr
        run("decompress", "--format", "jpg", "a.mzp", exit_code=2)
        assert tree().keys() == {"in/b.png", "in/a.tif", "in/deep/er/a.PNG", "in/deep/b.png", "in/text.txt"}


class TestLists:
    @pytest.mark.slow
    @pytest.mark.parametrize("separator", ["\n", "\0"])
    def test_names_from_a_file_or_standard_input(self, separator: str, folder: Path) -> None:
        names = ["in/b.png", "in/deep/b.png"] if separator == "\n" else ["in/b.png", str(save("two\nlines.png"))]
        data = os.fsencode(separator.join(names) + separator)
        Path("list").write_bytes(data)
        null = ["-0"] if separator == "\0" else []
        assert run("compress", "--files-from", "list", *null, "-n").stdout.count("dry run") == 2
        run("compress", "--files-from", "-", *null, stdin=data)
        assert [name for name in tree() if name.endswith(SUFFIX)] != []
        assert all(Path(name + SUFFIX).exists() for name in names)

    @pytest.mark.slow
    def test_folders_in_lists(self, folder: Path) -> None:
        run("compress", "-r", "--files-from", "-", "-q", stdin=b"in/deep\n\n")
        assert {"b.png.mzp", "er/a.PNG.mzp"} <= tree("in/deep").keys()

    def test_lists_that_are_missing_or_empty(self, folder: Path) -> None:
        assert "cannot read list: No such file" in run("compress", "--files-from", "list", exit_code=2).stderr
        assert "nothing to do" in run("compress", "--files-from", "-", exit_code=3, stdin=b"").stderr
        assert "no files found" in run("decompress", "-r", "in", exit_code=3).stderr
        run("info", "-r", "in", exit_code=3)


class TestDryRun:
    @pytest.mark.slow
    def test_touches_nothing_and_foresees_errors(self, folder: Path) -> None:
        compress_file("in/b.png")
        before = tree()
        result = run("compress", "-n", "-r", "in", "--output-dir", "out", "--rm")
        assert len(result.stdout.splitlines()) == 4
        assert "in/deep/b.png -> out/deep/b.png.mzp  (not done: dry run)" in result.stdout
        assert "exists already" in run("compress", "-n", "in/b.png", exit_code=1).stderr
        run("compress", "-n", "--skip-done", "in/b.png")
        run("decompress", "-n", "-f", "--rm", "in/b.png.mzp")
        assert tree() == before


class TestJson:
    @pytest.mark.slow
    def test_an_object_per_file(self, folder: Path) -> None:
        result = run("compress", "--json", "-r", "in", "in/text.txt", exit_code=1)
        rows = {row["source"]: row for row in map(json.loads, result.stdout.splitlines())}
        assert len(rows) == 5
        row = rows["in/b.png"]
        assert (row["status"], row["output"], row["error"], row["exit_code"]) == ("done", "in/b.png.mzp", None, 0)
        assert row["source_size"] == Path("in/b.png").stat().st_size
        assert row["output_size"] == Path("in/b.png.mzp").stat().st_size
        row = rows["in/text.txt"]
        assert (row["status"], row["output"], row["exit_code"]) == ("failed", None, 1)
        assert row["error"].startswith("not an image")
        assert "in/b.png -> in/b.png.mzp" in result.stderr
        [row] = map(json.loads, run("info", "--json", "in/b.png.mzp").stdout.splitlines())
        assert (row["width"], row["height"], row["mode"], row["coding"]) == (12, 9, "palette", "stored")
        [row] = map(json.loads, run("test", "--json", "in/b.png.mzp").stdout.splitlines())
        assert (row["status"], row["output"]) == ("done", None)

    def test_exit_codes_of_files(self, folder: Path) -> None:
        Path("a.mzp").write_bytes(b"no such file")
        [row] = map(json.loads, run("decompress", "--json", "a.mzp", exit_code=4).stdout.splitlines())
        assert (row["status"], row["exit_code"]) == ("failed", 4)


class TestStreams:
    def test_there_and_back(self, folder: Path) -> None:
        image = Path("in/b.png").read_bytes()
        data = run("compress", "-", stdin=image).stdout_bytes
        assert data == compress_file("in/b.png").output.read_bytes()
        assert run("compress", "in/b.png", "-o", "-").stdout_bytes == data
        assert run("compress", "-", "-o", "x.mzp", stdin=image).stdout.startswith("- -> x.mzp  ")
        assert Path("x.mzp").read_bytes() == data
        for arguments in (["-"], ["-", "--format", "tif"], ["x.mzp", "-o", "-", "--format", "bmp"]):
            Path("back").write_bytes(run("decompress", *arguments, stdin=data).stdout_bytes)
            np.testing.assert_array_equal(pixels("back"), pixels("in/b.png"))
        run("decompress", "-", "-o", "y.tif", stdin=data)
        assert Path("y.tif").read_bytes()[:4] in (b"II*\0", b"MM\0*")
        assert run("test", "-", stdin=data).stdout == "-: ok\n"
        assert "12x9 palette" in run("info", "-", stdin=data).stdout

    def test_errors(self, folder: Path) -> None:
        assert run("compress", "-", exit_code=1, stdin=b"").stderr.startswith("-: error: the file is empty\n")
        assert run("decompress", "-", exit_code=4, stdin=b"text").stdout_bytes == b""
        assert "more bytes than" in run("compress", "-", "--max-memory", "9", exit_code=6, stdin=bytes(10)).stderr
        assert "has no name" in run("compress", "-", "-o", "in", exit_code=1, stdin=b"").stderr

    def test_formats_of_files(self, folder: Path) -> None:
        output = compress_file("in/b.png").output
        run("decompress", "--format", "tif", output)
        run("decompress", "--format", "png", "-f", output)
        assert {"b.png.tif", "b.png"} <= tree("in").keys()

    @posix
    def test_never_to_a_terminal(self, folder: Path) -> None:
        import pty

        ours, terminal = pty.openpty()
        command = [sys.executable, "-m", "mulanzip", "compress", "in/b.png", "-o", "-"]
        result = subprocess.run(command, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, check=False)
        os.close(terminal)
        os.close(ours)
        assert result.returncode == 2
        assert b"do not go to a terminal" in result.stderr


class TestSkipDone:
    @pytest.mark.slow
    def test_what_is_done_is_left_alone(self, folder: Path) -> None:
        run("compress", "in/b.png", "in/a.tif")
        before = tree()
        result = run("compress", "-r", "in", "--skip-done")
        assert "4 files: 2 done, 2 skipped" in result.stderr
        assert before.items() <= tree().items()
        assert "4 files: 4 skipped" in run("compress", "-r", "in", "--skip-done").stderr
        run("decompress", "-r", "in", "--output-dir", "out")
        before = tree()
        run("decompress", "-r", "in", "--output-dir", "out", "--skip-done")
        assert tree() == before

    def test_what_is_not_whole_is_not_taken_for_done(self, folder: Path) -> None:
        output = compress_file("in/b.png").output
        data = output.read_bytes()
        changes = [
            data[:-1],
            data[:60] + bytes([data[60] ^ 1]) + data[61:],
            b"",
            compress_file("in/a.tif").output.read_bytes(),
        ]
        for changed in changes:
            output.write_bytes(changed)
            result = run("compress", "--skip-done", "in/b.png", exit_code=1)
            assert "exists, but does not hold this image (use -f" in result.stderr
            assert output.read_bytes() == changed
        run("compress", "--skip-done", "-f", "in/b.png")
        assert output.read_bytes() == data

    def test_metadata_counts(self, folder: Path) -> None:
        save("a.png", dpi=(72, 72))
        run("compress", "a.png")
        run("compress", "--skip-done", "a.png")
        run("compress", "--skip-done", "--strip", "all", "a.png", exit_code=1)
        save("a.png")
        run("compress", "--skip-done", "a.png", exit_code=1)

    @pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
    def test_palettes(self, suffix: str, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).quantize(7).save("p.png")
        output = compress_file("p.png").output
        run("decompress", "--rm", "-o", f"q.{suffix}", output)
        run("decompress", "--skip-done", "-o", f"q.{suffix}", compress_file("p.png").output)

    def test_sources_that_are_skipped_are_not_deleted(self, folder: Path) -> None:
        run("compress", "in/b.png")
        run("compress", "--rm", "--skip-done", "in/b.png")
        assert Path("in/b.png").exists()

    def test_a_source_that_cannot_be_deleted(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        unlink = Path.unlink

        def refuse(path: Path, missing_ok: bool = False) -> None:
            if path == Path("in/b.png"):
                raise PermissionError(13, "Permission denied", str(path))
            unlink(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", refuse)
        job = batch.Job(Path("in/b.png"), Path("b.mzp"))
        outcome = batch.attempt(batch.Task(partial(compress, encoding=EncodeOptions()), remove=True), job)
        assert (outcome.status, outcome.output, outcome.exit_code) == ("done", Path("b.mzp"), 1)
        assert outcome.error == "b.mzp is written, but its source could not be deleted: Permission denied"

    def test_a_folder_in_the_place_of_a_result(self, folder: Path) -> None:
        Path("in/b.png.mzp").mkdir()
        assert f"output {Path('in/b.png.mzp')} is a folder" in run("compress", "-f", "in/b.png", exit_code=1).stderr
        assert not list(Path("in/b.png.mzp").iterdir())


class TestMetadata:
    @given(
        st.sets(st.sampled_from(STRIPPABLE)),
        st.sets(st.sampled_from(KINDS)),
        st.sets(st.sampled_from((b"tEXt", b"tIME", b"gAMA", b"zzZz"))),
    )
    def test_strip(self, names: set[str], kinds: set[bytes], chunks: set[bytes]) -> None:
        found = dict.fromkeys(kinds - {PNG_CHUNKS}, b"x")
        if chunks:
            found[PNG_CHUNKS] = pack_chunks((kind, b"x") for kind in sorted(chunks))
        left = stripped(found, names)
        assert stripped(left, names) == left
        expected = set(found) - {
            {"resolution": b"phys", "icc": b"iccp", "xmp": b"xmpm", "exif": b"exif"}.get(n) for n in names
        }
        kept = {kind for kind in chunks if ("text" if kind in (b"tEXt", b"tIME") else "other") not in names}
        assert set(left) == (expected if kept else expected - {PNG_CHUNKS})
        assert left.get(PNG_CHUNKS, b"") == pack_chunks((kind, b"x") for kind in sorted(kept))

    def test_strip_on_the_command_line(self, folder: Path) -> None:
        info = PngImagePlugin.PngInfo()
        info.add_text("Author", "somebody")
        save("a.png", dpi=(72, 72), pnginfo=info, icc_profile=b"profile")
        run("compress", "--strip", "text,resolution", "a.png")
        parts = mulanzip.info("a.png.mzp").parts
        assert [part for part in parts if part.startswith("metadata")] == ["metadata iccp"]
        with pytest.raises(ValueError, match="unknown metadata nonsense"):
            compress_file("a.png", overwrite=True, strip=["nonsense"])

    @pytest.mark.parametrize(
        ("name", "lost"), [("a.jpg", "comment"), ("a.gif", "comment"), ("a.tif", "TIFF tags 37724")]
    )
    def test_what_the_source_loses(self, name: str, lost: str, folder: Path) -> None:
        options: dict[str, Any] = {"tiffinfo": {37724: b"layers"}} if name == "a.tif" else {"comment": b"hel\0lo"}
        Image.fromarray(smooth(9, 12)).save(name, **options)
        result = run("compress", "--pixels", "--rm", name, exit_code=1)
        assert f"{name}: warning: lost metadata: {lost} (not a failure with --allow-metadata-loss)" in result.stderr
        assert f"{name}: note: it was not deleted" in result.stderr
        assert {name, name + SUFFIX} <= tree().keys()
        run("compress", "-f", "--strip", "all", name)
        command = ("compress", "-f", "--pixels", "--json", name)
        [row] = map(json.loads, run(*command, exit_code=1).stdout.splitlines())
        assert (row["status"], row["grade"], row["lost"], row["exit_code"]) == ("done", "samples", [lost], 1)
        run("compress", "-f", "--pixels", "--rm", "--allow-metadata-loss", name)
        assert name in tree()  # Its file would not come back.

    def test_files_are_kept_whole_and_may_be_deleted(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("a.jpg", comment=b"hel\0lo")
        before = Path("a.jpg").read_bytes()
        [row] = map(json.loads, run("compress", "--rm", "--json", "a.jpg").stdout.splitlines())
        assert (row["grade"], row["lost"], row["exit_code"]) == ("file", [], 0)
        assert "a.jpg" not in tree()
        run("decompress", "--rm", "a.jpg.mzp")
        assert Path("a.jpg").read_bytes() == before

    def test_what_is_required(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("a.jpg")
        [row] = map(
            json.loads,
            run("compress", "--pixels", "--require", "content", "--json", "a.jpg", exit_code=1).stdout.splitlines(),
        )
        assert (row["reason"], row["source_size"]) == ("grade", Path("a.jpg").stat().st_size)
        assert "a.jpg.mzp" not in tree()
        run("compress", "--require", "file", "a.jpg")

    def test_other_files_are_left_alone_or_kept(self, folder: Path) -> None:
        Path("in/deep/a.xmp").write_bytes(b"<x/>")
        Path("in/.hidden").write_bytes(b"?")
        advice = "--all keeps damaged files, and files that are no images, as they are"
        assert run("compress", "-r", "in").stderr.splitlines()[-2:] == ["2 other files left alone: .txt, .xmp", advice]
        assert advice in run("compress", "in/text.txt", exit_code=1).stderr
        assert advice not in run("compress", "-f", "in/b.png").stderr
        assert advice not in run("compress", "in/b.png.mzp", exit_code=1).stderr
        assert advice not in run("compress", "--pixels", "in/text.txt", exit_code=1).stderr
        run("compress", "-r", "in", "--all", "--output-dir", "all")
        run("decompress", "-r", "all", "--output-dir", "back")
        assert Path("back/deep/a.xmp").read_bytes() == b"<x/>"
        run("decompress", "all/.hidden.mzp", "-o", "back/.hidden")
        assert Path("back/.hidden").read_bytes() == b"?"

    def test_what_the_result_loses(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("a.png", icc_profile=b"profile")
        run("compress", "a.png")
        assert "lost metadata: ICC profile" in run("decompress", "a.png.mzp", "-o", "a.ppm", exit_code=1).stderr
        np.testing.assert_array_equal(pixels("a.ppm"), pixels("a.png"))
        run("decompress", "-f", "--allow-metadata-loss", "a.png.mzp", "-o", "a.ppm")

    def test_a_result_that_does_not_read_back_is_not_written(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = compress_file("in/b.png").output
        wrong = save("wrong.png", 9).read_bytes()
        monkeypatch.setattr("mulanzip.jobs.restore.write_picture", lambda *_: (wrong, []))
        assert "verification failed" in run("decompress", "--rm", output, "-o", "x.tif", exit_code=1).stderr
        assert output.exists()
        assert not Path("x.tif").exists()
        assert decompress_file(output, "x.tif").output.read_bytes() == wrong

    def test_opaque_alpha_in_webp(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).convert("RGBA").save("a.png")
        output = compress_file("a.png").output
        run("decompress", "--rm", "--allow-metadata-loss", output, "-o", "a.webp")
        assert not output.exists()


class TestLimits:
    def test_pixels_and_memory(self, folder: Path) -> None:
        Image.fromarray(photo(40, 40)).save("rgb.png")
        run("compress", "-q", "--schedule", "one", "-T1", "rgb.png", "in/b.png")
        files = {"compress": ["rgb.png", "in/b.png"], "decompress": ["rgb.png.mzp", "in/b.png.mzp"]}
        files["test"] = files["decompress"]
        for command, names in files.items():
            force = [] if command == "test" else ["-f"]
            for name in names:
                for limit in (["--max-pixels", "107"], ["--max-memory", "300"]):
                    result = run(command, *force, *limit, name, exit_code=6)
                    assert f"({limit[0]})" in result.stderr
            run(command, *force, "--max-pixels", "108", "--max-memory", "1M", names[1])
            run(command, *force, "--max-memory", "100M", names[0], exit_code=6)

    def test_limits_come_before_the_work(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.fromarray(photo(30, 30)).save("rgb.png")
        data = mulanzip.encode(photo(30, 30), schedule="one")
        monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("loaded"))
        monkeypatch.setattr("mulanzip.density.runtime.open_runtime", lambda *_: pytest.fail("opened"))
        for limits in (memory.Limits(pixels=899), memory.Limits(memory=1000)):
            with pytest.raises(mulanzip.LimitError):
                compress_file("rgb.png", limits=limits)
            with pytest.raises(mulanzip.LimitError):
                mulanzip.decode(data, limits=limits)

    def test_metadata_that_inflates(self, folder: Path) -> None:
        picture = mulanzip.image.picture.Picture.from_array(smooth(9, 12, 1) > 90)  # type: ignore[attr-defined]
        picture.metadata[b"iccp"] = bytes(1 << 20)
        data = mulanzip.picture_encoder.encode_picture(picture).pack()  # type: ignore[attr-defined]
        with pytest.raises(mulanzip.LimitError):
            mulanzip.decode(data, limits=memory.Limits(memory=1 << 19))
        mulanzip.decode(data, limits=memory.Limits(memory=1 << 20))

    def test_workers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert batch.workers_for(5, 3) == 3
        assert batch.workers_for(2, 3) == 2
        monkeypatch.setattr(memory, "available_memory", lambda: 2 * memory.coding_bytes(0, 1))
        assert batch.workers_for(5, 3) == 2
        monkeypatch.setattr(memory, "available_memory", lambda: 0)
        assert batch.workers_for(5, 3) == 1

    @pytest.mark.slow
    def test_workers_share_the_threads(self) -> None:
        jobs = [batch.Job(Path(str(number))) for number in range(3)]
        for threads, count, share in ((5, 2, 2), (1, 2, 1), (4, 1, 4)):
            outcomes = list(batch.run(batch.Task(told_threads, execution=Execution(threads=threads)), jobs, count))
            assert [outcome.source_size for outcome in outcomes] == 3 * [share]

    def test_what_a_job_needs(self, folder: Path) -> None:
        need = memory.coding_bytes(9 * 12, 2)
        assert batch.memory_needed(2, batch.Job(Path("in/b.png"))) == need
        assert batch.memory_needed(2, batch.Job(compress_file("in/b.png").output)) == need
        assert batch.memory_needed(2, batch.Job(Path("in/text.txt"))) == 0
        assert batch.memory_needed(2, batch.Job(Path("missing"))) == 0


@posix
class TestProcess:
    """What only real processes show."""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mulanzip", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def many(self, count: int) -> None:
        for number in range(count):
            Image.fromarray(noise(30, 40, 4, number)).save(f"{number:02}.png")

    @pytest.mark.slow
    def test_killed_in_the_middle_and_run_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        self.many(20)
        with self.start("compress", "-r", ".", "--json", "-j2") as process:
            assert process.stdout is not None
            rows = [json.loads(process.stdout.readline()) for _ in range(5)]
            process.kill()
            rows += map(json.loads, process.stdout)  # Until the workers have ended, too.
        assert all(row["status"] == "done" for row in rows)
        done = {p.name: p.stat().st_ino for p in tmp_path.glob("*.mzp")}
        assert 5 <= len(done) < 20
        for path in tmp_path.glob("*.mzp"):
            mulanzip.info(path)
        with self.start("compress", "-r", ".", "--json", "--skip-done") as process:
            output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        rows = [json.loads(line) for line in output.splitlines()]
        assert sum(row["status"] == "skipped" for row in rows) == len(done)
        assert sum(row["status"] == "done" for row in rows) == 20 - len(done)
        assert done.items() <= {p.name: p.stat().st_ino for p in tmp_path.glob("*.mzp")}.items()
        run("test", "-q", "-r", ".")

    @pytest.mark.slow
    @pytest.mark.parametrize(("how", "whom"), [("SIGINT", "all"), ("SIGTERM", "one"), ("SIGTERM", "all")])
    def test_interruptions(self, how: str, whom: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        self.many(12)
        before = tree()
        with self.start("compress", "-r", ".", "--rm", "--output-dir", "out", "-j2") as process:
            assert process.stdout is not None
            process.stdout.readline()
            (os.killpg if whom == "all" else os.kill)(process.pid, signal.Signals[how])
            _, errors = process.communicate(timeout=600)
        assert process.returncode == 130
        assert errors.strip() == "interrupted"
        after = tree()
        done = {Path(name).stem for name in after if name.endswith(SUFFIX)}
        assert set(after) == {f"out/{name}{SUFFIX}" for name in done} | set(after) & set(before)
        assert done | set(after) & set(before) == set(before)
        run("test", "-q", "-r", "out")

    @pytest.mark.slow
    def test_a_full_disk(self, folder: Path) -> None:
        script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
sys.argv = ["mulanzip", "compress", "-r", "in", "--output-dir", "out", "--rm", "-j2"]
from mulanzip.cli.main import run
run()
"""
        Image.fromarray(noise(60, 60, 1)).convert("P").resize((90, 90)).save("in/large.png")
        result = run_python("-c", script)
        assert result.returncode == 1
        assert "in/large.png: error: out/large.png.mzp: File too large" in result.stderr
        assert tree("out").keys() == {"b.png.mzp", "a.tif.mzp", "deep/er/a.PNG.mzp", "deep/b.png.mzp"}
        assert tree("in").keys() == {"large.png", "text.txt"}

    def test_completion(self, folder: Path) -> None:
        command = shutil.which("mulanzip", path=str(Path(sys.executable).parent))
        if command is None:
            pytest.skip("the entry point is not installed beside this Python")
        for words, expected in (("mulanzip deco", "plain,decompress"), ("mulanzip test --rec", "plain,--recursive")):
            env = {**os.environ, "_MULANZIP_COMPLETE": "bash_complete", "COMP_WORDS": words}
            env["COMP_CWORD"] = str(words.count(" "))
            result = subprocess.run([command], env=env, capture_output=True, text=True, check=True)
            assert result.stdout.splitlines() == [expected]
