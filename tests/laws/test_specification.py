"""The specification: its test vectors are right, and what was written from it alone decodes the golden files."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import native_reference, reference_decoder
from support.native_reference import SLOTS, TABLES, push
from support.pictures import deep, smooth
from support.predictions import random_edges
from support.processes import ROOT, TESTS
from support.reference_decoder import Stack, zero_mass

import mulanzip
from mulanzip import registry
from mulanzip.codec.segment import encode_segments
from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder import image as encoder
from mulanzip.entropy.ans import SymbolEncoder
from mulanzip.format import container
from mulanzip.format.container import CRITICAL_KINDS, HEADER_SIZE, Coding, Header
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.imageio.png_original import original
from mulanzip.lattice.schedules import MIXED, SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.native import library
from mulanzip.native.symbols import uniform_symbols

TEXT = (ROOT / "docs" / "format.md").read_text()
GOLDEN = TESTS / "golden"
#: Small ones of both schedules, one with a context, one of several tiles, deep ones, and groups of planes.
CODED = ["noise", "one_column", "one_row", "photo_one", "photo_odd", "photo_context", "tiles"]
CODED += ["deep_gray", "deep_signed", "deep_rgba", "deep_noise", "bands"]
CODED += ["model_gray_preset", "model_gray_deep", "model_gray_bands"]
CODED += ["model_gray_stack", "model_gray_stack_deep"]


def decode(data: bytes) -> np.ndarray:
    """Decode with the second decoder, and the model that the file names."""
    return reference_decoder.decode(data, registry.by_id(Header.unpack(data).model_id).path)


def block(name: str) -> list[str]:
    (found,) = re.findall(rf"^```{name}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return found.splitlines()


def test_the_file_of_the_walk_through() -> None:
    lines = [re.fullmatch(r"((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  +(.*))?", line) for line in block("mzp")]
    data = b"".join(bytes.fromhex(line[1]) for line in lines if line)
    assert data == (GOLDEN / "one_pixel.mzp").read_bytes()
    np.testing.assert_array_equal(mulanzip.decode(data), [[[209, 161, 54]]])
    np.testing.assert_array_equal(decode(data), [[[209, 161, 54]]])


def test_the_vectors_of_the_coder() -> None:
    first, second, third = (bytes.fromhex(line) for line in block("coder"))
    probabilities, decisions = np.array([32768, 65535, 1, 1000]), np.array([1, 1, 0, 0])
    ours = SymbolEncoder()
    ours.uniform(np.array([1, 2, 3]), 3)
    ours.bernoulli(probabilities, decisions)
    assert ours.finish() == first
    stack = Stack(first)
    assert [stack.uniform(256) for _ in range(3)] == [1, 2, 3]
    assert [stack.bit(p) for p in probabilities.tolist()] == decisions.tolist()
    stack.finish()
    ours = SymbolEncoder()
    ours.uniform(np.arange(1, 13), 12)
    assert ours.finish() == second
    stack = Stack(second)
    assert [stack.uniform(256) for _ in range(12)] == list(range(1, 13))
    stack.finish()
    values = [(0, 1000), (999, 1000), (500, 1000), (2, 3)]
    symbols = np.concatenate([uniform_symbols(np.array([value]), count) for value, count in values])
    assert library.push(symbols).astype("<u4").tobytes().rstrip(b"\0") == third
    stack = Stack(third)
    assert [stack.uniform(count) for _, count in values] == [value for value, _ in values]
    stack.finish()


def test_the_shares_of_decisions_are_those_of_the_library() -> None:
    """What zeros and ones have is in no documentation of it."""
    constriction = pytest.importorskip("constriction")
    model = constriction.stream.model.Bernoulli(perfect=False)
    for probability in (*range(1, 1 << 16, 211), 2, 3, 32767, 32768, 32769, 65534, 65535):
        exact = np.array([probability / (1 << 16)], dtype=np.float32)
        for quantile, bit in ((zero_mass(probability) - 1, 0), (zero_mass(probability), 1)):
            coder = constriction.stream.stack.AnsCoder(np.array([quantile, 1], dtype=np.uint32))
            assert coder.decode(model, exact)[0] == bit


def unit_of_the_text() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Section "Test vector": planes of values and residuals; shapes, means and base predictions."""
    values, residuals = np.full((1, 1, 4, 5, 8), -1, dtype=np.int32), np.zeros((1, 1, 4, 5, 8), dtype=np.int8)
    numbers = {
        "A": [100, 101, 102, 103],
        "residuals": [16, -8, 0, 4],
        "logits": [128, 120],
        "scales": [100, 128],
        "means": [40, -60],
        "base": [3216, 3248, 3280, 3296],
        "values": [104, 99, 110, 101],
    }
    flowing = " ".join(TEXT.split())
    assert all(" ".join(map(str, row)) in flowing for row in numbers.values())
    values[0, 0, 0, 2, 2:6], residuals[0, 0, 0, 2, 2:6] = numbers["A"], numbers["residuals"]
    values[0, 0, 1, 2, 2:6] = numbers["values"]
    shapes = np.array([numbers["logits"] + numbers["scales"]] * 4, dtype=np.uint8).T
    means = np.array([numbers["means"]] * 4, dtype=np.int32).T
    base = np.array(numbers["base"], dtype=np.int32)
    return (
        values,
        residuals,
        [np.ascontiguousarray(shapes), np.ascontiguousarray(means), base, np.empty((0, 4), np.int32)],
    )


