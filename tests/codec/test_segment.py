"""Every image comes back exactly, for all sizes, contents, schedules and numbers of threads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.pictures import images, noise, photo, smooth

import mulanzip
from mulanzip import limits
from mulanzip.codec import segment as codec
from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas, TilePlanes
from mulanzip.codec.segment import HASH_BYTES, decode_segments, encode_segments, measure_segments
from mulanzip.codec.tile import code_tile
from mulanzip.density.backends import Array
from mulanzip.density.prediction import Prediction
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder import effort
from mulanzip.encoder.context_fit import Fitter
from mulanzip.errors import CorruptFileError, LimitError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import SEGMENT, Coding
from mulanzip.image.channels import from_coding_order, to_coding_order
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import stored
from mulanzip.imageio.stored import looks_drawn
from mulanzip.lattice import geometry
from mulanzip.lattice.geometry import A, D, H, V, level_view, segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.options import EncodeOptions
from mulanzip.timings import Timings, measure


def encode(image: np.ndarray, schedule: str = "default", threads: int = 1) -> bytes:
    """Encode with the model; never store the image."""
    return mulanzip.encode(image, effort=1, schedule=schedule, threads=threads, stored=False)


def assert_round_trip(image: np.ndarray, schedule: str = "default", threads: int = 1) -> bytes:
    data = encode(image, schedule, threads)
    file = container.unpack(data)
    assert file.header.coding is Coding.MODEL
    assert len(file.of_kind(SEGMENT)) == len(segments(*image.shape[:2]))
    restored = mulanzip.decode(data, threads=threads)
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored, image)
    return data


@pytest.mark.slow
@settings(max_examples=80)
@given(images(), st.sampled_from(SCHEDULE_NAMES))
@example(np.zeros((1, 1), dtype=np.uint8), "default")
@example(np.full((1, 1, 3), 255, dtype=np.uint8), "one")
@example(noise(1, 67), "one")
@example(noise(65, 1), "one")
@example(noise(2, 2), "one")
@example(np.zeros((65, 67, 3), dtype=np.uint8), "default")
@example(np.full((64, 64, 3), 255, dtype=np.uint8), "default")
@example(noise(65, 67), "default")
def test_any_image_comes_back_exactly(image: np.ndarray, schedule: str) -> None:
    assert_round_trip(image, schedule)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(1, 2000), (2000, 1), (3, 1025), (700, 2)])
def test_extremely_long_images_come_back_exactly(height: int, width: int) -> None:
    assert_round_trip(photo(height, width))
    assert_round_trip(smooth(height, width, 1))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_several_tiles_come_back_exactly_and_threads_change_no_byte(channels: int) -> None:
    image = photo(520, 530, channels)
    assert len(segments(520, 530)) == 1 + 2 + 4
    assert assert_round_trip(image, threads=1) == assert_round_trip(image, threads=3)


def test_coding_is_repeatable() -> None:
    image = smooth(40, 50)
    assert encode(image) == encode(image)


@pytest.mark.slow
def test_photographs_become_smaller_than_noise_and_flat_images_nearly_vanish() -> None:
    sizes = [len(encode(make(96, 96))) for make in (photo, noise)]
    assert sizes[0] < 0.6 * sizes[1]
    assert len(encode(np.full((96, 96, 3), 77, dtype=np.uint8))) < 800


def test_noise_grows_by_little() -> None:
    image = noise(127, 127)
    assert len(encode(image)) < 1.2 * image.size


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "read-only": lambda a: (a.setflags(write=False), a)[1],
    "Fortran order": np.asfortranarray,
    "turned around": lambda a: a[::-1, ::-1],
    "every second pixel": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_memory_layout_does_not_matter(layout: str, channels: int) -> None:
    image = smooth(21, 18, channels)
    given_array = LAYOUTS[layout](image.copy())
    before = given_array.copy()
    assert encode(given_array) == encode(np.ascontiguousarray(given_array))
    np.testing.assert_array_equal(given_array, before)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 99), st.sampled_from([(9, 8), (9, 8, 1), (9, 8, 2), (9, 8, 3), (9, 8, 4)]))
def test_every_kind_of_array_comes_back(seed: int, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    restored = mulanzip.decode(mulanzip.encode(image, threads=1), threads=1)
    # Arrays of a single channel come back without its axis.
    np.testing.assert_array_equal(restored, image.squeeze() if shape[-1] == 1 else image)


def test_bilevel_arrays_come_back_as_such() -> None:
    image = smooth(9, 11, 1) > 100
    restored = mulanzip.decode(mulanzip.encode(image))
    assert restored.dtype == np.bool_
    np.testing.assert_array_equal(restored, image)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5), dtype=np.uint8),
        np.zeros((5, 5, 256), dtype=np.uint8),
        np.zeros((2, 2, 2, 2), dtype=np.uint8),
        np.zeros(5, dtype=np.uint8),
        np.zeros((5, 5), dtype=np.uint32),
        np.zeros((5, 5), dtype=np.float32),
        np.zeros((5, 5), dtype=np.int8),
        np.zeros((5, 5, 3), dtype=bool),
    ],
)
def test_what_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError):
        mulanzip.encode(array)


@pytest.mark.parametrize("options", [{"effort": 0}, {"effort": 10}, {"schedule": "seven"}, {"threads": 0}])
def test_unknown_options_are_value_errors(options: dict) -> None:
    with pytest.raises(ValueError, match=r"effort|schedule|threads"):
        mulanzip.encode(smooth(4, 4), **options)


def test_the_smaller_of_model_and_stored_form_is_kept() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[::2] = np.random.default_rng(1).integers(0, 256, (64, 3), dtype=np.uint8)
    with_both, model_only = mulanzip.encode(stripes, threads=1), encode(stripes)
    assert container.unpack(with_both).header.coding is Coding.STORED
    assert len(with_both) < len(model_only)
    np.testing.assert_array_equal(mulanzip.decode(with_both), stripes)
    picture = photo(64, 64)
    assert mulanzip.encode(picture, threads=1) == encode(picture)


def with_mask(pixels: np.ndarray) -> np.ndarray:
    """A photograph that is transparent outside of a disc; transparent pixels keep their colours."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    disc = (2 * y - height) ** 2 * width**2 + (2 * x - width) ** 2 * height**2 < height**2 * width**2
    return np.dstack((pixels, np.where(disc, 255, 0).astype(np.uint8)))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_with_alpha_are_coded_by_the_model(channels: int) -> None:
    image = with_mask(photo(110, 120, channels))
    data = mulanzip.encode(image, effort=1, threads=1)
    assert container.unpack(data).header.coding is Coding.MODEL
    assert len(data) < len(stored.store(Picture.from_array(image)))
    # Transparent pixels come back as well.
    np.testing.assert_array_equal(mulanzip.decode(data, threads=1), image)


