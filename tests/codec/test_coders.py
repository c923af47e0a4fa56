"""Encoder, decoder and meters agree on every tile, whatever a network says, and whatever the samples are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.models import tiny_model
from support.pictures import photo, worst_values
from support.predictions import hostile, random_edges, seeds

from mulanzip.codec.coders import CellMeter, Census, TileCoder, TileDecoder, TileEncoder, TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import HASH_BYTES, decode_segment, decode_segments, encode_segments
from mulanzip.codec.tile import code_tile
from mulanzip.density.jpeg_gamut import JpegGamut
from mulanzip.density.model import save
from mulanzip.density.prediction import Prediction
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.image.channels import to_coding_order
from mulanzip.lattice import geometry
from mulanzip.lattice.geometry import level_grids, level_view, segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules

STATISTICS: dict[str, SampleStatistics] = {
    "plain": SampleStatistics(),
    "edges": SampleStatistics(value_edges=random_edges(1, 2)),
    "gamut": SampleStatistics(gamut=JpegGamut(9)),
    "edges and gamut": SampleStatistics(value_edges=random_edges(2, 0), gamut=JpegGamut(31)),
    "few": SampleStatistics(SampleScale(3, -4)),
    "16 bits": SampleStatistics(SampleScale(1 << 16, 8)),
    "wide steps": SampleStatistics(SampleScale(1 << 16, -4)),
    "between": SampleStatistics(SampleScale(1000, 2)),
}


class HostileNetwork:
    """Says the same extreme things of a step every time."""

    def __init__(self, seed: int, scale: SampleScale):
        self._seed, self._scale = seed, scale

    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        pass0_features: int | None,
    ) -> tuple[dict[int, Prediction], int]:
        count = cells[..., window[0], window[1], 0, 0].size
        return {phase: hostile(self._seed + 9 * level + phase, 3, count, self._scale) for phase in phases}, 1


@pytest.mark.slow
@settings(max_examples=60)
@given(
    seeds, st.sampled_from(sorted(STATISTICS)), st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.sampled_from([(), (1,), (3,)]), st.sampled_from([1, 3]), st.sampled_from(SCHEDULE_NAMES), st.booleans(),
)  # fmt: skip
@example(1002, "wide steps", (7, 8), (3,), 1, "default", False)
def test_all_coders_agree(
    seed: int, name: str, size: tuple[int, int], batch: tuple[int, ...], colours: int, schedule: str, flat: bool
) -> None:
    statistics = STATISTICS[name]
    scale = statistics.scale
    rng = np.random.default_rng(seed)
    pixels = worst_values(rng, 0, scale.count - 1, (*batch, *size, colours)).astype(scale.dtype)
    if flat:
        pixels[..., : size[1] // 2, :] = pixels[..., :1, :1, :]
    network = HostileNetwork(seed, scale)
    parts = segments(*size)

    def code(coder: TileCoder, canvas: Canvas) -> Canvas:
        coarsest = level_view(canvas.pixels, level_grids(*size)[-1])
        coded = coder.uniform(None if coder.decoding else coarsest.reshape(-1), coarsest.size)
        coarsest[...] = coded.reshape(coarsest.shape)
        for tile in (tile for part in parts for tile in part.tiles):
            code_tile(tile, canvas, network, SCHEDULES[schedule], coder)
        # Symbols at the end whose slots begin with slot 0 would cost nothing: the stack stays empty.
        last = np.array([scale.count - 1])
        np.testing.assert_array_equal(coder.uniform(None if coder.decoding else last, 1), last)
        return canvas

    encoder, meter, cells = TileEncoder(statistics), TileMeter(statistics), CellMeter(statistics)
    census = Census(statistics, colours) if scale.count >= 16 else TileMeter(statistics)
    coders: list[TileCoder] = [encoder, meter, cells, census]
    canvases = [code(coder, Canvas.of(pixels.copy())) for coder in coders]
    data = encoder.finish()
    decoder = TileDecoder(statistics, data)
    canvases.append(code(decoder, Canvas.of(np.zeros_like(pixels))))
    decoder.finish()
    for canvas in canvases:
        np.testing.assert_array_equal(canvas.pixels, pixels)
        np.testing.assert_array_equal(canvas.residuals, canvases[0].residuals)
    # At most two words more; the last one loses its zero bytes.
    assert meter.bits - 32 <= 8 * len(data) <= meter.bits + 64
    assert cells.bits == meter.bits
    if isinstance(census, Census):
        assert census.seen.sum() <= pixels.size
        assert (census.expected >= 0).all()


def test_values_of_constant_surroundings_cost_next_to_nothing() -> None:
    for name in ("plain", "16 bits"):
        scale = STATISTICS[name].scale
        meter = TileMeter(STATISTICS[name])
        canvas = Canvas.of(np.full((120, 130, 1), 77, dtype=scale.dtype))
        tiles = [tile for part in segments(120, 130) for tile in part.tiles]
        for tile in tiles:
            code_tile(tile, canvas, HostileNetwork(0, scale), SCHEDULES["default"], meter)
        # A unit of n cells takes log2(n) / 2 + 1 bits or so: one for each phase and tile.
        assert meter.bits < 8 * 3 * len(tiles)
        assert not canvas.residuals.any()


# Segments of an image, with a small network and small tiles.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Runtime]:
    path: Path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(tiny_model(), path)
    return lambda threads: open_runtime(path, "cpu", threads)


@pytest.fixture(autouse=True)
def small_tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "tiny" in request.fixturenames:
        monkeypatch.setattr(geometry, "TILE_CELLS", 8)


IMAGE = to_coding_order(photo(71, 66))
SCHEDULE = TileSchedules.uniform("default")


def test_a_decoded_level_is_that_level_of_the_image(tiny: Callable[[int], Runtime]) -> None:
    payloads = encode_segments(IMAGE, tiny(1), SCHEDULE)
    for grid in level_grids(*IMAGE.shape[:2]):
        found = decode_segments(payloads, IMAGE.shape, tiny(1), SCHEDULE, level=grid.level)
        np.testing.assert_array_equal(found, level_view(IMAGE, grid))


def test_threads_change_no_byte(tiny: Callable[[int], Runtime]) -> None:
    payloads = encode_segments(IMAGE, tiny(1), SCHEDULE)
    assert len(payloads) > 20
    assert encode_segments(IMAGE, tiny(3), SCHEDULE) == payloads
    np.testing.assert_array_equal(decode_segments(payloads, IMAGE.shape, tiny(3), SCHEDULE), IMAGE)


def test_segments_of_a_level_decode_in_any_order(tiny: Callable[[int], Runtime]) -> None:
    payloads = encode_segments(IMAGE, tiny(1), SCHEDULE)
    parts = segments(*IMAGE.shape[:2])
    canvas = Canvas.of(np.zeros_like(IMAGE))

    def level(index: int) -> int:
        return parts[index].tiles[-1].grid.level if index else len(parts)

    for index in sorted(range(len(parts)), key=lambda i: (-level(i), -i)):
        decode_segment(parts[index], payloads[index], canvas, tiny(1), SCHEDULE)
    np.testing.assert_array_equal(canvas.pixels, IMAGE)


def test_a_segment_depends_on_no_other_of_its_level(tiny: Callable[[int], Runtime]) -> None:
    before = encode_segments(IMAGE, tiny(1), SCHEDULE)
    changed = IMAGE.copy()
    changed[-1 - IMAGE.shape[0] % 2, -1] ^= 1  # In the last tile, and in no coarser level.
    after = encode_segments(changed, tiny(1), SCHEDULE)
    same = [a == b for a, b in zip(before, after, strict=True)]
    assert same == [True] * (len(before) - 1) + [False]
    assert all(len(payload) > HASH_BYTES for payload in before)
