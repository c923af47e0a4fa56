"""Images that Pillow would change without a word are refused, as are formats that would lose something."""

from __future__ import annotations

from pathlib import Path, PurePath

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.image_files import saved
from support.pictures import noise

from mulanzip.errors import UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import write_picture


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P5 1 1 1000\n\1\2", "maximum 1000"),
        (b"P6 1 1 65534\n\1\2\1\2\1\2", "maximum 65534"),
        (b"P5 1 1 65535\n\1\2\3", "behind the first"),
        (b"P2 1 1 65535\n300", "16-bit"),
        (b"P3 1 1 300\n300 1 2", "9-bit"),
        (b"P5 # comment\n1 1\n# more\n100\n\1", "maximum 100"),
        (b"P6 1 1 254\n\1\2\3", "maximum 254"),
        (b"Pf 1 1 -1.0\n\0\0\0\0", "floating-point"),
    ],
)
def test_pnm(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pnm"
    path.write_bytes(data)
    with pytest.raises(UnsupportedImageError, match=message):
        read_picture(path)


@pytest.mark.parametrize("data", [b"P5 1 1 255\n\7", b"P2 1 1 255\n7\n", b"P5\n#c\n1\n1\n255\n\7"])
def test_pnm_of_8_bits(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pnm"
    path.write_bytes(data)
    assert read_picture(path)[0].pixels.tolist() == [[[7]]]


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("CMYK", (3, 3)), "a" + suffix)
    with pytest.raises(UnsupportedImageError, match="CMYK colour is not supported"):
        read_picture(path)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animations(suffix: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(5, 5, seed=seed)) for seed in range(3)]
    path = saved(tmp_path, frames[0], "a" + suffix, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match=r"animated images are not supported yet .*3 frames"):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.tif", "a.mpo"])
def test_several_pictures(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(5, 5, seed=seed)) for seed in range(2)]
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match=r"several pictures are not supported yet .*has 2"):
        read_picture(path)


def test_tiff_files_of_unknown_compressions(tmp_path: Path) -> None:
    """They are of a kind that is not known, and so neither damaged nor intact: libtiff says the same of both."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(16, 16), compression="png", photometric="rgb")
    with pytest.raises(UnsupportedImageError, match="compression 34933 are not supported"):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.jpg", "b.gif", "c", "d.txt"])
def test_formats_that_lose_are_not_written(name: str) -> None:
    picture = Picture(Mode.RGB, noise(3, 3))
    with pytest.raises(UnsupportedImageError, match=rf"without loss as {name}; use one of \.png"):
        write_picture(picture, PurePath(name))


def test_formats_without_alpha() -> None:
    with pytest.raises(UnsupportedImageError, match="rgba"):
        write_picture(Picture(Mode.RGBA, noise(3, 3, 4)), PurePath("a.bmp"))


def test_images_too_wide_for_webp() -> None:
    with pytest.raises(UnsupportedImageError, match=r"WEBP cannot hold this image .*use \.png"):
        write_picture(Picture(Mode.RGB, np.zeros((1, 17000, 3), np.uint8)), PurePath("a.webp"))
