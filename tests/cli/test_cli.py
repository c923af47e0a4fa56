"""The command line: what it prints, what it leaves, and its exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.pictures import drawing, photo, smooth
from support.processes import run_python

import mulanzip
from mulanzip import registry
from mulanzip.cli.main import main
from mulanzip.cli.models import USES
from mulanzip.cli.report import Reporter, printable
from mulanzip.errors import CorruptFileError, LimitError, ModelError, UnreadableImageError
from mulanzip.format.container import SEGMENT, Container, Header, unpack

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an image that needs no model."""
    monkeypatch.chdir(tmp_path)
    save("a.png")
    return tmp_path


def save(name: str, seed: int = 0) -> Path:
    drawing(9, 12, seed).save(name)
    return Path(name)


def run(*arguments: str | Path, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    assert result.exit_code == exit_code, result.output
    return result


def names() -> set[str]:
    return {path.name for path in Path.cwd().iterdir()}


class TestCompress:
    def test_there_and_back(self, folder: Path) -> None:
        result = run("compress", "a.png")
        sizes = [f"{Path(name).stat().st_size:,}" for name in ("a.png", "a.png.mzp")]
        assert result.stdout.startswith(f"a.png -> a.png.mzp  {sizes[0]} -> {sizes[1]} bytes (")
        assert result.stderr == ""
        result = run("decompress", "a.png.mzp", "-o", "b.png")
        assert result.stdout == f"a.png.mzp -> b.png  {Path('b.png').stat().st_size} bytes\n"
        with Image.open("a.png") as image, Image.open("b.png") as copy:
            assert image.tobytes() == copy.tobytes()

    def test_with_the_model(self, folder: Path) -> None:
        Image.fromarray(photo(40, 40)).save("photo.png")
        result = run("compress", "photo.png", "-v", "--schedule", "one", "-T", "1", "--device", "cpu", "--no-verify")
        assert "bpsp, model, 1 segments" in result.stdout
        assert mulanzip.info("photo.png.mzp").schedules == {"one": 1.0}
        run("decompress", "photo.png.mzp", "-o", "copy.png", "-T", "2")
        with Image.open("copy.png") as copy:
            assert copy.tobytes() == photo(40, 40).tobytes()
        described = run("info", "-v", "photo.png.mzp").stdout
        assert "photo (" in described
        assert "40x40 rgb, 8 bits per sample" in described

    @pytest.mark.slow
    def test_quiet(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("b.jpg")
        result = run("compress", "-q", "a.png", "b.jpg")
        assert result.output == ""
        assert run("decompress", "-q", "-f", "a.png.mzp", "b.jpg.mzp").output == ""
        assert run("test", "-q", "a.png.mzp").output == ""
        assert run("compress", "-q", "missing.png", exit_code=1).stderr.startswith("missing.png: error: ")

    def test_notes_go_to_stderr(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("b.jpg")
        result = run("compress", "b.jpg")
        assert result.stderr == ""
        result = run("compress", "-f", "--pixels", "b.jpg")
        assert result.stderr.startswith("b.jpg: note: decoded from JPEG")
        assert "note: only pixels and known metadata are kept, as asked" in result.stderr

    def test_remove(self, folder: Path) -> None:
        run("compress", "a.png")
        run("compress", "--rm", "a.png", exit_code=1)
        assert names() == {"a.png", "a.png.mzp"}
        run("compress", "--rm", "-f", "a.png")
        assert names() == {"a.png.mzp"}
        run("decompress", "--rm", "a.png.mzp")
        assert names() == {"a.png"}
        run("compress", "--rm", "-k", "a.png")
        assert names() == {"a.png", "a.png.mzp"}

    def test_removing_a_link_keeps_what_it_points_to(self, folder: Path) -> None:
        Path("link.png").symlink_to("a.png")
        run("compress", "--rm", "link.png")
        assert names() == {"a.png", "link.png.mzp"}


class TestOutputs:
    def test_existing_ones_need_force(self, folder: Path) -> None:
        Path("a.png.mzp").write_bytes(b"old")
        result = run("compress", "a.png", exit_code=1)
        assert result.stderr == "a.png: error: a.png.mzp exists already (use -f to overwrite it)\n"
        assert Path("a.png.mzp").read_bytes() == b"old"
        run("compress", "-f", "a.png")
        assert run("decompress", "a.png.mzp", exit_code=1).stderr.endswith("(use -f to overwrite it)\n")

    def test_the_input_as_output(self, folder: Path) -> None:
        result = run("compress", "-f", "a.png", "-o", "a.png", exit_code=1)
        assert result.stderr.endswith("a.png: error: output a.png is the input itself\n")

    @pytest.mark.slow
    def test_folders(self, folder: Path) -> None:
        Path("out").mkdir()
        save("b.png", seed=1)
        run("compress", "a.png", "b.png", "-o", "out")
        run("decompress", "out/a.png.mzp", "out/b.png.mzp", "-o", "out/")
        assert {path.name for path in Path("out").iterdir()} == {"a.png", "b.png", "a.png.mzp", "b.png.mzp"}

    @pytest.mark.parametrize("command", ["compress", "decompress"])
    def test_one_output_for_several_files(self, command: str, folder: Path) -> None:
        result = run(command, "-o", "x", "a.png", "b.png", exit_code=2)
        assert "with several files, -o must name an existing folder; x is none" in result.stderr
        assert names() == {"a.png"}

    def test_missing_folders(self, folder: Path) -> None:
        assert "there is no folder out/" in run("compress", "a.png", "-o", "out/", exit_code=2).stderr
        result = run("compress", "a.png", "-o", "out/a.mzp", exit_code=1)
        assert result.stderr == f"a.png: error: {folder / 'out'}: there is no such folder\n"

    def test_lossy_formats(self, folder: Path) -> None:
        run("compress", "a.png")
        result = run("decompress", "a.png.mzp", "-o", "a.jpg", exit_code=1)
        assert result.stderr == (
            "a.png.mzp: error: cannot write palette images without loss as a.jpg; use one of .png, .tif, .tiff, .bmp\n"
        )

    def test_formats_of_names_that_name_none(self, folder: Path) -> None:
        run("compress", "a.png")
        run("decompress", "a.png.mzp", "--format", "tif", "-o", "copy")
        run("decompress", "a.png.mzp", "--format", "tif", "-o", "copy.png")  # The name wins.
        with Image.open("copy") as copy, Image.open("copy.png") as named:
            assert (copy.format, named.format) == ("TIFF", "PNG")

    def test_outputs_that_are_named_without_their_option(self, folder: Path) -> None:
        run("compress", "-q", "a.png")
        advice = "the output is named by -o b.png"
        assert advice in run("decompress", "-j1", "-f", "a.png.mzp", "b.png", exit_code=1).stderr
        assert advice not in run("decompress", "-f", "missing.mzp", exit_code=1).stderr


class TestErrors:
    def test_one_line_each(self, folder: Path) -> None:
        Path("empty.png").touch()
        Path("text.png").write_text("hello\n")
        Path("folder").mkdir()
        run("compress", "-q", "a.png")
        result = run("compress", "-j1", "empty.png", "text.png", "folder", "missing.png", "a.png.mzp", exit_code=1)
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert lines.pop().startswith("--all keeps damaged files")
        assert lines.pop().startswith("5 files: 5 failed; ")
        assert lines == [
            "empty.png: error: the file is empty",
            "text.png: error: not an image that mulanzip reads "
            "(PNG, WEBP, TIFF, BMP, PPM, GIF, TGA, PCX, JPEG, PAM, NPY, DICOM, FITS, NIfTI)",
            "folder: error: is a folder; name the files in it, or use -r",
            "missing.png: error: No such file or directory",
            "a.png.mzp: error: this is a .mzp file already; mulanzip decompress restores it",
        ]

    @pytest.mark.slow
    def test_one_failure_does_not_stop_the_others(self, folder: Path) -> None:
        save("b.png", seed=1)
        result = run("compress", "a.png", "missing.png", "b.png", exit_code=1)
        error, summary = result.stderr.splitlines()
        assert error == "missing.png: error: No such file or directory"
        assert summary.startswith("3 files: 2 done, 1 failed; ")
        assert names() == {"a.png", "b.png", "a.png.mzp", "b.png.mzp"}

    @pytest.mark.parametrize(
        ("errors", "exit_code"),
        [
            ([], 0),
            ([CorruptFileError("")], 4),
            ([CorruptFileError(""), CorruptFileError("")], 4),
            ([CorruptFileError(""), ModelError("")], 1),
            ([LimitError("")], 6),
            ([LimitError(""), OSError(2, "")], 1),
            ([LimitError(""), OSError(2, ""), LimitError("")], 1),
            ([UnreadableImageError("")], 1),
        ],
    )
    def test_exit_codes(self, errors: list[Exception], exit_code: int) -> None:
        reporter = Reporter(quiet=False)
        for error in errors:
            reporter.fail(Path("a"), error)
        assert reporter.exit_code == exit_code

    def test_errors_of_the_output_name_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        Reporter(quiet=False).fail(Path("a"), OSError(28, "No space left on device", "a.mzp"))
        assert capsys.readouterr().err == "a: error: a.mzp: No space left on device\n"

    @pytest.mark.slow
    def test_damaged_files(self, folder: Path) -> None:
        run("compress", "-q", "a.png")
        data = Path("a.png.mzp").read_bytes()
        Path("truncated.mzp").write_bytes(data[:-20])
        Path("flipped.mzp").write_bytes(data[:-30] + b"?" + data[-29:])
        for command in ("info", "test", "decompress"):
            for name in ("truncated.mzp", "flipped.mzp", "a.png"):
                result = run(command, name, exit_code=4)
                assert result.stderr.startswith(f"{name}: error: ")
                assert result.stderr.count("\n") == 1
        assert names() == {"a.png", "a.png.mzp", "truncated.mzp", "flipped.mzp"}
        assert run("test", "truncated.mzp", "a.png.mzp", exit_code=4).stdout == "a.png.mzp: ok\n"

    def test_missing_models(self, folder: Path) -> None:
        Image.fromarray(smooth(9, 12)).save("b.png")
        assert "no model 'nonsense'" in run("compress", "-m", "nonsense", "b.png", exit_code=5).stderr
        file = unpack(mulanzip.encode(photo(30, 30)))
        header = Header(**{**file.header.__dict__, "model_id": b"another!"})
        Path("c.mzp").write_bytes(Container(header, file.chunks).pack())
        assert "which is not here" in run("decompress", "c.mzp", exit_code=5).stderr
        assert "not here (" in run("info", "c.mzp").stdout

    def test_damage_that_checksums_do_not_show(self, folder: Path) -> None:
        file = unpack(mulanzip.encode(photo(30, 30), stored=False))
        chunks = [
            type(c)(c.kind, c.payload[:-1] + bytes([c.payload[-1] ^ 1])) if c.kind == SEGMENT else c
            for c in file.chunks
        ]
        Path("b.mzp").write_bytes(Container(file.header, tuple(chunks)).pack())
        run("info", "b.mzp")
        run("test", "b.mzp", exit_code=4)

    def test_images_too_large(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mulanzip.limits.available_memory", lambda: 100)
        assert "of memory" in run("compress", "a.png", exit_code=6).stderr

    def test_lists_of_another_kind(self, folder: Path) -> None:
        Path("list").write_bytes(b"a.png\0b.png\0")
        assert "list holds NUL bytes; use -0" in run("compress", "--files-from", "list", exit_code=2).stderr

    def test_any_file_name_is_shown_on_one_line(self, folder: Path) -> None:
        name = os.fsdecode(b"new\nline \x1b[31m \xff.png")
        save("b.png").rename(name)
        result = run("compress", name)
        assert result.stdout.startswith("new?line ?[31m ?.png -> new?line ?[31m ?.png.mzp")
        assert printable("größer 図.png") == "größer 図.png"


class TestInfo:
    def test_stored(self, folder: Path) -> None:
        run("compress", "-q", "a.png")
        lines = run("info", "a.png.mzp").stdout.splitlines()
        assert lines[0] == "a.png.mzp"
        assert lines[1].split() == ["image", "12x9", "palette,", "8", "bits", "per", "sample"]
        assert lines[3].split() == ["model", "none:", "stored", "as", "JPEG", "XL,", "WebP", "or", "PNG"]
        parts = [int(line.split()[-2].replace(",", "")) for line in lines[5:]]
        assert sum(parts) == Path("a.png.mzp").stat().st_size

    def test_models(self) -> None:
        result = run("models")
        assert "photo (default for colours)" in result.stdout
        assert "gray (default for gray)" in result.stdout
        for model in registry.shipped():
            assert model.model_id.hex() in result.stdout
            assert f"for   {USES[model.name]}" in result.stdout


class TestProcess:
    """What only a process of its own shows."""

    @pytest.mark.slow
    def test_light_commands_do_not_import_torch(self, folder: Path) -> None:
        run("compress", "-q", "a.png")
        script = """
import sys
from mulanzip.cli.main import main
for arguments in (["--help"], ["--version"], ["compress", "-h"], ["sample", "-h"]):
    main(arguments, standalone_mode=False)
assert "numpy" not in sys.modules
main(["models"], standalone_mode=False)
main(["info", "a.png.mzp"], standalone_mode=False)
heavy = {"torch", "tqdm"} & set(sys.modules)
assert not heavy, heavy
main(["compress", "-f", "a.png"], standalone_mode=False)
main(["decompress", "-f", "a.png.mzp"], standalone_mode=False)
assert "torch" not in sys.modules
"""
        result = run_python("-c", script)
        assert result.returncode == 0, result.stderr
        assert "Usage:" in result.stdout

    @pytest.mark.slow
    def test_errors_without_traceback(self, folder: Path) -> None:
        result = run_python("-m", "mulanzip", "compress", "missing.png")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == "missing.png: error: No such file or directory\n"
        result = run_python("-m", "mulanzip", "compress")
        assert result.returncode == 2
        assert "Traceback" not in result.stderr

    @posix
    @pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
    def test_interruption(self, folder: Path, how: str) -> None:
        """Ctrl-C, or a polite kill, while the temporary file is there."""
        script = """
import shutil, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # Background jobs of a shell ignore it.
shutil.copystat = lambda *_: (print("ready", flush=True), time.sleep(600))
sys.argv = ["mulanzip", "compress", "--rm", "a.png"]
from mulanzip.cli.main import run
run()
"""
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert len(names()) == 2
            process.send_signal(signal.Signals[how])
            _, errors = process.communicate(timeout=600)
        assert process.returncode == 130
        assert errors.strip() == "interrupted"
        assert names() == {"a.png"}

    @pytest.mark.slow
    @posix
    def test_the_progress_bar_on_a_terminal(self, folder: Path) -> None:
        shown = in_terminal(
            """
import time
from mulanzip.cli.report import Reporter
clock = 1000.0
time.time = lambda: clock
with Reporter(quiet=False).progress("photo.png") as report:
    clock += 0.2
    report(0.1)
    clock += 1
    report(0.5)
"""
        )
        assert "photo.png: starting" in shown
        assert "photo.png  10% |" in shown
        assert " 50% |" in shown
        assert "00:01 left" in shown
        assert shown.split("\r")[-1].strip() == ""
        assert "left" not in in_terminal("from mulanzip.cli.main import main; main(['compress', '-q', 'a.png'])")

    def test_no_progress_bar_elsewhere(self, folder: Path) -> None:
        result = run_python("-m", "mulanzip", "compress", "a.png")
        assert result.stderr == ""


def in_terminal(script: str) -> str:
    """What a script shows on a terminal of 80 columns."""
    import fcntl
    import pty
    import struct
    import termios

    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", script], stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(main_end, 4096):
                shown += part
        except OSError:  # Linux says so when the other end is closed.
            pass
    os.close(main_end)
    assert process.returncode == 0, shown
    return shown.decode()