def test_the_vector_of_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [[int(number) for number in line.split()] for line in block("unit")]
    values, residuals, arrays = unit_of_the_text()
    tile = library.Tile(values.copy(), residuals.copy())
    symbols = library.encode_unit(library.Scale(), tile, library.Unit((1, 0), (1, 4), 1, *arrays))
    assert [row[5:7] for row in expected] == symbols.tolist()
    assert [row[7] for row in expected] == tile.residuals[0, 0, 1, 2, 2:6].tolist()
    # What the text names on the way there.
    found = []
    corrected = native_reference.Learner.corrected

    def recorded(*arguments: Any) -> native_reference.Mixture:
        mixture = corrected(*arguments)
        _, _, _, outlook, shift, energy = arguments
        found.append([outlook.mean, outlook.sigma, energy, shift, mixture.total])
        return mixture

    monkeypatch.setattr(native_reference.Learner, "corrected", recorded)
    native_reference.code_unit(
        native_reference.Scale(),
        (values, residuals),
        native_reference.Unit(1, 0, 1, 4, *arrays),
        Stack(stream(symbols)),
    )
    assert found == [row[:5] for row in expected]
    assert values.tolist() == tile.values.tolist()


def stream(symbols: np.ndarray) -> bytes:
    words = push([(low, width) for low, width in symbols.tolist()])
    return np.array(words, dtype="<u4").tobytes().rstrip(b"\0")


def test_the_tables_are_about_what_the_text_says() -> None:
    def near(found: list[int], wanted: np.ndarray) -> bool:
        return bool((np.abs(np.array(found) - wanted) <= 0.5 + 1e-6 * wanted).all())

    i = np.arange(4096)
    assert near(TABLES.logistic, SLOTS / 256 / (1 + np.exp(-(np.arange(24577) - 12288) / 1024)))
    assert near(TABLES.weight, 4096 * np.exp(-i / 128))
    assert near(TABLES.inverse_scale, np.maximum(1, 2048 * np.exp(6 - i[:3072] / 256)))
    sigma = 8 * np.exp((i[:2048] / 8 - 128) / 32)
    assert near(TABLES.sigma, sigma * 2**13)
    assert near(TABLES.inverse_sigma, 2**20 / (32 * sigma))
    scale = 4 * np.exp((i[:256] - 128) / 32)
    assert near(TABLES.variance, 2**10 * np.pi**2 / 3 * scale**2)
    assert np.abs(np.array(TABLES.logarithm) - 256 * np.log1p(i[:1024] / 1024)).max() <= 1
    assert near(TABLES.logarithm_of_two, 256 * np.log(2) * i[:64])
    assert near(TABLES.reciprocal, 2**31 / (32768 + 32 * i[:1024] + 16))


@pytest.mark.slow
@pytest.mark.parametrize("name", CODED)
def test_a_decoder_written_from_the_text_alone(name: str) -> None:
    data = (GOLDEN / f"{name}.mzp").read_bytes()
    decoded = decode(data)
    ours = mulanzip.decode(data, threads=1)
    np.testing.assert_array_equal(decoded, ours.reshape(decoded.shape))


@pytest.mark.slow
def test_that_decoder_reads_schedules_of_tiles() -> None:
    image = smooth(17, 22)
    data = mulanzip.encode(image, effort=9, context="none", schedule="adaptive", mu=0.5, stored=False, threads=1)
    assert Header.unpack(data).schedule == MIXED
    np.testing.assert_array_equal(decode(data), image)


def test_that_decoder_reads_schedules_of_several_groups() -> None:
    image = smooth(9, 13, 4)
    data = mulanzip.encode(image, effort=9, context="none", schedule="adaptive", mu=0.5, stored=False, threads=1)
    assert Header.unpack(data).schedule == MIXED
    np.testing.assert_array_equal(decode(data), image)


