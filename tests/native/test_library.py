"""The binding: what is wrong is said, before the library sees it or after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.native_units import Case, Kind

from mulanzip.native import binding, library

KIND = Kind()
CASE = Case(KIND)
EDGES = np.arange(257, dtype=np.int32) * 32
RARE = np.zeros(1 << 21, dtype=np.uint8)


@pytest.mark.parametrize(
    "scale",
    [
        library.Scale(0),
        library.Scale(65537),
        library.Scale(256, -5),
        library.Scale(256, 9),
        library.Scale(255, edges=EDGES),
        library.Scale(256, 1, edges=EDGES),
        library.Scale(edges=EDGES[::-1].copy()),
        library.Scale(edges=EDGES * 129),
        library.Scale(256, -1, forbidden=RARE),
        library.Scale(log2_penalty=32),
        library.Scale(log2_penalty=-1),
    ],
)
def test_scales_out_of_range(scale: library.Scale) -> None:
    for call in (library.encode_unit, library.measure_unit, library.Decoder(np.zeros(0, np.uint32)).decode_unit):
        with pytest.raises(ValueError, match="out of range"):
            call(scale, CASE.blank(), CASE.unit)


@pytest.mark.parametrize(
    "kind",
    [
        replace(KIND, phase=0),
        replace(KIND, phase=4),
        replace(KIND, components=0),
        replace(KIND, components=8),
        replace(KIND, size=(4, 4), unit_size=(4, 5)),
        replace(KIND, size=(3, 5), unit_size=(4, 5)),
    ],
)
def test_units_out_of_range(kind: Kind) -> None:
    n = kind.unit_size[0] * kind.unit_size[1]
    shapes, means = np.zeros((2 * kind.components, n), np.uint8), np.zeros((kind.components, n), np.int32)
    unit = library.Unit(
        (kind.phase, 0), kind.unit_size, 1, shapes, means, np.zeros(n, np.int32), np.empty((0, n), np.int32)
    )
    tile = library.Tile.empty(1, 1, *kind.size)
    tile.values[:] = 0
    for call in (library.encode_unit, library.measure_unit, library.Decoder(np.zeros(0, np.uint32)).decode_unit):
        with pytest.raises(ValueError, match="out of range"):
            call(library.Scale(), tile, unit)


@pytest.mark.parametrize("value", [-1, 256])
def test_values_out_of_range(value: int) -> None:
    tile = CASE.tile()
    tile.values[0, 0, 1, -3, -3] = value
    for call in (library.encode_unit, library.measure_unit):
        with pytest.raises(ValueError, match="out of range"):
            call(library.Scale(), tile, CASE.unit)


def test_colours_that_the_tile_lacks() -> None:
    tile = library.Tile(CASE.values[:, :1].copy(), CASE.residuals[:, :1].copy())
    case = Case(replace(KIND, colour=1))
    with pytest.raises(ValueError, match="out of range"):
        library.encode_unit(library.Scale(), tile, case.unit)


def test_images_that_the_tile_lacks() -> None:
    with pytest.raises(ValueError, match="2 images does not fit a tile of 1"):
        library.encode_unit(library.Scale(), CASE.tile(), Case(replace(KIND, images=2)).unit)


def test_arrays_of_the_wrong_kind() -> None:
    shapes, means, base, offsets = CASE.parameters
    for arrays in (
        (shapes.astype(np.int8), means, base, offsets),
        (shapes, means[:-1], base, offsets),
        (shapes, np.asfortranarray(means), base, offsets),
        (shapes, means, base.astype(np.int64), offsets),
        (shapes, means, base, offsets.astype(np.int64)),
    ):
        with pytest.raises(ValueError, match="is wanted, not"):
            library.Unit((1, 0), KIND.unit_size, 1, *arrays)
    with pytest.raises(ValueError, match="is wanted, not"):
        library.Tile(CASE.values, CASE.residuals[:, :, :, 1:])
    with pytest.raises(ValueError, match="are wanted, not"):
        library.Tile(CASE.values[:, :, :3].copy(), CASE.residuals[:, :, :3].copy())
    with pytest.raises(ValueError, match="is wanted, not"):
        library.Scale(edges=EDGES[1:])
    with pytest.raises(ValueError, match="is wanted, not"):
        library.Decoder(np.zeros(4, dtype=np.int32))
    with pytest.raises(ValueError, match="is wanted, not"):
        library.measure_unit(library.Scale(), CASE.tile(), CASE.unit, np.zeros(3, dtype=np.uint32))


@pytest.mark.parametrize("symbol", [(0, 0), (1, 1 << 24), (2**32 - 1, 2**32 - 1)])
def test_symbols_that_are_none(symbol: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        library.push(np.array([symbol], dtype=np.uint32))


@pytest.mark.parametrize("width", [0, (1 << 24) + 1])
def test_widths_that_are_none(width: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        library.measure_symbols(np.array([[0, width]], dtype=np.uint32))


def test_counting_wants_as_many_values_as_it_looks_at() -> None:
    case = Case(replace(KIND, count=15, log2_steps=-4))
    with pytest.raises(ValueError, match="out of range"):
        library.count_unit(case.scale, case.tile(), case.unit, *np.zeros((2, 15), dtype=np.int64))


@pytest.mark.parametrize("count", [0, -1, 65537])
def test_uniform_counts_out_of_range(count: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        library.Decoder(np.zeros(0, dtype=np.uint32)).decode_uniform(count, 1)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binding, "_PATH", tmp_path / "libmulanzip.so")
    with pytest.raises(ImportError, match=r"libmulanzip\.so.*make native"):
        binding.functions.__wrapped__()


def test_sizes_are_those_of_the_header() -> None:
    header = Path(library.__file__).with_name("mulanzip_native.h").read_text()
    for name, value in (("BORDER", library.BORDER), ("PHASES", library.PHASES), ("SLOT_BITS", library.SLOT_BITS)):
        assert f"MZ_{name} = {value}," in header