@pytest.mark.slow
@settings(max_examples=20)
@given(images(30, 30), st.integers(0, 2**32 - 1), st.sampled_from(["mask", "noise", "opaque", "clear"]))
def test_images_with_alpha_come_back_exactly(image: np.ndarray, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    alpha = rng.integers(0, 256, image.shape[:2], dtype=np.uint8)
    if kind != "noise":
        alpha = {"mask": np.where(alpha < 128, 0, 255), "opaque": alpha | 255, "clear": alpha & 0}[kind]
    both = np.dstack((image, alpha.astype(np.uint8)))
    for stored_too in (False, True):
        data = mulanzip.encode(both, effort=1, threads=1, stored=stored_too)
        assert stored_too or container.unpack(data).header.coding is Coding.MODEL
        np.testing.assert_array_equal(mulanzip.decode(data, threads=1), both)


@pytest.mark.slow
def test_no_context_is_fitted_where_the_stored_form_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Fitter, "fit", fit)
    squares = np.kron(noise(16, 16, 4), np.ones((16, 16, 1), dtype=np.uint8))
    data = mulanzip.encode(squares, effort=6, threads=1)
    assert container.unpack(data).header.coding is Coding.STORED
    with pytest.raises(AssertionError):
        mulanzip.encode(photo(256, 256), effort=6, threads=1)


@pytest.mark.slow
def test_a_stored_form_is_found_where_nothing_looks_drawn() -> None:
    y, x = np.mgrid[:90, :120]
    ramps = np.stack([(3 * x + 5 * y) % 256, (2 * x + 7 * y) % 256, (x + y) % 256], 2).astype(np.uint8)
    assert not looks_drawn(Picture.from_array(ramps))
    data = mulanzip.encode(ramps, effort=1, threads=1)
    assert container.unpack(data).header.coding is Coding.STORED
    assert len(data) < len(encode(ramps)) / 2
    np.testing.assert_array_equal(mulanzip.decode(data), ramps)