def test_that_decoder_knows_value_edges_and_gamuts(runtime: Runtime) -> None:
    planes, edges = smooth(12, 13), random_edges(3, 1)
    statistics = SampleStatistics(value_edges=edges, gamut=JpegGamut(5))
    payloads = encode_segments(planes, runtime.at(statistics), TileSchedules.uniform("default"))
    samples = reference_decoder.Samples(np.arange(256), 0, edges.edges.tolist(), 5)
    sizes = reference_decoder.level_sizes(12, 13)
    tiles = [(i, (0, sizes[i + 1][0], 0, sizes[i + 1][1])) for i in reversed(range(len(sizes) - 1))]
    model = reference_decoder.Model.load(registry.find("photo").path)
    found = reference_decoder.decode_group(payloads, model, planes.shape, samples, [0] * len(tiles), tiles).pixels
    np.testing.assert_array_equal(found, planes)


def test_that_decoder_reads_lists_of_values() -> None:
    image = np.array([-900, -3, 70, 5000], dtype=np.int16)[smooth(7, 6, 1) // 60 % 4]
    data = mulanzip.encode(np.dstack((image, np.full_like(image, -7))), effort=1, stored=False, threads=1)
    np.testing.assert_array_equal(decode(data), mulanzip.decode(data, threads=1))


@pytest.mark.parametrize("image", [smooth(9, 13, 1), deep(9, 8), smooth(9, 8, 1).astype(np.uint16) * 9])
def test_that_decoder_reads_files_of_models_of_gray_images(image: np.ndarray) -> None:
    data = mulanzip.encode(image, effort=1, model="gray", stored=False, threads=1)
    decoded = reference_decoder.decode(data, registry.find("gray").path)
    np.testing.assert_array_equal(decoded.reshape(image.shape), image)


def test_that_decoder_reads_bands_that_look_at_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some values do not compare; one band is constant."""
    first = deep(12, 13)
    bands = np.dstack((first, first * 3, np.full_like(first, 9), first + 70, np.roll(first, 1, 0)))
    monkeypatch.setattr(encoder, "choose_references", lambda *_: ((), (0,), (), (1, 0), (0, 3)))
    data = mulanzip.encode(bands, effort=1, stored=False, threads=1)
    assert container.unpack(data).of_kind(container.NEIGHBOURS)
    np.testing.assert_array_equal(mulanzip.decode(data, threads=1), bands)
    np.testing.assert_array_equal(decode(data), bands)


def test_that_decoder_uses_nothing_of_ours() -> None:
    for module in (reference_decoder, native_reference):
        assert module.__file__ is not None
        assert "mulanzip" not in re.sub(r'""".*?"""', "", Path(module.__file__).read_text(), flags=re.DOTALL)


def test_the_text_names_every_part() -> None:
    kinds = (*CRITICAL_KINDS, *KINDS, original.KIND)
    assert all(f"`{kind.decode()}`" in TEXT for kind in kinds)
    modes = re.search(r"\| mode \| (.*) \|", TEXT)
    names = [f"{mode.value} {mode.name.lower().replace('_', '+').replace('rgb', 'RGB')}" for mode in Mode]
    assert modes is not None
    assert modes[1].replace("RGBA", "RGBa").split(", ") == names
    schedules = re.findall(r"^\| (\d) \| (\w+) \| [DHV]", TEXT, re.MULTILINE)
    assert schedules == [(str(i), name) for i, name in enumerate(SCHEDULES)]
    assert f"## Header, {HEADER_SIZE} bytes" in TEXT


@pytest.mark.parametrize("name", [path.stem for path in sorted(GOLDEN.glob("*.mzp"))])
def test_golden_files_of_unknown_versions_and_with_reserved_bits_are_refused(name: str) -> None:
    data = (GOLDEN / f"{name}.mzp").read_bytes()
    header = Header.unpack(data)
    changes: list[tuple[int, int]] = [(8, version) for version in (container.VERSION + 1, 127, 255)]
    changes += [(11, len(Coding)), (9, len(Mode)), (22, len(SCHEDULES))]
    if header.mode is not Mode.BANDS:
        changes += [(23, 1 << bit) for bit in range(8)]
    for place, value in changes:
        head = bytearray(header.pack()[:-4])
        head[place] = value
        packed = bytes(head) + zlib.crc32(head).to_bytes(4, "little") + data[HEADER_SIZE:]
        with pytest.raises(mulanzip.UnsupportedVersionError):
            mulanzip.decode(packed, threads=1)
