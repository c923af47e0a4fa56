"""``mulanzip info`` says how a file is stored that no model codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.pictures import drawing, noise

from mulanzip.cli.main import main
from mulanzip.jobs.compress import compress_file


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jpg", "stored as JPEG XL, from which the JPEG file is made again"),
        ("a.png", "stored as JPEG XL, WebP or PNG"),
        ("a.npy", "compressed by a general-purpose library"),
    ],
)
def test_forms_without_a_model(name: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, noise(8, 8).astype(np.float64))
    else:
        image = noise(64, 64) if name == "a.jpg" else np.asarray(drawing(64, 64))
        Image.fromarray(image).save(path)
    output = compress_file(path).output
    result = CliRunner().invoke(main, ["info", str(output)])
    assert [line.strip() for line in result.stdout.splitlines() if line.startswith("  model")] == [
        f"model     none: {form}"
    ]
