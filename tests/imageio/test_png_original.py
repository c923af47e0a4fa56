"""PNG files come back byte for byte where their deflate settings can be found, else with the same content."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import deflate as libdeflate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from support.pictures import noise, photo, smooth
from support.processes import run_python
from zlib_ng import zlib_ng

import mulanzip
from mulanzip.errors import CorruptFileError
from mulanzip.format import container
from mulanzip.format.container import CHUNK_OVERHEAD, Chunk, Container
from mulanzip.image.picture import Picture
from mulanzip.imageio import png
from mulanzip.imageio.png_original import original
from mulanzip.imageio.png_original import rows as png_rows
from mulanzip.imageio.png_original.parts import split
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.options import Grade
from mulanzip.streams import deflate
from mulanzip.streams.deflate import Engine, Settings

#: More than any payload here takes.
LARGE = 1 << 20


def png_file(
    pixels: np.ndarray, *, depth: int = 8, types: Any = 0, interlaced: bool = False, stream: Any = zlib.compress
) -> bytes:
    """A PNG file: gray, gray and alpha, RGB or RGBA by channels, with these filter types."""
    height, width, channels = pixels.shape
    rows = png_rows.row_count(height, width, interlaced)
    types = np.broadcast_to(np.asarray(types, np.uint8), rows)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, interlaced])
    data = stream(png_rows.filtered(pixels, depth, types, interlaced))
    return png.SIGNATURE + png.join(b"IHDR", header) + png.join(b"IDAT", data) + png.join(b"IEND", b"")


def pillow_file(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def read(source: bytes, folder: Path) -> Picture:
    path = folder / "source.png"
    path.write_bytes(source)
    return read_picture(path)[0]


def comes_back(source: bytes, folder: Path, compressed_size: int = LARGE) -> bool:
    """Whether a file can be described; if so, it must be rebuilt, else that is a failure."""
    picture = read(source, folder)
    payload = original.describe(source, picture, compressed_size)
    if payload is None:
        return False
    assert len(payload) <= max(64, compressed_size // 100)
    assert original.rebuild(payload, picture) == source
    return True


def through_files(source: bytes, folder: Path) -> bytes:
    """The bytes after compress and decompress with default names."""
    path = folder / "source.png"
    path.write_bytes(source)
    output = compress_file(path).output
    path.unlink()
    assert decompress_file(output).output == path
    return path.read_bytes()


class TestRows:
    @settings(max_examples=60)
    @given(
        st.integers(1, 20),
        st.integers(1, 20),
        st.sampled_from([(1, 1), (1, 2), (1, 4), (1, 8), (2, 8), (3, 8), (4, 8)]),
        st.booleans(),
        st.integers(0, 99),
    )
    def test_a_decoder_reads_what_was_filtered(
        self, height: int, width: int, kind: tuple[int, int], interlaced: bool, seed: int
    ) -> None:
        channels, depth = kind
        pixels = noise(height, width, channels, seed).reshape(height, width, channels) >> (8 - depth)
        types = np.random.default_rng(seed).integers(0, 5, png_rows.row_count(height, width, interlaced), np.uint8)
        data = png_rows.filtered(pixels, depth, types, interlaced)
        assert len(data) == png_rows.total_bytes(pixels.shape, depth, interlaced)
        np.testing.assert_array_equal(png_rows.filter_types(data, pixels.shape, depth, interlaced), types)
        source = png_file(pixels, depth=depth, types=types, interlaced=interlaced)
        with Image.open(io.BytesIO(source)) as image:
            found = np.asarray(image).reshape(pixels.shape)
        scale = 1 if image.mode == "1" else 255 // ((1 << depth) - 1)
        np.testing.assert_array_equal(found, pixels * scale)

    def test_blocks_of_rows_make_no_difference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = photo(40, 31)
        types = np.arange(40, dtype=np.uint8) % 5
        whole = png_rows.filtered(pixels, 8, types, False), png_rows.predicted_types(pixels, 8, False)
        monkeypatch.setattr(png_rows, "_BLOCK", 300)
        assert whole[0] == png_rows.filtered(pixels, 8, types, False)
        np.testing.assert_array_equal(whole[1], png_rows.predicted_types(pixels, 8, False))

    @pytest.mark.parametrize(("optimize", "prediction"), [(True, 0), (False, 1)])
    def test_most_rows_of_other_writers_are_predicted(self, optimize: bool, prediction: int) -> None:
        pixels = photo(200, 200)
        source = pillow_file(Image.fromarray(pixels), optimize=optimize)
        data = zlib.decompress(b"".join(split(source).pixels))
        types = np.frombuffer(data, np.uint8)[::601]
        assert (types == png_rows.predicted_types(pixels, 8, False)[prediction]).mean() > 0.95


def made(library: Any, level: int, window: int, memory: int, strategy: int, data: bytes, step: int) -> bytes:
    """A stream by a writer that gives its library ``step`` bytes at a time."""
    deflater = library.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    pieces = [deflater.compress(data[i : i + step]) for i in range(0, len(data), step)]
    return b"".join(pieces) + deflater.flush()


class TestDeflate:
    @pytest.mark.slow
    @settings(max_examples=40)
    @given(
        st.sampled_from([zlib, zlib_ng]),
        st.integers(1, 9),
        st.sampled_from([15, 15, 13, 10, 9]),
        st.integers(1, 9),
        st.integers(0, 1),
        st.integers(60, 2000),
        st.integers(1, 30),
    )
    def test_settings_are_found(
        self, library: Any, level: int, window: int, memory: int, strategy: int, step: int, height: int
    ) -> None:
        data = photo(3 * height, 200).tobytes()
        stream = made(library, level, window, memory, strategy, data, step)
        found = deflate.find(stream, data, step)
        assert found is not None
        assert b"".join(found[0].pieces(data, step))[: found[1]] + stream[found[1] :] == stream
        assert len(stream) - found[1] <= deflate.MAX_TAIL

    @pytest.mark.parametrize("memory", [8, 9])
    @pytest.mark.parametrize("strategy", [2, 3, 4])
    @pytest.mark.parametrize("level", [1, 6, 9])
    def test_other_strategies_are_found(self, level: int, strategy: int, memory: int) -> None:
        data = photo(90, 90).tobytes()
        found = deflate.find(made(zlib, level, 15, memory, strategy, data, 271), data, 271)
        assert found is not None

    @pytest.mark.parametrize(("level", "size"), [*((level, 100) for level in range(1, 13)), (1, 400), (11, 400)])
    def test_libdeflate_is_found(self, level: int, size: int) -> None:
        data = photo(size, size).tobytes()  # Less, and more, than is tried first.
        stream = bytes(libdeflate.zlib_compress(data, level))
        found = deflate.find(stream, data, 769)
        assert found is not None
        assert found[1] == len(stream)

    def test_ends_and_headers_may_differ(self) -> None:
        data = photo(90, 90).tobytes()
        stream = b"\x58\xc3" + zlib.compress(data, 9)[2:-4] + b"other end"
        found = deflate.find(stream, data, 271)
        assert found is not None
        assert (found[0].level, found[0].window, found[1]) == (9, 15, len(stream) - 9)

    def test_search_has_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = smooth(400, 500).tobytes()
        deflater = zlib.compressobj(9)
        # A writer that flushes after every row.
        rows = [
            deflater.compress(data[i : i + 1500]) + deflater.flush(zlib.Z_PARTIAL_FLUSH) for i in range(0, 600000, 1500)
        ]
        taken = []

        def counted(settings: Settings, *arguments: Any, right: Any = deflate._right) -> tuple[int, int]:
            taken.append(right(settings, *arguments)[1])
            return right(settings, *arguments)

        monkeypatch.setattr(deflate, "_right", counted)
        monkeypatch.setattr(deflate, "_WORK", 1 << 17)
        monkeypatch.setattr(deflate, "_TIMES", 4)
        assert deflate.find(b"".join(rows) + deflater.flush(), data, 1501) is None
        assert len(taken) > 4
        assert sum(taken) <= (1 << 17) + 5 * len(data)

    @pytest.mark.parametrize("stream", [b"", b"x", b"\x78\x9c", b"\xff\xff\xff", b"\x88\x1c\0\0"])
    def test_what_is_no_stream_is_not_found(self, stream: bytes) -> None:
        assert deflate.find(stream, b"some data" * 30, 10) is None

    @pytest.mark.parametrize(
        "wrong",
        [(0, 10, 15, 8, 0), (0, 6, 16, 8, 0), (1, 6, 15, 0, 0), (1, 6, 15, 9, 5), (2, 13, 0, 0, 0), (2, 6, 15, 0, 0)],
    )
    def test_settings_that_there_are_not(self, wrong: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="does not have these settings"):
            Settings(Engine(wrong[0]), *wrong[1:], b"\x78\x9c")  # type: ignore[arg-type, misc]


class TestFiles:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    @pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 1}])
    def test_those_of_pillow(self, mode: str, options: dict[str, Any], tmp_path: Path) -> None:
        image = Image.fromarray(photo(90, 120)).convert(mode)
        assert comes_back(pillow_file(image, **options), tmp_path)

    @pytest.mark.parametrize("level", range(1, 10))
    def test_every_level(self, level: int, tmp_path: Path) -> None:
        assert comes_back(pillow_file(Image.fromarray(photo(120, 150)), compress_level=level), tmp_path)

    @pytest.mark.parametrize(("depth", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 3), (8, 4)])
    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 60)])
    def test_interlaced_ones(self, depth: int, channels: int, size: tuple[int, int], tmp_path: Path) -> None:
        pixels = noise(*size, channels).reshape(*size, channels) >> (8 - depth)
        assert comes_back(png_file(pixels, depth=depth, interlaced=True), tmp_path)

    def test_metadata_is_not_kept_twice(self, tmp_path: Path) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", noise(1, 300).tobytes().hex())
        text.add(b"prVt", b"\1\2\3", after_idat=True)
        text.add(b"tEXt", b"after\0the pixels", after_idat=True)
        exif = Image.Exif()
        exif[270] = noise(1, 300).tobytes().hex()
        options: dict[str, Any] = {"icc_profile": noise(1, 500).tobytes(), "dpi": (72, 72), "exif": exif}
        source = pillow_file(Image.fromarray(photo(70, 80)), pnginfo=text, **options)
        payload = original.describe(source, read(source, tmp_path), LARGE)
        assert payload is not None
        assert len(payload) < 150
        assert through_files(source, tmp_path) != b""

    @pytest.mark.slow
    def test_all_of_it_through_files(self, tmp_path: Path) -> None:
        text = PngImagePlugin.PngInfo()
        text.add(b"pRVt", b"not safe to copy")
        source = pillow_file(Image.fromarray(photo(120, 130)), pnginfo=text, compress_level=4)
        source = source + b"rest"
        assert through_files(source, tmp_path) == source
        assert decompress_file(tmp_path / "source.png.mzp", tmp_path / "other.PNG").notes == []
        assert (tmp_path / "other.PNG").read_bytes() == source
        facts = mulanzip.info(tmp_path / "source.png.mzp")
        assert facts.grade is Grade.FILE
        assert facts.parts["original file"] < 100
        decompress_file(tmp_path / "source.png.mzp", tmp_path / "other.bmp")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "other.bmp")), photo(120, 130))

    def test_other_formats_have_no_such_part(self, tmp_path: Path) -> None:
        Image.fromarray(photo(20, 20)).save(tmp_path / "a.tif")
        assert "original file" not in mulanzip.info(compress_file(tmp_path / "a.tif").output).parts

    @pytest.mark.slow
    def test_foreign_deflaters_and_padding_keep_the_content(self, tmp_path: Path) -> None:
        def flushing(data: bytes) -> bytes:
            deflater = zlib.compressobj(9)
            half = len(data) // 2
            return (
                deflater.compress(data[:half])
                + deflater.flush(zlib.Z_FULL_FLUSH)
                + deflater.compress(data[half:])
                + deflater.flush()
            )

        source = png_file(photo(60, 70), stream=flushing)
        assert not comes_back(source, tmp_path)
        assert through_files(source, tmp_path) != source
        np.testing.assert_array_equal(read_picture(tmp_path / "source.png")[0].pixels, photo(60, 70))
        # Bits after the last pixel of a row, which are no pixels.
        header = png_file(np.zeros((1, 5, 1), np.uint8), depth=1)
        padded = header[:33] + png.join(b"IDAT", zlib.compress(b"\0\7")) + png.join(b"IEND", b"")
        assert comes_back(header, tmp_path)
        assert not comes_back(padded, tmp_path)

    def test_filters_that_take_too_much_are_not_kept(self, tmp_path: Path) -> None:
        types = np.random.default_rng(1).integers(0, 5, 900, np.uint8)
        source = png_file(noise(900, 2), types=types)
        assert comes_back(source, tmp_path)
        assert not comes_back(source, tmp_path, len(source))

    def test_short_memory_gives_the_content(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = pillow_file(Image.fromarray(photo(60, 50)))
        picture = read(source, tmp_path)
        payload = original.describe(source, picture, LARGE)
        assert payload is not None
        monkeypatch.setattr("mulanzip.limits.available_memory", lambda: 1000)
        assert original.describe(source, picture, LARGE) is None
        assert original.rebuild(payload, picture) is None

    def test_another_zlib_gives_the_content_and_a_note(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = pillow_file(Image.fromarray(photo(60, 50)), dpi=(72, 72))
        (tmp_path / "a.png").write_bytes(source)
        output = compress_file(tmp_path / "a.png").output
        before = read_picture(tmp_path / "a.png")[0]
        monkeypatch.setattr(Settings, "pieces", lambda *_: iter([zlib.compress(b"other")]))
        result = decompress_file(output, overwrite=True)
        assert [note.split(":")[0] for note in result.notes] == ["the PNG file could not be made again here"]
        after = read_picture(tmp_path / "a.png")[0]
        assert (tmp_path / "a.png").read_bytes() != source
        assert after.pixel_hash() == before.pixel_hash()
        assert after.metadata == before.metadata

    @pytest.mark.slow
    def test_the_command_line_says_so(self, tmp_path: Path) -> None:
        source = pillow_file(Image.fromarray(smooth(30, 31, 4)))
        (tmp_path / "a.png").write_bytes(source)
        Image.fromarray(smooth(30, 31, 4)).save(tmp_path / "b.tif")
        done = run_python("-m", "mulanzip", "compress", "-v", "a.png", "b.tif", cwd=tmp_path)
        assert [line.endswith("grade file") for line in sorted(done.stdout.splitlines())] == [True, True]
        done = run_python("-m", "mulanzip", "info", "a.png.mzp", "b.tif.mzp", cwd=tmp_path)
        said = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("  grade  ")]
        assert said == ["file: it comes back byte for byte"] * 2


@cache
def intact() -> tuple[bytes, Picture, bytes]:
    """A file, the picture read from it, and its description."""
    options: dict[str, Any] = {"icc_profile": noise(1, 90).tobytes(), "dpi": (72, 72)}
    source = pillow_file(Image.fromarray(photo(40, 30)), **options)
    with TemporaryDirectory() as folder:
        picture = read(source, Path(folder))
    payload = original.describe(source, picture, LARGE)
    assert payload is not None
    return source, picture, payload


class TestDamage:
    @staticmethod
    def recipe(payload: bytes) -> bytes:
        return zlib.decompressobj(-15).decompress(payload[original.HASH_BYTES :])

    @settings(max_examples=150)
    @given(st.data())
    def test_it_never_gives_another_file(self, data: st.DataObject) -> None:
        source, picture, payload = intact()
        recipe = bytearray(self.recipe(payload))
        start = data.draw(st.integers(0, len(recipe)))
        length = data.draw(st.integers(0, 4))
        recipe[start : start + length] = data.draw(st.binary(max_size=6))
        packed = payload[: original.HASH_BYTES] + original._deflated(bytes(recipe))
        with suppress(CorruptFileError):
            assert original.rebuild(packed, picture) in (None, source)

    @settings(max_examples=50)
    @given(st.binary(max_size=100))
    def test_random_payloads_are_corruption(self, payload: bytes) -> None:
        with pytest.raises(CorruptFileError):
            original.rebuild(payload, intact()[1])

    def test_memory_is_bounded(self) -> None:
        _, picture, _ = intact()
        hash_ = bytes(original.HASH_BYTES)
        huge = b"\xff\xff\xff\xff\x7f"
        settings_ = bytes([0, 6, 15, 8, 0]) + b"\x78\x9c"
        end = b"\0" + bytes(40)
        bombs = {
            "long": bytes(1 << 26),
            "the same chunk again and again": b"\x08\0" + b"\x80\x80\x04" + b"\2" * (1 << 16),
            "many empty pixel chunks": b"\x08\0\0\0\0" + settings_ + b"\0\0" + b"\1\0" + huge + end,
            "many pixel chunks": b"\x08\0\0\0\0" + settings_ + huge + b"\0" + b"\1\1" + huge + end,
            "a long chunk": b"\x08\0" + b"\1\0tEXt" + huge + b"x",
        }
        for name, recipe in bombs.items():
            tracemalloc.start()
            with pytest.raises(CorruptFileError):
                original.rebuild(hash_ + original._deflated(recipe), picture)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10 << 20, name

    @pytest.mark.slow
    def test_damage_is_corruption_in_files(self, tmp_path: Path) -> None:
        source = tmp_path / "a.png"
        source.write_bytes(pillow_file(Image.fromarray(smooth(30, 31, 4))))
        output = compress_file(source).output
        file = container.unpack(output.read_bytes())
        kept = tuple(chunk for chunk in file.chunks if chunk.kind != original.KIND)
        assert len(kept) == len(file.chunks) - 1
        output.write_bytes(Container(file.header, (*kept, Chunk(original.KIND, b"nothing"))).pack())
        with pytest.raises(CorruptFileError, match="original PNG"):
            decompress_file(output, tmp_path / "b.png")
        assert not (tmp_path / "b.png").exists()
        decompress_file(output, tmp_path / "b.tif")
        output.write_bytes(Container(file.header, kept).pack())
        assert decompress_file(output, tmp_path / "b.png").notes == []


def test_the_part_counts_in_the_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pillow_file(Image.fromarray(photo(100, 100))))
    facts = mulanzip.info(compress_file(tmp_path / "a.png").output)
    assert sum(facts.parts.values()) == facts.size
    assert facts.parts["original file"] + CHUNK_OVERHEAD <= 0.01 * facts.size + CHUNK_OVERHEAD + 64