def test_the_header_says_what_was_coded() -> None:
    header = container.unpack(encode(smooth(12, 34, 1), "one")).header
    assert (header.width, header.height, header.mode) == (34, 12, Mode.GRAY)
    assert SCHEDULE_NAMES[header.schedule] == "one"
    assert header.model_id == mulanzip.registry.find("gray").model_id
    assert container.unpack(encode(smooth(12, 34))).header.model_id == mulanzip.registry.find("photo").model_id


def test_gray_pixels_in_colour_cost_little_more_than_gray() -> None:
    gray = photo(64, 64, 1)
    assert len(encode(np.repeat(gray[..., None], 3, 2))) < 1.5 * len(encode(gray))


def test_coding_order_of_colours_inverts_itself() -> None:
    image = smooth(5, 6)
    np.testing.assert_array_equal(from_coding_order(to_coding_order(image)), image)
    np.testing.assert_array_equal(to_coding_order(image)[..., 0], image[..., 1])


# Segments.


@pytest.fixture
def planes() -> np.ndarray:
    return to_coding_order(photo(48, 40))


@pytest.mark.slow
def test_one_walk_serves_encoder_decoder_and_meter(planes: np.ndarray, runtime: Runtime) -> None:
    for name in SCHEDULE_NAMES:
        schedules = TileSchedules.uniform(name)
        (payload,) = encode_segments(planes, runtime, schedules)
        (bits,) = measure_segments(Canvas.of(planes), runtime, schedules, segments(48, 40))
        # At most two words of 32 bits more, of which the last one may be shorter.
        assert bits - 32 < 8 * (len(payload) - HASH_BYTES) < bits + 64
        decoded = decode_segments([payload], planes.shape, runtime, schedules)
        np.testing.assert_array_equal(decoded, planes)


def test_a_damaged_segment_is_named(runtime: Runtime) -> None:
    image = to_coding_order(photo(514, 6))
    schedules = TileSchedules.uniform("default")
    payloads = encode_segments(image, runtime, schedules)
    assert len(payloads) == 3
    for index in range(3):
        damaged = list(payloads)
        damaged[index] = damaged[index][:HASH_BYTES] + bytes([damaged[index][HASH_BYTES] ^ 1]) + payloads[index][9:]
        with pytest.raises(CorruptFileError, match=rf"segment {index} of 3|goes on after"):
            decode_segments(damaged, image.shape, runtime, schedules)


def test_segments_of_another_image_are_refused(planes: np.ndarray, runtime: Runtime) -> None:
    schedules = TileSchedules.uniform("default")
    (payload,) = encode_segments(planes, runtime, schedules)
    (other,) = encode_segments(planes[::-1].copy(), runtime, schedules)
    with pytest.raises(CorruptFileError):
        decode_segments([payload[:HASH_BYTES] + other[HASH_BYTES:]], planes.shape, runtime, schedules)
    with pytest.raises(CorruptFileError):
        decode_segments([payload], planes.shape, runtime, TileSchedules.uniform("one"))


def no_head(features: Array, offsets: np.ndarray, colour: int) -> tuple[np.ndarray, np.ndarray]:
    raise AssertionError("only coders ask for parameters")


class Recorder(TileMeter):
    """Replaces network and coder of a tile, and checks the calls of both."""

    def __init__(self) -> None:
        super().__init__(SampleStatistics(SampleScale(1 << 16)))
        self.coded: list[np.ndarray] = []
        self.evaluations = 0

    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        pass0_features: int | None,
    ) -> tuple[dict[int, Prediction], int]:
        assert pass0_features is not None or not known[window][..., [H, V, D]].any()
        assert known[..., A].all()
        outside = known.copy()
        outside[window] = False
        assert not outside[..., [H, V, D]].any(), "nothing but A is known in the halo"
        self.evaluations += 1
        # Each cell has a number, which tells the coder which cells it gets.
        count = cells[window].shape[0] * cells[window].shape[1]
        numbers = np.arange(count, dtype=np.int32)[None]
        return {phase: Prediction(numbers.T, numbers, no_head) for phase in phases}, 1

    def code_phase(self, planes: TilePlanes, phase: int, prediction: Prediction) -> np.ndarray:
        values = planes.values(phase)
        assert prediction.base.shape[1] == values.size
        self.coded.append(values)
        return values.reshape(-1, 1)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(SCHEDULE_NAMES), st.integers(2, 20))
