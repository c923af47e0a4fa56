"""Files of earlier days decode to the pixels they were made from, and are made the same today.

If the shipped model or the format changes on purpose: ``python tests/golden/make.py``.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from support.processes import TESTS, load_script

from mulanzip import picture_decoder, registry
from mulanzip.format import container
from mulanzip.format.container import Coding

make = load_script(TESTS / "golden" / "make.py")
PINNED: dict[str, Any] = json.loads(make.HASHES.read_text())
FILES = {name: (make.FOLDER / f"{name}.mzp").read_bytes() for name in PINNED["files"]}
KEPT = {name: (make.FOLDER / f"{name}.mzp").read_bytes() for name in PINNED["kept"]}


def test_golden_files_are_complete() -> None:
    assert {path.stem for path in make.FOLDER.glob("*.mzp")} == {*FILES, *KEPT}
    assert set(FILES) == {*make.CODED, *make.STORED}
    assert set(KEPT) == {*make.KEPT, *make.CONTENT}
    found = {name: registry.find(name).model_id.hex() for name in PINNED["models"]}
    assert PINNED["models"] == found, "run tests/golden/make.py for the new model"


@pytest.mark.parametrize("name", FILES)
def test_golden_files_decode_to_what_they_did(name: str) -> None:
    assert make.describe(FILES[name]) == PINNED["files"][name]


@pytest.mark.slow
@pytest.mark.parametrize("name", make.CODED)
def test_golden_pictures_encode_to_the_same_bytes(name: str) -> None:
    assert container.unpack(FILES[name]).header.coding is Coding.MODEL
    assert make.encode(name) == FILES[name]


@pytest.mark.parametrize("name", make.STORED)
def test_golden_stored_pictures_are_those_they_were_made_from(name: str) -> None:
    assert container.unpack(FILES[name]).header.coding is Coding.STORED
    found, wanted = picture_decoder.decode_picture(FILES[name]), make.STORED[name]()
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    assert (found.mode, found.palette, found.metadata) == (wanted.mode, wanted.palette, wanted.metadata)


@pytest.mark.parametrize("name", KEPT)
def test_golden_kept_files_come_back_as_they_did(name: str) -> None:
    assert make.describe_kept(KEPT[name]) == PINNED["kept"][name]


@pytest.mark.parametrize("name", [*make.KEPT, *make.CONTENT])
def test_sources_of_golden_files_are_kept(name: str) -> None:
    source, data = make.keep_source(name)
    facts = make.describe_kept(data)
    assert facts["grade"] == PINNED["kept"][name]["grade"] == ("FILE" if name in make.KEPT else "CONTENT")
    if name in make.KEPT:
        assert facts["restored"] == make._digest(source)


def test_golden_archive_decodes_and_encodes_as_it_did() -> None:
    data = make.ARCHIVE.read_bytes()
    assert make.describe_archive(data) == PINNED["archive"]
    assert make.encode_archive() == data
