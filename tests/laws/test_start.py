"""A command imports little, so that it starts in a blink: what takes time is imported when it is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import photo
from support.processes import run_python

import mulanzip

_SCRIPT = """
import sys
from mulanzip.cli.main import main
main(sys.argv[1:], standalone_mode=False)
"""
_MODULES = _SCRIPT + "print(*sys.modules, file=sys.stderr)"
_PEAK = _SCRIPT + "from mulanzip.bench.peak_memory import peak_mib; print(peak_mib(), file=sys.stderr)"
#: What no command needs for a PNG file on a CPU.
_NEVER = {
    "concurrent.futures.process",
    "distributed",
    "importlib.metadata",
    "matplotlib",
    "mulanzip.floatnet",
    "mulanzip.gaussian",
    "mulanzip.inspect",
    "mulanzip.jobs.workers",
    "mulanzip.source",
    "mulanzip.training",
    "multiprocessing",
    "numpy.ma",
    "numpy.random",
    "psutil",
    "pydicom",
    "scipy",
    "secrets",
    "tempfile",
    "tifffile",
    "torch",
    "tqdm",
    "zarr",
}
#: What a decoder of a picture does not need, beside these.
_NOT_TO_DECODE = {
    "PIL",
    "imagecodecs",
    "mulanzip.encoder",
    "mulanzip.imageio.reader",
    "mulanzip.kept_file",
    "mulanzip.whole",
}
_PLUGINS_OF_PIL = {"PIL.PdfImagePlugin", "PIL.TiffImagePlugin"}


def imported(*arguments: str | Path) -> set[str]:
    """The modules that a command has imported at its end."""
    done = run_python("-c", _MODULES, *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.slow
def test_what_a_picture_does_not_need_is_not_imported(tmp_path: Path) -> None:
    source, compressed, restored = tmp_path / "a.png", tmp_path / "a.mzp", tmp_path / "b.png"
    Image.fromarray(photo(96, 96)).save(source)
    coding = imported("compress", "-e", "1", source, "-o", compressed)
    assert mulanzip.info(compressed).coding.name == "MODEL"
    decoding = imported("decompress", compressed, "-o", restored)
    assert np.array_equal(np.asarray(Image.open(restored)), photo(96, 96))
    assert not coding & (_NEVER | _PLUGINS_OF_PIL), coding & (_NEVER | _PLUGINS_OF_PIL)
    assert not decoding & (_NEVER | _NOT_TO_DECODE), decoding & (_NEVER | _NOT_TO_DECODE)


@pytest.mark.slow
def test_one_command_does_not_import_the_others() -> None:
    found = {name for name in imported("compress", "--help") if name.startswith("mulanzip.cli.")}
    assert "mulanzip.cli.compress" in found
    assert not found & {"mulanzip.cli.bench", "mulanzip.cli.decompress", "mulanzip.cli.train"}


@pytest.mark.slow
def test_restoring_a_photograph_takes_little_memory(tmp_path: Path) -> None:
    compressed = tmp_path / "a.mzp"
    compressed.write_bytes(mulanzip.encode(photo(512, 768), effort=1))
    done = run_python("-c", _PEAK, "decompress", "-T", "2", compressed, "-o", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    assert float(done.stderr) < 150
