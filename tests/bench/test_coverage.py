"""The report on a folder: every file is accounted for, and a change or a traceback would be seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.pictures import smooth
from support.processes import ROOT, TESTS, load_script

coverage = load_script(ROOT / "benchmarks" / "coverage.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(smooth(20, 21)).save(tmp_path / "colour.png", dpi=(72, 72))
    Image.fromarray(smooth(9, 9, 1) > 90).save(tmp_path / "bilevel.tif")
    (tmp_path / "below").mkdir()
    Image.fromarray(smooth(9, 9)).save(tmp_path / "below" / "photo.jpg", comment=b"a\0b")
    for name in ("cmyk.jpg", "text.png", "huge.bmp"):
        shutil.copy(TESTS / "corpus" / "faulty" / name, tmp_path)
    return tmp_path


def report(folder: Path) -> tuple[int, dict[str, str], str]:
    """Exit code, lines by their first word, and all of them."""
    lines: list[str] = []
    code = coverage.report(folder, 1, lines.append)
    return code, {line.split()[0].removesuffix(":"): line for line in lines if line}, "\n".join(lines)


def test_every_file_is_accounted_for(folder: Path) -> None:
    code, lines, text = report(folder)
    assert code == 0
    assert {"colour.png", "bilevel.tif", "below/photo.jpg", "cmyk.jpg", "text.png", "huge.bmp"} <= lines.keys()
    assert "21x20" in lines["colour.png"].split()
    assert " file " in lines["colour.png"]
    assert lines["colour.png"].endswith("dpi")
    assert lines["bilevel.tif"].endswith(" file")
    assert " pieces " in lines["below/photo.jpg"]
    assert " pieces " in lines["cmyk.jpg"]
    assert "6 files: 4 compressed, 2 refused" in text
    assert "4 of 4 came back as their grades say" in text
    assert "0 tracebacks" in text
    # The JPEG file of 81 pixels.
    assert "1 take more than 200 bytes beyond the smallest of source, PNG, WebP, JPEG XL" in text


@pytest.mark.slow
def test_changes_and_tracebacks_are_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, restore = coverage.read_picture, coverage.decompress_file

    def wrong(path: Path) -> object:
        if path.name == "bilevel.tif":
            raise ZeroDivisionError
        return read(path)

    def longer(*given: object, **options: object) -> object:
        result = restore(*given, **options)
        result.output.write_bytes(result.output.read_bytes() + b"?")
        return result

    monkeypatch.setattr(coverage, "read_picture", wrong)
    code, _, text = report(folder)
    assert code == 1
    assert "1 tracebacks" in text
    assert "ZeroDivisionError" in text
    monkeypatch.setattr(coverage, "read_picture", read)
    monkeypatch.setattr(coverage, "decompress_file", longer)
    code, lines, text = report(folder)
    assert code == 1
    assert "CHANGED" in lines["bilevel.tif"]
    assert "0 of 4 came back as their grades say" in text
