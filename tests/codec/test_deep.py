"""Images of more than 8 bits per sample, signed ones, and bands are exact for all values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.models import ONE_THREAD, tiny_model
from support.pictures import deep, noise, photo, smooth

import mulanzip
from mulanzip.codec import value_map
from mulanzip.codec.side_info import SideInfo
from mulanzip.codec.value_map import ValueMap
from mulanzip.density import model as exact_model
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_scale import EIGHT_BIT, LOG2_STEPS, SampleScale
from mulanzip.encoder.scale_choice import choose_value_map
from mulanzip.errors import CorruptFileError, MulanzipError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import SEGMENT, VALUES, Chunk, Coding, Container
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import D, H, V
from mulanzip.lattice.tile_schedules import TileSchedules


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small model with random weights."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    exact_model.save(tiny_model(), path)
    return str(path)


# Inputs of the denoiser.


@pytest.mark.parametrize("shift", range(9))
def test_deeper_samples_of_the_same_picture_look_the_same_to_the_denoiser(shift: int) -> None:
    plain = noise(6, 7, 12).reshape(1, 6, 7, 4, 3)
    known = noise(6, 7, 4) > 90
    known[..., 0] = True
    sample_scale = SampleScale(256 << shift, shift)
    fine = plain.astype(np.int32) << shift
    backend = NativeBackend(kernels_to_use()[0])
    # Means are rounded down to samples, so differences of one gray level may appear or vanish.
    planes = (
        backend.input_planes(*cells).astype(int) for cells in ((fine, known, sample_scale), (plain, known, EIGHT_BIT))
    )
    assert abs(next(planes) - next(planes)).max() <= 1
    whole = (slice(0, 6), slice(0, 7))
    for phase in (H, V, D):
        ours = backend.base_prediction(fine, known, phase, whole, sample_scale)
        theirs = backend.base_prediction(plain, known, phase, whole, EIGHT_BIT)
        assert (ours == theirs).all()


# Value maps.


@given(
    st.lists(st.lists(st.integers(0, 65535), min_size=1, max_size=40, unique=True), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(LOG2_STEPS),
)
@example([[0, 65535], [65535]], True, 8)
def test_unpacking_codes_inverts_packing(values: list[list[int]], signed: bool, shift: int) -> None:
    codes = [ValueMap(np.array(sorted(v), dtype=np.int32) - signed * 32768, shift) for v in values]
    found = value_map.unpack(value_map.pack(codes, signed), len(codes), signed)
    for code, copy in zip(codes, found, strict=True):
        np.testing.assert_array_equal(code.values, copy.values)
        assert code.sample_scale == copy.sample_scale
        pixels = code.values.astype(np.int16 if signed else np.uint16)[:, None, None]
        indices = code.to_indices(pixels)
        assert indices.dtype == code.sample_scale.dtype
        np.testing.assert_array_equal(code.to_values(indices, pixels.dtype), pixels)


@settings(max_examples=300)
@given(st.binary(max_size=60), st.integers(1, 3), st.booleans())
def test_any_bytes_are_codes_or_damage(data: bytes, count: int, signed: bool) -> None:
    import zlib

    for payload in (data, zlib.compress(data)):
        try:
            codes = value_map.unpack(payload, count, signed)
        except CorruptFileError:
            continue
        assert value_map.unpack(value_map.pack(codes, signed), count, signed)


def test_a_sample_that_stands_for_nothing_is_damage() -> None:
    with pytest.raises(CorruptFileError, match="none of the values"):
        ValueMap(np.arange(5, dtype=np.int32)).to_values(np.array([5]), np.dtype(np.uint16))


@pytest.mark.slow
def test_gaps_between_values_and_the_level_are_chosen(runtime: Runtime) -> None:
    pixels = photo(96, 96, 1)[..., None].astype(np.uint16)
    sparse = choose_value_map(pixels * 37 + 1000, runtime, TileSchedules.uniform("default"))
    assert len(sparse.values) <= 256
    assert set(sparse.values % 37) == {1000 % 37}
    assert abs(sparse.log2_steps) <= 1
    full = choose_value_map(deep(96, 96, bits=14)[..., None], runtime, TileSchedules.uniform("default"))
    assert 5 <= full.log2_steps <= 7


# Whole images.


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """uint16, int16, and bands of uint8."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    channels, seed = draw(st.integers(1, 6)), draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    kind = draw(st.sampled_from(("photo", "noise", "constant", "sparse", "few bits", "one channel")))
    if kind == "photo":
        pixels = deep(height, width, 3, draw(st.integers(9, 16)), seed)[..., np.arange(channels) % 3]
    elif kind == "few bits":
        pixels = rng.integers(0, 1 << draw(st.integers(1, 16)), (height, width, channels), dtype=np.uint16)
    elif kind == "sparse":
        pixels = rng.choice(rng.integers(0, 65536, 9), (height, width, channels)).astype(np.uint16)
    else:
        pixels = rng.integers(0, 65536, (height, width, channels), dtype=np.uint16)
    if kind == "constant":
        pixels[...] = draw(st.integers(0, 65535))
    elif kind == "one channel":
        pixels[..., 1:] = 17
    dtype = draw(st.sampled_from((np.uint16, np.int16, np.uint8)))
    pixels = pixels.astype(dtype)
    if dtype == np.uint8 and channels < 5:
        pixels = np.repeat(pixels, 5, 2)
    return pixels[..., 0] if channels == 1 and dtype != np.uint8 else pixels


