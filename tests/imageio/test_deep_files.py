"""Files of more than 8 bits per sample, and of bands: read at their own precision, written back, or refused."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.image_files import picture_of, read
from support.models import tiny_model
from support.pictures import deep, noise
from support.png import png_chunk, png_file

import mulanzip
from mulanzip.density import model as exact_model
from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png, stored
from mulanzip.imageio.png_original import original
from mulanzip.imageio.png_original import rows as png_rows
from mulanzip.imageio.reader import count_bytes, read_picture
from mulanzip.imageio.writer import WRITERS, can_write, default_suffix, write_picture

KINDS = [
    *(Kind(mode, depth) for mode in (Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA) for depth in (10, 16)),
    Kind(Mode.GRAY, 16, signed=True),
    *(Kind(Mode.BANDS, depth, signed, bands=5) for depth, signed in ((8, False), (16, False), (16, True))),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    exact_model.save(tiny_model(), path)
    return str(path)


def assert_same_pixels(a: Picture, b: Picture) -> None:
    assert a.mode is b.mode
    assert a.pixels.dtype == b.pixels.dtype
    np.testing.assert_array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_format_keeps_the_kinds_that_it_is_said_to(kind: Kind) -> None:
    picture = picture_of(kind)
    suffixes = [suffix for suffix in WRITERS if can_write(suffix, kind)]
    assert ".tif" in suffixes
    assert default_suffix(kind) in suffixes
    for suffix in suffixes:
        data, lost = write_picture(picture, PurePath("a" + suffix))
        assert not lost
        copy = read(data)
        assert_same_pixels(copy, picture)
        assert copy.pixel_hash() == picture.pixel_hash()
        if suffix in (".pgm", ".ppm", ".pam") and kind.is_deep:
            assert copy.depth == kind.depth
    back, _ = stored.restore(stored.store(picture), kind, 17, 13)
    assert back.dtype == picture.pixels.dtype
    np.testing.assert_array_equal(back, picture.pixels)


def test_formats_that_would_lose_are_not_written() -> None:
    for kind, suffix in ((KINDS[-1], ".png"), (Kind(Mode.GRAY, 16, signed=True), ".pgm"), (KINDS[4], ".bmp")):
        with pytest.raises(UnsupportedImageError, match=r"without loss as .*; use one of .*\.tif"):
            write_picture(picture_of(kind), PurePath("a" + suffix))
    assert not can_write(".npy", Kind(Mode.BANDS, 16, bands=4))


class TestPng:
    @pytest.mark.parametrize(("colour", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
    def test_samples_are_those_in_the_file(self, colour: int, channels: int) -> None:
        samples = noise(3, 4 * channels, 1)
        rows = b"".join(b"\0" + row.tobytes() for row in samples)
        picture = read(png_file(2, 3, 16, colour, rows, (b"gAMA", b"\0\0\xb1\x8f"), (b"sBIT", b"\x0c" * channels)))
        np.testing.assert_array_equal(picture.pixels.reshape(-1), np.frombuffer(samples.tobytes(), ">u2"))
        assert [kind for kind, _ in png.unpack_chunks(picture.metadata[PNG_CHUNKS])] == [b"gAMA", b"sBIT"]

    def test_transparent_values_stay_values(self) -> None:
        for colour, size in ((0, 2), (2, 6)):
            transparent = bytes(range(1, 1 + size))
            picture = read(png_file(1, 1, 16, colour, b"\0" + transparent, (b"tRNS", transparent)))
            assert picture.pixels.shape == (1, 1, size // 2)
            assert picture.metadata == {TRANSPARENCY: transparent}
            data, _ = write_picture(picture, PurePath("a.png"))
            assert png_chunk(b"tRNS", transparent) in data
            assert read(data).metadata == picture.metadata

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_file_itself_comes_back(self, channels: int) -> None:
        pixels = deep(20, 30, channels)
        for source in (png.encode(Picture.from_array(pixels)), _by_pillow(pixels) if channels == 1 else b""):
            if source:
                picture = read(source)
                payload = original.describe(source, picture, 1 << 20)
                assert payload is not None
                assert original.rebuild(payload, picture) == source

    @pytest.mark.parametrize("shape", [(3000, 1), (1, 3000), (2000, 1, 4)])
    def test_rows_of_few_bytes(self, shape: tuple[int, ...]) -> None:
        pixels = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
        np.testing.assert_array_equal(read(png.encode(Picture.from_array(pixels))).to_array(), pixels)

    def test_interlaced(self) -> None:
        pixels = deep(21, 19)
        parts = png_rows.passes(pixels[..., None], True)
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts for row in part)
        data = bytearray(png_file(19, 21, 16, 0, rows))
        data[28] = 1
        data[8 : 8 + 25] = png_chunk(b"IHDR", bytes(data[16:29]))
        np.testing.assert_array_equal(read(bytes(data)).to_array(), pixels)


def _by_pillow(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(*arrays: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for array in arrays:
            writer.write(array, metadata=None, **options)
    return buffer.getvalue()


class TestTiff:
    @pytest.mark.parametrize(
        "options",
        [
            {"compression": "lzw", "predictor": True},
            {"compression": "zlib", "tile": (16, 16)},
            {"bigtiff": True},
            {"byteorder": ">"},
            {"rowsperstrip": 3},
        ],
        ids=str,
    )
    def test_layouts(self, options: dict[str, Any]) -> None:
        pixels = deep(40, 37, 3, 16)
        big = {key: options.pop(key) for key in ("bigtiff", "byteorder") if key in options}
        for planar in ("contig", "separate"):
            buffer = io.BytesIO()
            data = pixels if planar == "contig" else pixels.transpose(2, 0, 1)
            tifffile.imwrite(buffer, data, photometric="rgb", planarconfig=planar, metadata=None, **big, **options)
            picture = read(buffer.getvalue())
            assert picture.mode is Mode.RGB
            np.testing.assert_array_equal(picture.pixels, pixels)

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_samples_that_are_packed(self, bits: int) -> None:
        import imagecodecs

        values = deep(8, 8, bits=bits)
        plain = tiff(values, photometric="minisblack", rowsperstrip=8)
        try:
            packed = imagecodecs.packints_encode(values, bits)
        except NotImplementedError:
            pytest.skip("this imagecodecs does not pack integers")
        data = plain.replace(values.tobytes(), bytes(packed).ljust(values.nbytes, b"\0"))
        at = data.index(b"\x02\x01\x03\0\x01\0\0\0")
        data = data[: at + 8] + bits.to_bytes(2, "little") + data[at + 10 :]
        picture = read(data)
        assert picture.depth == bits
        np.testing.assert_array_equal(picture.to_array(), values)

    def test_extra_samples(self) -> None:
        pixels = deep(10, 11, 4)
        for extra, mode in (("unassalpha", Mode.RGBA), ("unspecified", Mode.BANDS)):
            picture = read(tiff(pixels, photometric="rgb", extrasamples=[extra]))
            assert picture.mode is mode
            np.testing.assert_array_equal(picture.pixels, pixels)
        with pytest.raises(UnsupportedImageError, match="premultiplied"):
            read(tiff(pixels, photometric="rgb", extrasamples=["assocalpha"]))

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
    def test_gray_pages_are_bands(self, dtype: type) -> None:
        pages = [deep(10, 11, seed=i).astype(dtype) for i in range(3)]
        picture, notes = read_picture(io.BytesIO(tiff(*pages, photometric="minisblack")))
        assert picture.kind == Kind(Mode.BANDS, 8 if dtype == np.uint8 else 16, dtype == np.int16, 3)
        np.testing.assert_array_equal(picture.pixels, np.stack(pages, 2))
        assert notes == ["its 3 pages are kept as bands of one picture"]

    def test_pages_of_different_kinds_are_refused(self) -> None:
        for other in (deep(10, 12), deep(10, 11).astype(np.int16), deep(10, 11, 3)):
            with pytest.raises(UnsupportedImageError, match="several pictures are not supported"):
                read(tiff(deep(10, 11), other))

    def test_overviews_are_named_as_lost(self) -> None:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(deep(20, 22), metadata=None)
            writer.write(deep(10, 11), metadata=None, subfiletype=1)
        picture = read(buffer.getvalue())
        np.testing.assert_array_equal(picture.to_array(), deep(20, 22))
        assert picture.lost == ("overviews (smaller copies)",)
        masked = io.BytesIO()
        with tifffile.TiffWriter(masked) as writer:
            writer.write(deep(20, 22), metadata=None)
            writer.write(noise(20, 22, 1) > 9, metadata=None, subfiletype=4, photometric="mask")
        with pytest.raises(UnsupportedImageError, match="mask"):
            read(masked.getvalue())

    def test_metadata_go_both_ways(self) -> None:
        source = tiff(
            deep(9, 8), resolution=(300, 150), description="a scan", software="none", iccprofile=b"profile" * 9
        )
        picture = read(source)
        assert metadata.resolution(picture.metadata[RESOLUTION]) == (300, 150)
        assert picture.metadata[ICC] == b"profile" * 9
        copy = read(write_picture(picture, PurePath("a.tif"))[0])
        assert copy.metadata == picture.metadata

    def test_promises_that_the_file_cannot_keep(self) -> None:
        data = bytearray(tiff(deep(8, 8), photometric="minisblack"))
        for tag in (b"\x00\x01", b"\x01\x01"):
            at = data.index(tag, 8)
            data[at + 2 : at + 12] = b"\x04\0\x01\0\0\0" + (60_000).to_bytes(4, "little")
        tracemalloc.start()
        try:
            with pytest.raises((UnreadableImageError, UnsupportedImageError)):
                read(bytes(data))
            assert tracemalloc.get_traced_memory()[1] < 1 << 22
        finally:
            tracemalloc.stop()


@pytest.mark.slow
def test_files_come_back_in_their_own_format_or_one_that_holds_them(tmp_path: Path, model: str) -> None:
    sources = {
        "a.pgm": picture_of(Kind(Mode.GRAY, 10)),
        "a.tif": picture_of(KINDS[-1]),
        "a.npy": picture_of(Kind(Mode.GRAY, 16, signed=True)),
        "a.png": picture_of(Kind(Mode.RGBA, 16)),
    }
    for name, picture in sources.items():
        source = tmp_path / name
        source.write_bytes(write_picture(picture, source)[0])
        done = mulanzip.compress_file(source, effort=1, model=model, threads=1)
        assert not done.lost
        source.rename(tmp_path / f"was-{name}")
        back = mulanzip.decompress_file(done.output, model=model, threads=1, verify=True)
        assert back.output == source
        assert_same_pixels(read_picture(source)[0], picture)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "was-a.png").read_bytes()
    signed = tmp_path / "scan.dat.mzp"
    signed.write_bytes(mulanzip.encode(sources["a.npy"].to_array(), effort=1, model=model, threads=1))
    assert mulanzip.decompress_file(signed, model=model, threads=1).output == tmp_path / "scan.dat.tif"


def test_headers_tell_how_many_bytes_the_samples_have(tmp_path: Path) -> None:
    for suffix in (".png", ".tif", ".npy"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(write_picture(picture_of(Kind(Mode.RGB, 16)), path)[0])
        assert count_bytes(path) == 13 * 17 * 3 * 2
    path.write_bytes(b"nothing")
    assert count_bytes(path) == 0


@pytest.mark.slow
def test_pillow_opens_and_saves_deep_gray_images(tmp_path: Path, model: str) -> None:
    mulanzip.register_pillow(model=model)
    pixels = deep(20, 21, bits=16)
    Image.fromarray(pixels).save(tmp_path / "a.mzp", effort=1, model=model)
    with Image.open(tmp_path / "a.mzp") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), pixels)
    (tmp_path / "b.mzp").write_bytes(mulanzip.encode(deep(20, 21, 3), effort=1, model=model))
    with pytest.raises(OSError, match="no mode for 16-bit rgb"):
        Image.open(tmp_path / "b.mzp")
    mulanzip.register_pillow()
