"""All backends compute the same integers; a backend that does not is rejected before it codes anything."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import tiny_model
from support.pictures import noise, worst_values
from torch import Tensor
from torch.nn import functional

import mulanzip
from mulanzip import registry
from mulanzip.density.backends import Backend
from mulanzip.density.config import INPUT_PLANES
from mulanzip.density.model import EXACT_LIMIT, IntegerModel, Layer, load, save
from mulanzip.density.native_backend import KERNEL_VARIABLE, NativeBackend, kernels_to_use
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import GOLDEN_KEY, InexactBackendWarning, candidates, choose_network, open_runtime
from mulanzip.density.selftest import all_outputs, golden_digest
from mulanzip.density.torch_backends import CudaBackend, ReferenceBackend
from mulanzip.errors import ModelError


class CudaArithmetic(CudaBackend):
    """The CUDA backend on the CPU, where ``torch._int_mm`` runs as well."""

    name = "cuda arithmetic"

    def __init__(self) -> None:
        self.device = torch.device("cpu")


FAST: tuple[Callable[[], Backend], ...] = (lambda: NativeBackend(kernels_to_use()[0]), CudaArithmetic)
#: Batch sizes around the widths of vector registers.
BATCHES = (1, 15, 16, 17, 32, 64)


@dataclass(frozen=True)
class Case:
    """A layer, inputs for it, ``(B, h, w, in)``, and a residual, ``(B, h, w, out)``."""

    layer: Layer
    x: np.ndarray
    residual: np.ndarray

    def activations(self, backend: Backend, level: int = 0, residual: bool = False) -> np.ndarray:
        extra = backend.array(self.residual) if residual else None
        return backend.numpy(backend.activation(backend.prepare(self.layer), backend.array(self.x), level, extra))

    def integers(self, backend: Backend, level: int = 0) -> np.ndarray:
        return backend.numpy(backend.integers(backend.prepare(self.layer), backend.array(self.x), level))

    def sums(self, level: int = 0) -> np.ndarray:
        """The definition of a layer: ``sum(weight * input) + bias``, in float64, which is exact for these sums."""
        weight, x = self.layer.weight.astype(np.float64), self.x.astype(np.float64)
        size, (h, w) = weight.shape[2], x.shape[1:3]
        x = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), (1, 2))
        sums = np.tensordot(windows, weight, ((3, 1, 2), (1, 2, 3)))
        return sums.astype(np.int64) + self.layer.bias[level]

    def scaled(self, level: int, extra: np.ndarray | int = 0) -> np.ndarray:
        """``sum * 2**-shift + extra``, rounded half to even without floating point."""
        sums, shift = self.sums(level), self.layer.shift.astype(np.int64)
        sums = sums << np.maximum(-shift, 0)
        places = np.maximum(shift, 0)
        total = sums + (np.asarray(extra, dtype=np.int64) << places)
        half = (1 << places) >> 1
        whole, rest = total >> places, total & (1 << places) - 1
        up = (rest > half) | ((rest == half) & (whole & 1 == 1)) if places.any() else np.zeros(1, dtype=bool)
        return whole + (up & (places > 0))


def draw_case(
    seed: int, channels: tuple[int, int], size: int, shape: tuple[int, int, int], extreme: bool = False
) -> Case:
    """A random layer within the proven bound, and inputs of 0 and 255."""
    rng = np.random.default_rng(seed)
    inputs, outputs = channels
    if extreme:
        weight = rng.choice([-64, 64], (outputs, inputs, size, size)).astype(np.int8)
    else:
        weight = worst_values(rng, -64, 64, (outputs, inputs, size, size)).astype(np.int8)
    shift = rng.integers(-1, 13, outputs).astype(np.int8)
    rows = weight.reshape(outputs, -1).astype(np.int64)
    room = EXACT_LIMIT - 255 * (1 << 12) - 255 * np.maximum(rows.clip(0).sum(1), -rows.clip(max=0).sum(1)) - 1
    room = np.where(shift < 0, (room - (EXACT_LIMIT >> 1)), room)
    assert room.min() > 0
    bias = np.stack([rng.integers(-room, room + 1) for _ in range(2)]).astype(np.int32)
    bias[1] //= 64  # Few outputs saturate at this level.
    batch, height, width = shape
    x = worst_values(rng, 0, 255, (batch, height, width, inputs)).astype(np.uint8)
    if extreme:
        x[...] = 255
    residual = worst_values(rng, 0, 255, (batch, height, width, outputs)).astype(np.uint8)
    return Case(Layer(weight, bias, shift), x, residual)


def assert_all_agree(case: Case, backends: tuple[Callable[[], Backend], ...] = FAST) -> None:
    """With each other, and with the definition."""
    for level in (0, 1):
        plain = case.scaled(level).clip(0, 255)
        added = case.scaled(level, case.residual).clip(0, 255)
        whole = case.scaled(level)
        for make in (ReferenceBackend, *backends):
            backend = make()
            np.testing.assert_array_equal(case.activations(backend, level), plain, backend.name)
            np.testing.assert_array_equal(case.activations(backend, level, residual=True), added, backend.name)
            np.testing.assert_array_equal(case.integers(backend, level), whole, backend.name)


# Layers.


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from((1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.booleans(),
)
def test_backends_compute_the_definition(
    seed: int, channels: tuple[int, int], size: int, shape: tuple[int, int, int], extreme: bool
) -> None:
    assert_all_agree(draw_case(seed, channels, size, shape, extreme))


@pytest.mark.parametrize("sign", [1, -1, 0])
def test_pairs_of_products_that_would_saturate_wider_weights_are_exact(sign: int) -> None:
    case = draw_case(1, (64, 48), 3, (1, 7, 6))
    case = replace(case, x=np.full_like(case.x, 255))
    signs = np.where(np.arange(64) % 2, 1, -1)[:, None, None] if sign == 0 else np.full((64, 1, 1), sign)
    weight = (64 * np.broadcast_to(signs, (48, 64, 3, 3))).astype(np.int8)
    layer = Layer(weight, np.zeros((2, 48), dtype=np.int32), np.full(48, 12, dtype=np.int8))
    # At the second level the bias cancels most of the sum, so that fewer outputs saturate.
    layer.bias[1] = np.clip(-replace(case, layer=layer).sums()[0, 3, 3], -5_000_000, 5_000_000)
    assert_all_agree(replace(case, layer=layer))


@pytest.mark.parametrize("batch", BATCHES)
def test_backends_agree_for_every_batch_size(batch: int) -> None:
    assert_all_agree(draw_case(batch, (31, 40), 3, (batch, 5, 3)))


@pytest.mark.parametrize("size", [(1, 1), (1, 33), (17, 1), (13, 19), (31, 32)])
def test_backends_agree_for_odd_spatial_sizes(size: tuple[int, int]) -> None:
    assert_all_agree(draw_case(size[0], (64, 64), 3, (1, *size)))


def test_ties_round_to_even() -> None:
    weight = np.ones((1, 1, 1, 1), dtype=np.int8)
    layer = Layer(weight, np.array([[0], [-4]], dtype=np.int32), np.array([1], dtype=np.int8))
    x = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    case = Case(layer, x, np.ones_like(x))
    for kind in (ReferenceBackend, *FAST):
        backend = kind()
        assert case.activations(backend).flatten().tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]
        assert case.integers(backend, 1).flatten().tolist() == [-2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3, 4]
        # With a residual, only the sum is rounded: 0.5 + 1 is a tie as well.
        assert case.activations(backend, 0, residual=True).flatten().tolist() == [1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6]


@pytest.mark.parametrize("make", [ReferenceBackend, *FAST])
def test_scales_are_exact_powers_of_two(make: Callable[[], Backend]) -> None:
    shifts = np.arange(-15, 16, dtype=np.int8)  # With these the sums are proved.
    outputs = len(shifts)
    layer = Layer(
        np.zeros((outputs, 1, 1, 1), dtype=np.int8),
        np.stack([np.zeros(outputs), np.where(shifts > 0, 2.0 ** np.abs(shifts), 1)]).astype(np.int32),
        shifts,
    )
    case = Case(layer, np.zeros((1, 1, 1, 1), dtype=np.uint8), np.zeros(1))
    expected = [1 if s > 0 else 1 << -int(s) for s in shifts]
    assert case.integers(make(), 1).flatten().tolist() == expected


# Networks.


@pytest.mark.parametrize("weights", ["random", "extreme"])
def test_backends_agree_on_whole_networks_in_any_batch(weights: str) -> None:
    model = tiny_model(4, weights, channels=16, blocks=2)
    reference, *others = (IntegerNetwork(model, kind()) for kind in (ReferenceBackend, *FAST))
    planes = noise(7 * 64, 5, INPUT_PLANES).reshape(64, 7, 5, INPUT_PLANES)
    for level in range(model.config.level_classes):
        expected = all_outputs(reference, planes, level)
        assert len(np.unique(expected[0])) > 100
        for network, batches in zip(others, (BATCHES, (1, 17)), strict=True):
            for batch in batches:
                for one, other in zip(all_outputs(network, planes[:batch], level), expected, strict=True):
                    np.testing.assert_array_equal(one, other[:batch])


@pytest.mark.slow
def test_the_shipped_model_has_one_golden_digest_on_all_backends(shipped_model: IntegerModel) -> None:
    golden = shipped_model.metadata[GOLDEN_KEY]
    for make in (ReferenceBackend, *FAST):
        backend = make()
        assert golden_digest(IntegerNetwork(shipped_model, backend)) == golden, backend.name


# The self-test.


class HalfUp(ReferenceBackend):
    """Rounds ties up."""

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        scaled = self._scaled(prepared, x, level_class) + (0 if residual is None else residual)
        return (scaled + 0.5).floor().clamp(0, 255).to(torch.uint8)


class Truncating(ReferenceBackend):
    """Rounds means down."""

    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return self._scaled(prepared, x, level_class).floor().to(torch.int32)


class OffByOne(ReferenceBackend):
    """A single value of a single channel is one too large."""

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        result = super().activation(prepared, x, level_class, residual)
        result[0, 0, 0, 0] += result[0, 0, 0, 0] < 255
        return result


class ClampingTwice(ReferenceBackend):
    """Rounds and clamps before the residual is added."""

    def activation(self, prepared: object, x: Tensor, level_class: int, residual: Tensor | None = None) -> Tensor:
        result = super().activation(prepared, x, level_class)
        return result if residual is None else (result.int() + residual).clamp(max=255).to(torch.uint8)


class DeafToLevels(ReferenceBackend):
    """Uses the biases of the first level everywhere."""

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        return super()._scaled(prepared, x, 0)


class HalfPrecision(ReferenceBackend):
    """Keeps eleven bits of every sum, as tensor cores in float16 or TF32 may."""

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        scaled = super()._scaled(prepared, x, level_class)
        mantissa, exponent = torch.frexp(scaled)
        return torch.ldexp((mantissa * 2048).round() / 2048, exponent)


class Saturating(CudaArithmetic):
    """Adds neighbouring products in 16 bits that saturate, as int8 kernels without VNNI do."""

    name = "saturating"
    group = 2

    def _scaled(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        layer: Layer = prepared  # type: ignore[assignment]
        outputs, inputs, size, _ = layer.weight.shape
        b, h, w, _ = x.shape
        columns = functional.unfold(x.permute(0, 3, 1, 2).float(), size, padding=size // 2).view(
            b, inputs, size * size, h * w
        )
        weight = torch.from_numpy(layer.weight).float().view(outputs, inputs, size * size)
        total = torch.zeros(b, outputs, h * w, dtype=torch.float64)
        for start in range(0, inputs, self.group):
            part = slice(start, start + self.group)
            products = torch.einsum("bitn,oit->botn", columns[:, part], weight[:, part])
            total += products.clamp(-(1 << 15), (1 << 15) - 1).sum(2)
        bias, shift = torch.from_numpy(layer.bias[level_class]), torch.from_numpy(layer.shift).double()
        scaled = (total + bias[:, None]) * torch.exp2(-shift)[:, None]
        return scaled.view(b, outputs, h, w).permute(0, 2, 3, 1)

    def prepare(self, layer: Layer) -> Layer:  # type: ignore[override]
        return layer


class SaturatingQuads(Saturating):
    """The same with sums of four."""

    group = 4


class Broken(ReferenceBackend):
    """Does not run at all."""

    name = "broken"

    def integers(self, prepared: object, x: Tensor, level_class: int) -> Tensor:
        raise RuntimeError("could not create a primitive\nwith a second line")


@pytest.mark.parametrize(
    "wrong", [HalfUp, Truncating, OffByOne, ClampingTwice, DeafToLevels, HalfPrecision, SaturatingQuads, Broken]
)
def test_a_wrong_backend_is_warned_of_and_not_used(wrong: type[Backend]) -> None:
    model = tiny_model(7, "extreme", channels=16)
    with pytest.warns(InexactBackendWarning, match=f"backend {wrong.name} does not"):
        network = choose_network(model, [wrong, ReferenceBackend])
    assert type(network.backend) is ReferenceBackend


@pytest.mark.parametrize("wrong", [HalfUp, Truncating, ClampingTwice, HalfPrecision])
def test_the_shipped_golden_digest_finds_wrong_backends(shipped_model: IntegerModel, wrong: type[Backend]) -> None:
    assert golden_digest(IntegerNetwork(shipped_model, wrong())) != shipped_model.metadata[GOLDEN_KEY]


@pytest.mark.slow
def test_weights_up_to_64_never_saturate_a_pair() -> None:
    # This is why 64 is the limit: with larger weights, the self-test would reject the same backend.
    model = tiny_model(7, "extreme", channels=16)
    stem = model.layers["pass.0.stem"]
    assert abs(stem.weight.astype(int)).max() == 64
    assert golden_digest(IntegerNetwork(model, Saturating())) == model.metadata[GOLDEN_KEY]
    wide = replace(
        model, layers={**model.layers, "pass.0.stem": replace(stem, weight=np.sign(stem.weight) * np.int8(127))}
    )
    reference, saturating = (golden_digest(IntegerNetwork(wide, kind())) for kind in (ReferenceBackend, Saturating))
    assert reference != saturating


def test_right_backends_are_chosen_in_order_and_in_silence() -> None:
    model = tiny_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in (*FAST, ReferenceBackend):
            assert choose_network(model, [make, ReferenceBackend]).backend.name == make().name


def test_without_an_exact_backend_nothing_is_coded() -> None:
    with pytest.warns(InexactBackendWarning), pytest.raises(ModelError, match="no backend computes this model exactly"):
        choose_network(tiny_model(), [HalfUp, Broken])


def test_a_model_whose_golden_digest_is_wrong_codes_nothing(tmp_path: Path) -> None:
    model = replace(tiny_model(), metadata={GOLDEN_KEY: "00" * 32})
    path = tmp_path / "model.safetensors"
    save(model, path)
    with pytest.warns(InexactBackendWarning), pytest.raises(ModelError, match="no backend computes this model exactly"):
        mulanzip.encode(np.zeros((9, 9), dtype=np.uint8), model=str(path))


def test_an_inexact_fast_backend_falls_back_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(tiny_model(), path)
    image = noise(20, 22)
    expected = mulanzip.encode(image, model=str(path), stored=False, device="reference", threads=1)
    run = NativeBackend.parameters

    def off_by_one(*args: Any) -> tuple[np.ndarray, np.ndarray]:
        shapes, means = run(*args)
        return shapes, means + 1

    monkeypatch.setattr(NativeBackend, "parameters", off_by_one)
    with pytest.warns(InexactBackendWarning, match="backend native .* does not compute exactly") as found:
        assert mulanzip.encode(image, model=str(path), stored=False, device="cpu", threads=1) == expected
    assert len(found) == len(kernels_to_use())  # Each kernel has its turn.


def test_the_environment_can_force_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KERNEL_VARIABLE, "portable")
    assert kernels_to_use() == ["portable"]
    assert [make().name for make in candidates("cpu")] == ["native portable", "reference"]
    monkeypatch.setenv(KERNEL_VARIABLE, "abacus")
    with pytest.raises(ModelError, match=r"MULANZIP_KERNEL=abacus: this machine runs .*portable"):
        kernels_to_use()


# Opening.


def test_devices_and_threads_are_checked() -> None:
    path = registry.find("photo").path
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        open_runtime(path, "tpu")
    with pytest.raises(ValueError, match="at least 1"):
        open_runtime(path, threads=0)
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no CUDA device"):
            open_runtime(path, "cuda")


def test_a_replaced_model_file_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    image = noise(12, 12)
    found = []
    for seed in (1, 2):
        save(tiny_model(seed), path)
        found.append(mulanzip.encode(image, model=str(path), stored=False, threads=1))
        assert load(path).digest().startswith(found[-1][24:32])
    assert found[0] != found[1]