@pytest.mark.slow
@settings(max_examples=25)
@given(arrays(), st.booleans())
def test_any_array_comes_back_exactly(model: str, array: np.ndarray, stored: bool) -> None:
    data = mulanzip.encode(array, effort=1, stored=stored, model=model, threads=1)
    header = container.unpack(data).header
    assert stored or header.coding is Coding.MODEL
    restored = mulanzip.decode(data, model=model, threads=1)
    assert restored.dtype == array.dtype
    np.testing.assert_array_equal(restored, array)
    for scale in (2, 8):
        preview = mulanzip.decode(data, scale=scale, model=model, threads=1)
        np.testing.assert_array_equal(preview, array[::scale, ::scale])


@pytest.mark.slow
def test_the_shipped_model_beats_png_and_threads_change_no_byte(runtime: Runtime) -> None:
    import imagecodecs

    array = deep(150, 140, 3, 14)
    context = np.zeros(runtime.model.prior.entries, dtype=np.int8)
    context[::7] = 2
    data = mulanzip.encode(array, effort=1, stored=False, threads=1)
    assert data == mulanzip.encode(array, effort=1, stored=False, threads=2)
    assert len(data) < len(imagecodecs.png_encode(array, level=9))
    adapted = mulanzip.encode(array[:90, :80], context=context, stored=False, threads=1)
    np.testing.assert_array_equal(mulanzip.decode(adapted, threads=1), array[:90, :80])
    np.testing.assert_array_equal(mulanzip.context_of(adapted), context)
    ledger = mulanzip.ledger(adapted)
    assert "values in use" in ledger.table()
    assert ledger.total.file == 8 * len(adapted)
    assert ledger.total.coded == pytest.approx(ledger.total.theory, rel=0.01)


@pytest.mark.slow
def test_planes_that_are_all_the_same_cost_no_segment(model: str) -> None:
    array = deep(50, 40, 4)
    array[..., 3] = 65535
    file = container.unpack(mulanzip.encode(array, effort=1, stored=False, model=model, threads=1))
    assert [group.segments for group in SideInfo.read(file).groups] == [slice(0, 1), slice(1, 1)]
    assert len(file.of_kind(SEGMENT)) == 1


@pytest.mark.slow
def test_a_stored_form_is_taken_where_the_model_is_worse(model: str) -> None:
    import imagecodecs

    array = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    data = mulanzip.encode(array, effort=1, model=model, threads=1)
    best = min(len(imagecodecs.png_encode(array)), len(imagecodecs.jpegxl_encode(array, lossless=True, effort=7)))
    assert len(data) < best + 200


@pytest.mark.parametrize("dtype", [np.uint32, np.int8, np.int32, np.float32, np.float16, np.complex64])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(UnsupportedImageError, match="use uint8, uint16, int16"):
        mulanzip.encode(np.zeros((4, 4), dtype=dtype))


def test_too_many_bands_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="1 to 255"):
        mulanzip.encode(np.zeros((2, 2, 256), dtype=np.uint16))


def test_byte_order_is_no_property_of_the_image(model: str) -> None:
    array = deep(20, 21)
    assert mulanzip.encode(array.astype(">u2"), effort=1, model=model) == mulanzip.encode(array, effort=1, model=model)


# Damage.


def damaged_files(model: str) -> list[bytes]:
    rgba = deep(24, 20, 4)
    signed = deep(25, 20).astype(np.int16) - 300
    bands = np.stack([smooth(20, 20, 1, seed) for seed in range(5)], 2)
    return [
        mulanzip.encode(array, effort=1, stored=stored, model=model, threads=1)
        for array in (rgba, signed, bands)
        for stored in (False, True)
    ]