def test_a_walk_codes_every_pixel_that_is_there_and_no_other(
    height: int, width: int, schedule: str, tile_cells: int
) -> None:
    # Absent phases hold zeros, so no pixel is zero.
    pixels = np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width, 1)
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "TILE_CELLS", tile_cells)
        tiles = [tile for segment in segments(height, width) for tile in segment.tiles]
        for tile in tiles:
            steps = code_tile(tile, Canvas.of(pixels), recorder, SCHEDULES[schedule], recorder)
            assert steps == len(SCHEDULES[schedule])
    assert recorder.evaluations == len(tiles) * len(SCHEDULES[schedule])
    coarsest = level_view(pixels, geometry.level_grids(*pixels.shape[:2])[-1])
    found = np.concatenate([coarsest.ravel(), *(c.ravel() for c in recorder.coded)])
    np.testing.assert_array_equal(np.sort(found), pixels.ravel())


@pytest.mark.slow
def test_a_tile_depends_on_no_other_tile_of_its_level(runtime: Runtime) -> None:
    image = photo(514, 514, 1)[..., None]
    before = encode_segments(image, runtime, TileSchedules.uniform("default"))
    assert len(before) == 1 + 2 + 4
    changed = image.copy()
    changed[301, 301] ^= 1  # In the last tile, and in no coarser level.
    after = encode_segments(changed, runtime, TileSchedules.uniform("default"))
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * 6 + [False]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_one_segment_ends_all(threads: int, runtime: Runtime) -> None:
    image = to_coding_order(photo(514, 514))
    several = Runtime(runtime.network, threads)

    def progress(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_segments(image, several, TileSchedules.uniform("one"), progress)


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_rises_to_one(threads: int, runtime: Runtime) -> None:
    seen: list[float] = []
    image = to_coding_order(photo(514, 30))
    several = Runtime(runtime.network, threads)
    payloads = encode_segments(image, several, TileSchedules.uniform("one"), seen.append)
    assert seen == sorted(seen)
    assert len(seen) == len(payloads)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.slow
def test_times_of_all_threads_are_measured() -> None:
    image = photo(514, 514)
    with measure() as timings:
        data = encode(image, "one", threads=2)
        mulanzip.decode(data, threads=2)
    assert min(timings.network, timings.coder) > 0
    untouched = Timings()
    encode(smooth(5, 5))
    assert untouched.network == 0


# Memory.


@pytest.mark.slow
def test_too_little_memory_is_a_limit_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    image = smooth(30, 30)
    data = encode(image)
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 20)
    with pytest.raises(LimitError, match="MiB"):
        encode(image)
    with pytest.raises(LimitError, match="MiB"):
        mulanzip.decode(data)
    kept = mulanzip.encode(np.zeros((2000, 2000), dtype=bool))
    with pytest.raises(LimitError, match="MiB"):
        mulanzip.decode(kept)


def test_efforts_and_bytes_of_hashes_are_what_files_were_made_with() -> None:
    assert (effort.EFFORTS[0], effort.EFFORTS[-1], EncodeOptions.effort) == (1, 9, 3)
    assert codec.HASH_BYTES == 8


# Other settings of the process.


@contextmanager
def other_settings() -> Iterator[None]:
    """Global settings of torch and numpy that a program may have changed."""
    before = torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    try:
        with torch.autocast("cpu", torch.bfloat16), np.errstate(all="raise"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(before)
        torch.use_deterministic_algorithms(False)
        torch.set_flush_denormal(False)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_global_settings_of_torch_and_numpy_change_nothing(device: str, tmp_path: Path) -> None:
    image = photo(40, 44)
    expected = encode(image)
    # A file of its own, so that the model is loaded and tested under these settings, too.
    model = shutil.copy(mulanzip.registry.find("photo").path, tmp_path)
    with other_settings():
        assert mulanzip.encode(image, model=model, device=device, threads=2, stored=False) == expected
        np.testing.assert_array_equal(mulanzip.decode(expected, device=device, threads=2), image)


@pytest.mark.slow
def test_several_callers_at_once_get_the_same_bytes() -> None:
    pictures = [photo(30 + i, 40) for i in range(6)]
    expected = [encode(image) for image in pictures]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda image: encode(image, threads=2), pictures)) == expected
        for restored, image in zip(pool.map(mulanzip.decode, expected), pictures, strict=True):
            np.testing.assert_array_equal(restored, image)
