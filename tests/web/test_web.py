"""The page in ``web`` opens files as this package does: in Node, and in Chromium where it is installed."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.processes import TESTS

import web_build
from mulanzip import api, picture_decoder, picture_encoder
from mulanzip.format import container
from mulanzip.format.container import Coding
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio.reader import read_picture

NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GOLDEN = TESTS / "golden"
PINNED: dict[str, Any] = json.loads((GOLDEN / "hashes.json").read_text())["files"]
#: Faulty files that a page opens all the same: it does not restore PNG files byte for byte.
OPENED = {"original"}

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def _coding(name: str) -> Coding:
    return container.unpack((GOLDEN / f"{name}.mzp").read_bytes()).header.coding


CODED = [name for name in PINNED if _coding(name) is Coding.MODEL]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the models beside it."""
    folder = tmp_path_factory.mktemp("page")
    for file in web_build.PAGE.glob("*.*"):
        shutil.copy(file, folder)
    web_build.copy_models(folder / "models")
    return folder


def _run(script: str, *arguments: str | Path) -> None:
    subprocess.run([str(NODE), TESTS / "web" / script, *arguments], check=True, timeout=600)


def _decode(page: Path, folder: Path, files: list[Path]) -> dict[str, str | None]:
    _run("decode.mjs", page, folder, *files)
    found: dict[str, str | None] = json.loads((folder / "outcomes.json").read_text())
    return found


@pytest.mark.slow
def test_golden_files_decode_to_what_they_did(page: Path, tmp_path: Path) -> None:
    outcomes = _decode(page, tmp_path, [GOLDEN / f"{name}.mzp" for name in CODED])
    assert outcomes == dict.fromkeys(CODED)
    for name in CODED:
        pixels = (tmp_path / f"{name}.bin").read_bytes()
        assert hashlib.blake2b(pixels, digest_size=16).hexdigest() == PINNED[name]["pixels"], name
    for name in CODED:  # The last previews of plain images are these images.
        mode, *shape = PINNED[name]["shape"].split()
        pixels = (tmp_path / f"{name}.bin").read_bytes()
        if mode in ("GRAY", "RGB") and len(pixels) == math.prod(map(int, shape)):
            shown = np.fromfile(tmp_path / f"{name}.rgba", dtype=np.uint8).reshape(-1, 4)[:, :3]
            wanted = np.frombuffer(pixels, dtype=np.uint8).reshape(len(shown), -1)
            np.testing.assert_array_equal(shown, np.broadcast_to(wanted, shown.shape), name)


@pytest.mark.slow
def test_saved_files_are_the_pictures_with_their_metadata(page: Path, tmp_path: Path) -> None:
    pixels = np.arange(14 * 15 * 4, dtype=np.uint8).reshape(14, 15, 4) * 37
    metadata = {b"exif": b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"xmpm": b"<x:xmpmeta/>"}
    pictures = {
        "gray": Picture.from_array(pixels[..., 0]),
        "gray_alpha": Picture.from_array(pixels[..., :2]),
        "rgb": Picture(Mode.RGB, pixels[..., :3], b"", metadata),
        "rgba": Picture.from_array(pixels),
        "deep": Picture.from_array(pixels[..., :3].astype(np.uint16) * 251),
    }
    options = api.EncodeOptions(effort=1, context="none", stored=False)
    for name, picture in pictures.items():
        (tmp_path / f"{name}.mzp").write_bytes(picture_encoder.encode_picture(picture, options).pack())
    outcomes = _decode(page, tmp_path, [tmp_path / f"{name}.mzp" for name in pictures])
    assert outcomes == dict.fromkeys(pictures)
    for name, picture in pictures.items():
        found, lost = read_picture(tmp_path / f"{name}.png")
        assert (found.mode, lost) == (picture.mode, [])
        np.testing.assert_array_equal(found.pixels, picture.pixels)
        assert found.metadata == picture.metadata, name


@pytest.mark.slow
def test_faulty_files_are_refused_with_a_message(page: Path, tmp_path: Path) -> None:
    files = [file for file in (TESTS / "corpus" / "faulty").glob("*.mzp") if file.stem not in OPENED]
    outcomes = _decode(page, tmp_path, files)
    assert [name for name, message in outcomes.items() if not message] == []


def test_a_damaged_file_is_refused(page: Path, tmp_path: Path) -> None:
    data = bytearray((GOLDEN / "one_pixel.mzp").read_bytes())
    data[-20] ^= 1
    (tmp_path / "damaged.mzp").write_bytes(data)
    message = _decode(page, tmp_path, [tmp_path / "damaged.mzp"])["damaged"]
    assert message is not None
    assert "damaged" in message


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_shows_golden_files(page: Path, tmp_path: Path) -> None:
    shown = ["photo", "photo_gray", "photo_odd", "jpeg", "toned", "palette", "stored_rgb"]
    faulty = TESTS / "corpus" / "faulty" / "segment_hash.mzp"
    _run("browse.mjs", str(CHROMIUM), page, tmp_path, *[GOLDEN / f"{name}.mzp" for name in shown], faulty)
    outcomes = json.loads((tmp_path / "outcomes.json").read_text())
    assert outcomes.pop("segment_hash")["state"] == "failed"
    assert {name: outcome["state"] for name, outcome in outcomes.items()} == dict.fromkeys(shown, "done"), outcomes
    for name in shown:
        array = picture_decoder.decode_picture((GOLDEN / f"{name}.mzp").read_bytes()).to_array()
        rgb = array[..., :3] if array.ndim == 3 else np.repeat(array[..., None], 3, 2)
        height, width = rgb.shape[:2]
        found = np.fromfile(tmp_path / f"{name}.rgba", dtype=np.uint8).reshape(height, width, 4)
        opacity = array[..., 3] if array.shape[2:] == (4,) else np.full((height, width), 255)
        np.testing.assert_array_equal(found[..., 3], opacity)
        # A canvas keeps colours times alpha: only opaque ones come back as they were.
        np.testing.assert_array_equal(found[opacity == 255, :3], rgb[opacity == 255])
