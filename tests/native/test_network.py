"""The integer network of the native library computes what the float64 reference computes, with every kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import tiny_model
from support.pictures import worst_values

from mulanzip import registry
from mulanzip.density.config import COLOURS, HEADS, INPUT_PLANES
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.model import EXACT_LIMIT, Layer, load
from mulanzip.density.native_backend import NativeBackend
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY
from mulanzip.density.sample_scale import LOG2_STEPS, SampleScale
from mulanzip.density.selftest import all_outputs, golden_digest
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.lattice.geometry import D, H, V
from mulanzip.native import network
from mulanzip.native.network import PackedHead, PackedLayer, PackedPass, run_layer

KERNELS = network.kernels()
#: Channels around the widths of steps, vectors and groups.
CHANNELS = (1, 3, 4, 5, 8, 16, 17, 31, 32, 33, 44, 48, 64, 65, 80)
SHIPPED = tuple(info.name for info in registry.shipped() if info.kind == "erasure")
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 9)


@dataclass(frozen=True)
class Case:
    """A layer with biases of one level class, inputs for it, and a residual."""

    layer: Layer
    inputs: np.ndarray
    residual: np.ndarray

    def check(self, kernels: list[str] | None = None) -> None:
        """All kernels compute what the reference does."""
        reference = ReferenceBackend()
        prepared = reference.prepare(self.layer)
        x, residual = torch.from_numpy(self.inputs), torch.from_numpy(self.residual)
        plain = reference.activation(prepared, x, 0).numpy()
        added = reference.activation(prepared, x, 0, residual).numpy()
        integers = reference.integers(prepared, x, 0).numpy()
        biases = self.layer.bias[0]
        for kernel in kernels or KERNELS:
            packed = PackedLayer(kernel, self.layer.weight, self.layer.shift)
            found = run_layer(packed, biases, self.inputs, None, saturate=True)
            np.testing.assert_array_equal(found, plain, kernel)
            found = run_layer(packed, biases, self.inputs, self.residual, saturate=True)
            np.testing.assert_array_equal(found, added, kernel)
            found = run_layer(packed, biases, self.inputs, None, saturate=False)
            np.testing.assert_array_equal(found, integers, kernel)


def draw_case(seed: int, inputs: int, outputs: int, side: int, shape: tuple[int, int, int]) -> Case:
    """A random layer whose biases go to the limit that is proved, and inputs with many 0 and 255."""
    rng = np.random.default_rng(seed)
    low, high = ((-64, 64), (0, 64), (-64, 0), (-3, 3))[rng.integers(4)]
    weight = worst_values(rng, low, high, (outputs, inputs, side, side)).astype(np.int8)
    rows = weight.reshape(outputs, -1).astype(np.int64)
    peak = 255 * np.maximum(rows.clip(0).sum(1), -rows.clip(max=0).sum(1))
    shift = rng.integers(-2, 15, outputs)
    room = (EXACT_LIMIT - 1 >> np.maximum(-shift, 0)) - peak - (255 << np.maximum(shift, 0))
    shift = np.where(room < 0, 7, shift)
    room = np.where(room < 0, EXACT_LIMIT - 1 - peak - (255 << 7), room)
    assert room.min() >= 0
    bias = rng.choice([-1, 1, 0.01, 0], outputs) * room
    x = worst_values(rng, 0, 255, (*shape, inputs)).astype(np.uint8)
    residual = worst_values(rng, 0, 255, (*shape, outputs)).astype(np.uint8)
    return Case(Layer(weight, bias.astype(np.int32)[None], shift.astype(np.int8)), x, residual)


# Layers.


@settings(max_examples=60)
@given(
    seeds,
    st.sampled_from(CHANNELS),
    st.sampled_from(CHANNELS),
    st.sampled_from((1, 3)),
    st.tuples(st.integers(1, 2), sides, st.integers(1, 40)),
)
def test_kernels_compute_what_the_reference_does(
    seed: int, inputs: int, outputs: int, side: int, shape: tuple[int, int, int]
) -> None:
    draw_case(seed, inputs, outputs, side, shape).check()


@pytest.mark.parametrize("channels", CHANNELS)
def test_maps_of_a_single_cell(channels: int) -> None:
    draw_case(channels, channels, channels, 3, (2, 1, 1)).check()


@pytest.mark.parametrize("sign", [1, -1, 0])
@pytest.mark.parametrize("channels", [44, 64])
def test_sums_of_the_largest_products_do_not_overflow(sign: int, channels: int) -> None:
    signs = np.where(np.arange(channels) % 2, 1, -1)[:, None, None] if sign == 0 else np.full((channels, 1, 1), sign)
    weight = (64 * np.broadcast_to(signs, (channels, channels, 3, 3))).astype(np.int8)
    x = np.full((1, 5, 7, channels), 255, dtype=np.uint8)
    # The bias cancels most of the sum in the middle of the map, so that not all outputs saturate.
    bias = np.full((1, channels), -int(weight[0].astype(int).sum()) * 255 // 2, dtype=np.int32)
    Case(Layer(weight, bias, np.full(channels, 12, dtype=np.int8)), x, x // 2).check()


@pytest.mark.parametrize("together", [1, 2, 4])
@pytest.mark.parametrize("over", [0, 1])
def test_as_many_products_as_16_bits_hold_are_exact(together: int, over: int) -> None:
    """Weights at the edge of what can be added up, and just over it."""
    weight = np.zeros((8, 16, 1, 1), dtype=np.int8)
    # Two neighbouring channels in some steps of four: 128 * 255 is the largest multiple of 255 below 2^15.
    each = min(128 // (2 * together) + over, 64)
    for step in range(together):
        weight[:, 4 * step : 4 * step + 2] = each
    weight[1::2] *= -1
    layer = Layer(weight, np.zeros((1, 8), dtype=np.int32), np.full(8, 6, dtype=np.int8))
    x = np.full((1, 2, 3, 16), 255, dtype=np.uint8)
    Case(layer, x, np.zeros((1, 2, 3, 8), dtype=np.uint8)).check()


@pytest.mark.parametrize("shift", range(-15, 17))
def test_halves_go_to_the_nearest_even_number_at_every_shift(shift: int) -> None:
    weight = np.ones((1, 1, 1, 1), dtype=np.int8)
    scale = 1 << max(0, -shift)
    x = np.arange(64 if shift > -10 else 2, dtype=np.uint8).reshape(1, 1, -1, 1)
    room = (EXACT_LIMIT - 1) // scale - 255 - (255 << max(0, shift))
    for bias in {
        0,
        min(room, (1 << shift >> 1) if shift > 0 else 0),
        -min(room, 40),
        min(room, 3 << max(0, shift - 1)),
    }:
        layer = Layer(weight, np.array([[bias]], dtype=np.int32), np.array([shift], dtype=np.int8))
        Case(layer, x, x).check()


@pytest.mark.parametrize("kernel", KERNELS)
def test_layers_that_are_not_exact_are_refused(kernel: str) -> None:
    weight, shift = np.full((1, 64, 3, 3), 64, dtype=np.int8), np.zeros(1, dtype=np.int8)
    packed = PackedLayer(kernel, weight, shift)
    x = np.zeros((1, 2, 2, 64), dtype=np.uint8)
    room = EXACT_LIMIT - 1 - 64 * 64 * 9 * 255 - 255
    for bias in (room, -room):
        run_layer(packed, np.array([bias], dtype=np.int32), x, None, saturate=True)
        with pytest.raises(ValueError, match="out of range"):
            run_layer(packed, np.array([bias + np.sign(bias)], dtype=np.int32), x, None, saturate=True)
    for wrong, wrong_shift in ((weight + 1, shift), (weight, shift - 2), (weight, shift + 17), (-weight - 1, shift)):
        with pytest.raises(ValueError, match="out of range"):
            PackedLayer(kernel, wrong.astype(np.int8), wrong_shift.astype(np.int8))


def test_what_does_not_fit_together_is_refused() -> None:
    def layer(inputs: int, outputs: int, side: int = 3, split: int | None = None) -> PackedLayer:
        shape = (outputs, inputs, side, side)
        return PackedLayer("portable", np.zeros(shape, dtype=np.int8), np.zeros(outputs, dtype=np.int8), split)

    x, biases = np.zeros((1, 4, 4, 3), dtype=np.uint8), np.zeros((3, 5), dtype=np.int32)
    features = np.zeros((1, 4, 4, 5), dtype=np.uint8)
    whole = [layer(3, 5), layer(5, 5), layer(5, 5)]
    PackedPass(whole).run(biases, x, None, features, (0, 4))
    for rows in ((-1, 4), (0, 5), (3, 2)):
        with pytest.raises(ValueError, match="out of range"):
            PackedPass(whole).run(biases, x, None, features, rows)
    for parts in (whole[:2], [layer(3, 5), layer(4, 5), layer(5, 5)], [layer(3, 5, 1), *whole[1:]]):
        with pytest.raises(ValueError, match=r"fit together|is wanted"):
            PackedPass(parts).run(biases[: len(parts)], x, None, features, (0, 4))
    head = PackedHead(layer(9, 2, 1, split=5), layer(8, 4, 1, split=5), 2)
    rows, planes = np.zeros((7, 5), dtype=np.uint8), np.zeros((7, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="fit together"):
        head.run(np.zeros(2, dtype=np.int32), np.zeros(4, dtype=np.int32), rows, planes)
    with pytest.raises(ValueError, match="no layer has weights"):
        PackedLayer("portable", np.zeros((2, 2, 2, 2), dtype=np.int8), np.zeros(2, dtype=np.int8))


# Inputs.


@given(seeds, sides, sides, st.sampled_from([0, *LOG2_STEPS]), st.booleans())
def test_planes_and_predictions_are_those_of_the_reference(
    seed: int, height: int, width: int, log2_steps: int, extreme: bool
) -> None:
    rng = np.random.default_rng(seed)
    count = 256 if log2_steps == 0 else int(rng.choice([1, 200, 256, 4096, 65536]))
    scale = SampleScale(count, log2_steps)
    cells = rng.integers(0, count, (2, height, width, 4, 3)).astype(scale.dtype)
    if extreme:
        cells = np.where(cells < count // 2, 0, count - 1).astype(scale.dtype)
    known = rng.random((height, width, 4)) < rng.choice([0, 0.2, 0.9, 1], 4)
    reference, native = ReferenceBackend(), NativeBackend("portable")
    expected = reference.input_planes(cells, known, scale).numpy()
    np.testing.assert_array_equal(native.input_planes(cells, known, scale), expected)
    top, left = rng.integers(0, height), rng.integers(0, width)
    window = (slice(int(top), height), slice(int(left), int(rng.integers(left, width) + 1)))
    for phase in (H, V, D):
        expected = reference.base_prediction(cells, known, phase, window, scale)
        np.testing.assert_array_equal(native.base_prediction(cells, known, phase, window, scale), expected)


@given(seeds, st.integers(0, 3), st.integers(1, 70), st.sampled_from((10, 300, 10_000, 2**31 - 1)))
def test_offset_planes_are_those_of_the_reference(seed: int, colours: int, n: int, limit: int) -> None:
    offsets = np.random.default_rng(seed).integers(-limit, limit, (colours, n)).astype(np.int32)
    expected = ReferenceBackend().offset_planes(offsets)
    np.testing.assert_array_equal(network.offset_planes(offsets), expected)


# Networks.


def assert_same_outputs(one: IntegerNetwork, other: IntegerNetwork, planes: np.ndarray) -> None:
    for level_class in range(one.config.level_classes):
        for a, b in zip(all_outputs(one, planes, level_class), all_outputs(other, planes, level_class), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("weights", ["random", "extreme"])
@pytest.mark.parametrize("channels", [1, 5, 17, 44])
def test_whole_networks_compute_what_the_reference_does(channels: int, weights: str) -> None:
    model = tiny_model(channels, weights, channels=channels, blocks=2, hidden=channels + 2)
    reference = IntegerNetwork(model, ReferenceBackend())
    planes = np.random.default_rng(0).integers(0, 256, (2, 6, 7, INPUT_PLANES), dtype=np.uint8)
    for kernel in KERNELS:
        assert_same_outputs(IntegerNetwork(model, NativeBackend(kernel)), reference, planes)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_have_one_golden_digest_with_all_kernels(name: str, kernel: str) -> None:
    model = load(registry.find(name).path)
    assert golden_digest(IntegerNetwork(model, NativeBackend(kernel))) == model.metadata[GOLDEN_KEY]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rows", [(0, 1), (3, 9), (20, 30), (29, 30), (5, 5)])
def test_parts_of_a_pass_are_those_of_the_whole(kernel: str, rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    shapes = [(5, 31, 3, 3), *[(5, 5, 3, 3)] * 4]
    layers = [
        PackedLayer(kernel, rng.integers(-9, 10, s).astype(np.int8), rng.integers(2, 6, 5).astype(np.int8))
        for s in shapes
    ]
    biases = rng.integers(-99, 99, (5, 5)).astype(np.int32)
    planes = rng.integers(0, 50, (2, 30, 11, 31), dtype=np.uint8)
    start = rng.integers(0, 50, (2, 30, 11, 5), dtype=np.uint8)
    whole, part = np.zeros_like(start), np.zeros_like(start)
    PackedPass(layers).run(biases, planes, start, whole, (0, 30))
    PackedPass(layers).run(biases, planes, start, part, rows)
    inside = slice(*rows)
    np.testing.assert_array_equal(part[:, inside], whole[:, inside])
    part[:, inside] = 0
    assert not part.any()


def test_threads_that_share_a_map_change_nothing() -> None:
    model = tiny_model(3)
    planes = np.random.default_rng(0).integers(0, 256, (1, 130, 97, INPUT_PLANES), dtype=np.uint8)
    net = IntegerNetwork(model, NativeBackend(KERNELS[0]))
    expected = net.features(planes, 0, 0, None)
    for count in (2, 3, 7):
        with inner_threads(count):
            np.testing.assert_array_equal(net.features(planes, 0, 0, None), expected)


def test_models_adapted_to_images_share_packed_weights() -> None:
    model = tiny_model(5)
    backend = NativeBackend(KERNELS[0])
    IntegerNetwork(model, backend)
    before = list(backend._packed)
    context = np.random.default_rng(0).integers(-9, 9, model.prior.entries).astype(np.int8)
    adapted = model.adapted(context)
    found = IntegerNetwork(adapted, backend)
    assert list(backend._packed) == before
    planes = np.random.default_rng(0).integers(0, 256, (1, 3, 4, INPUT_PLANES), dtype=np.uint8)
    assert_same_outputs(found, IntegerNetwork(adapted, ReferenceBackend()), planes)


def test_heads_of_no_cells_give_no_parameters() -> None:
    model = tiny_model(5)
    net = IntegerNetwork(model, NativeBackend(KERNELS[0]))
    features = np.zeros((0, model.config.channels), dtype=np.uint8)
    for name in HEADS:
        for colour in range(COLOURS):
            shapes, means = net.head(features, np.zeros((colour, 0), dtype=np.int32), colour, name=name, level_class=0)
            assert shapes.shape == (model.config.shape_outputs, 0)
            assert means.shape == (model.config.mean_outputs(colour), 0)