@pytest.mark.slow
def test_damage_never_gives_a_wrong_image(model: str) -> None:
    rng = np.random.default_rng(0)
    for data in damaged_files(model):
        for _ in range(60):
            hurt = bytearray(data)
            bit = int(rng.integers(0, 8 * len(data)))
            hurt[bit // 8] ^= 1 << bit % 8
            with pytest.raises(MulanzipError):
                mulanzip.decode(bytes(hurt), model=model, threads=1)
        for length in rng.integers(0, len(data), 30).tolist():
            with pytest.raises(MulanzipError):
                mulanzip.decode(data[:length], model=model, threads=1)


@pytest.mark.slow
def test_damage_behind_right_checksums_never_gives_a_wrong_image(model: str) -> None:
    rng = np.random.default_rng(1)
    for data in damaged_files(model):
        file, original = container.unpack(data), mulanzip.decode(data, model=model, threads=1)
        for _ in range(60):
            chunks = list(file.chunks)
            at = int(rng.integers(0, len(chunks)))
            payload = bytearray(chunks[at].payload)
            payload[int(rng.integers(0, len(payload)))] = int(rng.integers(0, 256))
            chunks[at] = Chunk(chunks[at].kind, bytes(payload))
            try:
                found = mulanzip.decode(Container(file.header, tuple(chunks)).pack(), model=model, threads=1)
            except MulanzipError:
                continue
            np.testing.assert_array_equal(found, original)


@pytest.mark.slow
def test_other_codes_of_samples_than_the_segments_need_are_damage(model: str) -> None:
    file = container.unpack(mulanzip.encode(deep(24, 20, 4), effort=1, stored=False, model=model, threads=1))
    (segments,) = [[c for c in file.chunks if c.kind == SEGMENT]]
    constant = ValueMap(np.array([5], dtype=np.int32))
    half = ValueMap(np.arange(0, 4000, 2, dtype=np.int32))
    for codes in ([constant, constant], [half, constant], [half]):
        values = Chunk(VALUES, value_map.pack(codes, False))
        with pytest.raises(CorruptFileError):
            mulanzip.decode(Container(file.header, (values, *segments)).pack(), model=model, threads=1)
    for chunks in (segments, [Chunk(VALUES, b""), *segments], [file.chunks[0], *segments[:1]]):
        with pytest.raises(CorruptFileError):
            mulanzip.decode(Container(file.header, tuple(chunks)).pack(), model=model, threads=1)


@pytest.mark.slow
def test_salvage_of_deep_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setattr("mulanzip.lattice.geometry.TILE_CELLS", 32)
    monkeypatch.setattr("mulanzip.format.container.TILE_CELLS", 32)
    array = deep(100, 100, 4)
    data = mulanzip.encode(array, effort=1, stored=False, model=model, threads=1)
    file = container.unpack(data)
    # The last segment is one of alpha.
    hurt = bytearray(data)
    hurt[-container.CHUNK_OVERHEAD - 10] ^= 1
    from mulanzip.inspect.salvage import salvage

    found = salvage(bytes(hurt), model=model, execution=ONE_THREAD)
    total = len(file.of_kind(SEGMENT))
    assert [(loss.segment, loss.total) for loss in found.regions] == [(total - 1, total)]
    assert found.picture.mode is Mode.RGBA
    np.testing.assert_array_equal(found.picture.pixels[..., :3], array[..., :3])
    np.testing.assert_array_equal(found.picture.pixels[found.trusted], array[found.trusted])
    assert 0 < found.trusted.sum() < found.trusted.size


def test_pictures_know_their_depth() -> None:
    assert Picture.from_array(deep(4, 4)).depth == 16
    assert str(Picture(Mode.GRAY, deep(4, 4)[..., None], bits=12).kind) == "12-bit gray"
    assert str(Picture.from_array(np.zeros((4, 4, 3), dtype=np.int16)).kind) == "signed 16-bit bands"


def test_deep_images_of_256_values_have_indices() -> None:
    pixels = np.arange(1000, 1256, dtype=np.uint16).reshape(16, 16, 1)
    found = ValueMap(np.arange(1000, 1256, dtype=np.int32))
    indices = found.to_indices(pixels)
    np.testing.assert_array_equal(indices.reshape(-1), np.arange(256))
    np.testing.assert_array_equal(found.to_values(indices, pixels.dtype), pixels)
