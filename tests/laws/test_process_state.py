"""The library is a guest: it leaves the process as it finds it, also when it fails."""

from __future__ import annotations

import io
import locale
import os
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.pictures import drawing, photo, smooth

import mulanzip
from mulanzip import gaussian
from mulanzip.cli.main import main
from mulanzip.imageio.reader import read_picture
from mulanzip.testing import process_state_is_kept

TINY = smooth(12, 13)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of many kinds."""
    folder = tmp_path_factory.mktemp("files")
    image = Image.fromarray(TINY)
    for suffix in ("png", "tif", "webp", "bmp", "jpg", "ppm"):
        image.save(folder / f"image.{suffix}")
    drawing(9, 9).save(folder / "drawing.gif")
    np.save(folder / "deep.npy", TINY.astype(np.uint16) * 99)
    mulanzip.compress_file(folder / "image.png", folder / "image.mzp", effort=1, threads=1)
    data = mulanzip.encode(TINY, effort=1, stored=False, threads=1)
    (folder / "coded.mzp").write_bytes(data)
    (folder / "damaged.mzp").write_bytes(data[:-20] + b"\0" + data[-19:])
    (folder / "cut.png").write_bytes((folder / "image.png").read_bytes()[:-40])
    mulanzip.pack([folder / "image.png", folder / "image.bmp"], folder / "archive.mzp", effort=1, threads=1)
    return folder


@pytest.fixture
def host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that works in that folder, and whose state differs from every default."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 123_456)
    monkeypatch.setattr(warnings, "showwarning", lambda *_: None)
    threads, handler = torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    torch.set_num_threads(3)
    signal.signal(signal.SIGTERM, lambda *_: None)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    with np.errstate(all="raise"), np.printoptions(precision=3):
        yield
    torch.set_num_threads(threads)
    signal.signal(signal.SIGTERM, handler)
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def read_everything() -> None:
    for path in sorted(Path().iterdir()):
        with suppress(mulanzip.MulanzipError):
            read_picture(path)


def read_archive() -> None:
    assert len(list(mulanzip.Archive("archive.mzp", threads=1).values())) == 2


def coded() -> bytes:
    return Path("coded.mzp").read_bytes()


def fail(action: Callable[[], object], error: type[Exception] = mulanzip.MulanzipError) -> None:
    with pytest.raises(error):
        action()


def command(*arguments: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output


ACTIONS: dict[str, Callable[[], object]] = {
    "encode": lambda: mulanzip.encode(TINY),
    "encode and decode on several threads": lambda: mulanzip.decode(
        mulanzip.encode(photo(530, 520), effort=1, schedule="one", stored=False, threads=4), threads=4
    ),
    "encode with a fitted context": lambda: mulanzip.encode(photo(256, 257), effort=6, threads=2),
    "encode with a schedule for each tile": lambda: mulanzip.encode(TINY, schedule="adaptive", threads=2),
    "encode deep samples": lambda: mulanzip.encode(TINY.astype(np.uint16) * 99, effort=1),
    "decode": lambda: mulanzip.decode(coded()),
    "decode damaged bytes": lambda: fail(lambda: mulanzip.decode(Path("damaged.mzp").read_bytes())),
    "encode with a wrong option": lambda: fail(lambda: mulanzip.encode(TINY, schedule="none"), ValueError),
    "code_length": lambda: mulanzip.code_length(TINY),
    "read files": read_everything,
    "read a truncated file": lambda: fail(lambda: mulanzip.compress_file("cut.png", "cut.mzp")),
    "compress a file": lambda: mulanzip.compress_file("image.tif", io.BytesIO(), effort=1),
    "decompress a file": lambda: mulanzip.decompress_file("image.mzp", io.BytesIO()),
    "info": lambda: mulanzip.info("image.mzp"),
    "ledger": lambda: mulanzip.ledger(coded()),
    "bits_map": lambda: mulanzip.bits_map(coded()),
    "salvage": lambda: mulanzip.salvage_file("coded.mzp", io.BytesIO()),
    "pack": lambda: mulanzip.pack(["image.png", "image.bmp"], "packed.mzp", effort=1),
    "read an archive": read_archive,
    "unpack": lambda: mulanzip.unpack("archive.mzp", "unpacked"),
    "compress on the command line": lambda: command("compress", "image.png", "-o", "copy.mzp", "--effort", "1"),
    "decompress on the command line": lambda: command("decompress", "image.mzp", "-o", "copy.png"),
    "draw from a Gaussian model": lambda: gaussian.sample(gaussian.open_model(), 1, steps=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_the_state_of_the_process_is_kept(action: str, host: None) -> None:
    with process_state_is_kept():
        ACTIONS[action]()


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "environment": (lambda: os.environ.update(MULANZIP="1"), lambda: os.environ.pop("MULANZIP")),
    "working directory": (lambda: os.chdir(".."), lambda: None),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"), lambda: locale.setlocale(locale.LC_ALL, "C")),
    "signal handlers": (lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), lambda: None),
    "warning filters": (lambda: warnings.simplefilter("ignore"), lambda: warnings.filters.pop(0)),
    "random state of Python": (random.random, lambda: None),
    "random state of numpy": (np.random.random, lambda: None),
    "random state of torch": (lambda: torch.rand(1), lambda: None),
    "floating-point errors of numpy": (lambda: np.seterr(all="ignore"), lambda: None),
    "threads of torch in a new thread": (lambda: torch.set_num_threads(2), lambda: None),
    "largest image of Pillow": (lambda: setattr(Image, "MAX_IMAGE_PIXELS", None), lambda: None),
}


@pytest.mark.parametrize("part", CHANGES)
def test_changes_are_found(part: str, host: None) -> None:
    change, restore = CHANGES[part]
    with pytest.raises(AssertionError, match=part), process_state_is_kept():
        change()
    restore()
