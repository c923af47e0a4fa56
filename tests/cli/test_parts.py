"""``decompress --region`` and ``--index``: parts of images as files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from support.pictures import photo, smooth

import mulanzip
from mulanzip.cli.main import main
from mulanzip.format import container
from mulanzip.format.container import IMAGE, SEGMENT
from mulanzip.imageio.reader import read_picture
from mulanzip.keep import keep
from mulanzip.lattice.geometry import segments
from mulanzip.options import EncodeOptions

PROFILE = b"a profile of colours"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


def pixels(name: str) -> np.ndarray:
    return read_picture(Path(name))[0].to_array()


def stack() -> np.ndarray:
    """Slices of more than one tile."""
    noise = np.random.default_rng(7).integers(0, 40, (4, 260, 530)).astype(np.uint16)
    return 3 * smooth(260, 530, 1) + noise


@pytest.mark.parametrize(
    ("asked", "region"),
    [
        ("3:9,40:", (slice(3, 9), slice(40, None))),
        (":,:", (slice(None), slice(None))),
        ("-4:,:-45", (slice(-4, None), slice(None, -45))),
        ("30:999, 0:7", (slice(30, 999), slice(0, 7))),
    ],
)
@pytest.mark.parametrize("name", ["photo.png", "photo.tif"])
def test_regions(name: str, asked: str, region: tuple[slice, slice]) -> None:
    image = photo(40, 50)
    Image.fromarray(image).save(name, icc_profile=PROFILE)
    run("compress", "-q", "-e1", name)
    expected = Path(name).with_suffix(f".region{Path(name).suffix}")
    assert run("decompress", "--region", asked, f"{name}.mzp").startswith(f"{name}.mzp -> {expected} ")
    np.testing.assert_array_equal(pixels(str(expected)), image[region])
    with Image.open(expected) as file:
        assert file.info["icc_profile"] == PROFILE


def test_regions_of_previews_are_named_by_the_pixels_of_the_image() -> None:
    image = photo(40, 50)
    Image.fromarray(image).save("photo.png")
    run("compress", "-q", "-e1", "photo.png")
    run("decompress", "--region", "7:25,10:45", "--scale", "1/4", "--format", "npy", "photo.png.mzp")
    np.testing.assert_array_equal(pixels("photo.png.region.preview.npy"), image[8:25:4, 12:45:4])
    output = run("decompress", "--region", "1:3,:", "--scale", "1/4", "photo.png.mzp", exit_code=1)
    assert "no pixel lies in rows 1:3 of its preview, every 4th of them: the image has 40 rows" in output


def test_regions_outside_are_refused_with_the_size_of_the_image() -> None:
    Image.fromarray(photo(40, 50)).save("photo.png")
    run("compress", "-q", "-e1", "photo.png")
    output = run("decompress", "--region", "0:10,50:60", "photo.png.mzp", exit_code=1)
    assert "photo.png.mzp: error: no pixel lies in columns 50:60 of the image: the image has 50 columns" in output
    assert not list(Path().glob("*.region.*"))


@pytest.mark.parametrize("asked", ["10,20", "1:2", "1:2:3,:", "a:b,c:d", ""])
def test_what_is_no_region_is_refused(asked: str) -> None:
    Path("a.mzp").touch()
    assert "is no region; write rows and columns, as 0:512,256:768" in run(
        "decompress", "--region", asked, "a.mzp", exit_code=2
    )


@pytest.mark.parametrize("part", [("--region", "0:1,0:1"), ("--index", "0"), ("--scale", "1/2")])
def test_what_does_not_go_with_parts(part: tuple[str, str]) -> None:
    assert f"leave it out with {part[0]}" in run("decompress", "--rm", *part, "a.mzp", exit_code=2)
    assert f"{part[0]} and --salvage do not go together" in run("decompress", "--salvage", *part, "a.mzp", exit_code=2)


def test_slices_and_pages() -> None:
    slices = stack()[:, :130, :140]
    tifffile.imwrite("scan.tif", slices, photometric="minisblack")
    run("compress", "-q", "-e1", "scan.tif")
    assert run("decompress", "--index", "2", "scan.tif.mzp").startswith("scan.tif.mzp -> scan.2.tif ")
    np.testing.assert_array_equal(pixels("scan.2.tif"), slices[2])
    run("decompress", "--index", "3", "--region", "5:9,:", "--scale", "1/2", "--format", "png", "scan.tif.mzp")
    np.testing.assert_array_equal(pixels("scan.tif.3.region.preview.png"), slices[3, 6:9:2, ::2])
    output = run("decompress", "--index", "4", "scan.tif.mzp", exit_code=1)
    assert "there is no slice, band or image 4: the file has 4 slices, bands or images, counted from 0" in output


def test_bands_and_images_without() -> None:
    bands = np.ascontiguousarray(np.moveaxis(stack()[:, :30, :40], 0, 2))
    Path("scene.mzp").write_bytes(mulanzip.encode(np.concatenate([bands, bands[..., :1]], 2), effort=1))
    run("decompress", "--index", "1", "scene.mzp")
    np.testing.assert_array_equal(pixels("scene.1.png"), bands[..., 1])
    assert "there is no slice or band 5: the file has 5" in run("decompress", "--index", "5", "scene.mzp", exit_code=1)
    Path("photo.mzp").write_bytes(mulanzip.encode(photo(9, 9), effort=1))
    output = run("decompress", "--index", "0", "photo.mzp", exit_code=1)
    assert "there is no slice or band 0: the file has no slices or bands" in output


def test_other_tiles_of_a_kept_file_are_not_decoded() -> None:
    """The last tile of its image is damaged, behind a right checksum."""
    image = np.ascontiguousarray(stack()[1])
    tifffile.imwrite("scan.tif", image)
    file = keep(Path("scan.tif").read_bytes(), encoding=EncodeOptions(effort=1, stored=False)).file
    chunks = list(file.chunks)
    at = next(i for i, chunk in enumerate(chunks) if chunk.kind == IMAGE)
    inner = container.unpack(chunks[at].payload)
    parts = list(inner.chunks)
    last = max(i for i, chunk in enumerate(parts) if chunk.kind == SEGMENT)
    assert len(segments(*image.shape)) > 1
    parts[last] = replace(parts[last], payload=b"damaged!")
    chunks[at] = replace(chunks[at], payload=replace(inner, chunks=tuple(parts)).pack())
    Path("hurt.tif.mzp").write_bytes(replace(file, chunks=tuple(chunks)).pack())
    run("decompress", "--region", "0:30,0:40", "hurt.tif.mzp")
    np.testing.assert_array_equal(pixels("hurt.region.tif"), image[:30, :40])
    run("decompress", "--region", "-5:,-5:", "hurt.tif.mzp", "-f", exit_code=4)


def test_regions_keep_the_transparency_of_palettes() -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 5, "P")
    image.putpalette(bytes(range(15)))
    image.save("flat.png", transparency=3)
    run("compress", "-q", "flat.png")
    data = Path("flat.png.mzp").read_bytes()
    whole = mulanzip.decode(data)
    assert whole.shape == (6, 8, 4)
    np.testing.assert_array_equal(mulanzip.decode(data, region=(slice(1, 3), slice(2, 9))), whole[1:3, 2:9])


def test_a_folder_of_parts_and_what_is_done() -> None:
    slices = stack()[:, :130, :140]
    for name in ("a", "b"):
        tifffile.imwrite(f"{name}.tif", slices, photometric="minisblack")
    run("compress", "-q", "-e1", "a.tif", "b.tif", "-j1")
    wanted = ("decompress", "--json", "--skip-done", "--index", "1", "--region", "2:9,:", "-j2", "-T2", "-r", ".")
    for status in ("done", "skipped"):
        rows = [json.loads(line) for line in CliRunner().invoke(main, list(wanted)).stdout.splitlines()]
        assert {(row["output"], row["status"]) for row in rows if row["source"].endswith(".mzp")} == {
            ("a.1.region.tif", status),
            ("b.1.region.tif", status),
        }


def test_the_library_writes_parts() -> None:
    image = photo(20, 30)
    source = io.BytesIO(mulanzip.encode(image, effort=1))
    result = mulanzip.decompress_file(source, Path("part.png"), region=(slice(2, 5), slice(4, None)), scale=2)
    assert result.status == "done"
    np.testing.assert_array_equal(pixels("part.png"), image[2:5:2, 4::2])
