"""The integer form of trained models agrees with the floats, is exact for every message and image, and as short."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gaussian_toy import SIDE, images, saved, toy
from support.processes import TESTS, run_python

from mulanzip import registry
from mulanzip.density.backends import Backend
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError, ModelError
from mulanzip.gaussian.api import as_tensor
from mulanzip.gaussian.exact.export_trained import export_trained
from mulanzip.gaussian.exact.gamma_schedule import MAX_GAMMA_INDEX
from mulanzip.gaussian.exact.images import TrainedReverseModel, images_codec
from mulanzip.gaussian.exact.integer_denoiser import IntegerDenoiser
from mulanzip.gaussian.exact.log_tables import LOG_BITS, Logarithms
from mulanzip.gaussian.exact.noise_levels import NoiseLevels
from mulanzip.gaussian.exact.planes import Z_BITS, cells, pixels
from mulanzip.gaussian.exact.runtime import open_gaussian
from mulanzip.gaussian.exact.selftest import golden_digest
from mulanzip.gaussian.exact.subset_codec import uniform
from mulanzip.gaussian.exact.trained import TrainedModel
from mulanzip.gaussian.forward import GAMMA_MAX, GAMMA_MIN, VALUES_PER_UNIT, diffused, to_unit
from mulanzip.gaussian.model import PROCESSES
from mulanzip.gaussian.variational import reverse_step

LOGS = Logarithms.build()
#: With the memory layout of torch.
X = as_tensor(images(6)).numpy()
messages = st.binary(max_size=400).map(lambda data: Message(data.rstrip(b"\0")))


@cache
def exact(process: str = "mulan", steps: int = 4, strength: float = 0.05) -> TrainedModel:
    return export_trained(toy(process, steps, strength=strength))


def native() -> NativeBackend:
    return NativeBackend(kernels_to_use()[0])


def denoiser(model: TrainedModel, backend: Callable[[], Backend] = native) -> IntegerDenoiser:
    return IntegerDenoiser(model.layers, model.direct_shift, model.direct_bias, model.config["blocks"], backend())


def subsets(count: int, model: TrainedModel, seed: int = 0) -> np.ndarray:
    """Contexts, bool ``(count, bits)``."""
    rng, bits = np.random.default_rng(seed), model.config["bits"]
    rows = [rng.permutation(bits) < model.config["active"] for _ in range(count)]
    return np.array(rows, dtype=bool).reshape(count, bits)


# Parts.


@settings(max_examples=100, deadline=None)
@given(st.floats(-30, 30), st.integers(0, 30))
def test_powers_and_logarithms_agree_with_floats(log: float, bits: int) -> None:
    fixed = np.array([round(log * 2**LOG_BITS)])
    exact_power = 2.0 ** (fixed[0] / 2**LOG_BITS + bits)
    assert abs(int(LOGS.two_to(fixed, bits)[0]) - exact_power) <= 1 + 1e-7 * exact_power
    value = max(1, round(2.0 ** (log + 30)))
    assert LOGS.log_of(np.array([value]))[0] / 2**LOG_BITS == pytest.approx(math.log2(value), abs=4e-4)
    total = LOGS.log_sum(fixed, np.zeros_like(fixed))[0] / 2**LOG_BITS
    assert total == pytest.approx(math.log2(1 + 2.0**log), abs=0.01)


def test_cells_are_those_of_torch() -> None:
    values = np.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    np.testing.assert_array_equal(cells(values), torch.nn.functional.pixel_unshuffle(torch.from_numpy(values), 2))
    np.testing.assert_array_equal(pixels(cells(values)), values)


@settings(max_examples=30, deadline=None)
@given(messages, st.sampled_from([(50, 15), (5, 1), (4, 4), (0, 0)]), st.integers(0, 4))
def test_subsets_come_back(message: Message, size: tuple[int, int], count: int) -> None:
    bits, active = size
    codec = uniform(count, bits, active)
    before = message.copy()
    chosen = codec.pop(message)
    assert (chosen.sum(1) == active).all()
    codec.push(message, chosen)
    assert message == before


def test_subsets_are_equally_likely() -> None:
    message = Message.pseudo_random(b"seed", 100)
    start = message.bits
    uniform(200, 50, 15).push(message, subsets(200, exact()))
    assert message.bits - start == pytest.approx(200 * math.log2(math.comb(50, 15)), abs=40)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(PROCESSES)), st.integers(1, 64), st.integers(0, 99), st.floats(0, 0.1))
def test_schedules_agree_with_floats_and_rise(process: str, steps: int, seed: int, strength: float) -> None:
    model = toy(process, steps, seed, strength)
    integers = export_trained(model)
    contexts = subsets(2, integers, seed)
    gamma_index = integers.schedule.gamma_indices(contexts, integers.logs)
    assert gamma_index.shape == (steps + 1, 2, 3, SIDE, SIDE)
    assert (gamma_index[0] == 0).all()
    assert (gamma_index[-1] == MAX_GAMMA_INDEX).all()
    assert (np.diff(gamma_index, axis=0) >= 1).all()
    path = model.schedule.path((SIDE, SIDE), torch.from_numpy(contexts).float() if integers.config["bits"] else None)
    for step in range(steps + 1):
        gamma = path(torch.full((2,), step / steps))[0].numpy()
        found = GAMMA_MIN + (GAMMA_MAX - GAMMA_MIN) * gamma_index[step] / MAX_GAMMA_INDEX
        # Slopes close to zero have the largest rounding errors.
        assert abs(found - gamma).max() < 0.5
        assert abs(found - gamma).mean() < 0.01


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 64), st.integers(0, 99), st.floats(0, 3))
def test_no_context_gives_a_process_out_of_range(steps: int, seed: int, strength: float) -> None:
    model = export_trained(toy("mulan", steps, seed, strength))
    gamma_index = model.schedule.gamma_indices(subsets(3, model, seed), model.logs)
    levels = NoiseLevels.from_gamma_index(
        gamma_index.reshape(steps + 1, -1), int(model.log_bins[0]), model.noise, model.logs
    )
    levels.process(model.normal, model.logistic).validate()


@pytest.mark.parametrize("process", ["mulan", "linear"])
def test_the_network_agrees_with_the_float_network(process: str) -> None:
    model, integers = toy(process), exact(process)
    network = denoiser(integers)
    model.denoiser.quantise()
    contexts = subsets(6, integers)
    gamma_index = integers.schedule.gamma_indices(contexts, integers.logs)
    float_contexts = torch.from_numpy(contexts).float() if integers.config["bits"] else None
    for step in range(1, 5):
        gamma = torch.from_numpy(GAMMA_MIN + (GAMMA_MAX - GAMMA_MIN) * gamma_index[step] / MAX_GAMMA_INDEX).float()
        z = diffused(to_unit(torch.from_numpy(X)), gamma, torch.randn(X.shape))
        mean, log_variance = model.denoiser.predict_unseen(z, gamma, float_contexts)
        fixed = np.rint(z.double().numpy() * 2**Z_BITS).astype(np.int64)
        found = network(fixed, gamma_index[step], integers.noise.prior_gain.take(gamma_index[step]), contexts)
        np.testing.assert_allclose(found[0] / 2**16, mean.numpy() * VALUES_PER_UNIT, atol=1)
        np.testing.assert_allclose(found[1] / 2**LOG_BITS, log_variance.numpy(), atol=0.1)


def test_a_reverse_step_agrees_with_floats() -> None:
    model, integers = toy(), exact()
    model.denoiser.quantise()
    contexts = subsets(6, integers)
    gamma_index = integers.schedule.gamma_indices(contexts, integers.logs)
    levels = NoiseLevels.from_gamma_index(gamma_index.reshape(5, -1), 0, integers.noise, integers.logs)
    model_in_integers = TrainedReverseModel(levels, contexts, SIDE, denoiser(integers))
    gamma = torch.from_numpy(GAMMA_MIN + (GAMMA_MAX - GAMMA_MIN) * gamma_index / MAX_GAMMA_INDEX).float()
    width = np.exp2(levels.log_width / 2**LOG_BITS)
    for step in range(4):
        z = diffused(to_unit(torch.from_numpy(X)), gamma[step + 1], torch.randn(X.shape)).numpy()
        bins = np.rint(z.reshape(1, -1) / width[step + 1]).astype(np.int64)
        z = torch.from_numpy(bins * width[step + 1]).float().view(X.shape)
        seen = model.denoiser(z, gamma[step + 1], torch.from_numpy(contexts).float())
        expected = reverse_step(seen, z, gamma[step], gamma[step + 1])
        mean, scale = model_in_integers(step, bins)
        deviation = expected.variance.sqrt().numpy().ravel()
        error = (mean[0] / 2**16 * width[step] - expected.mean.numpy().ravel()) / deviation
        assert abs(error).max() < 0.3
        assert np.sqrt((error**2).mean()) < 0.05
        np.testing.assert_allclose(2.0**-7 * np.exp(scale[0] / 64) * width[step], deviation, rtol=0.08)


# The codec.


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(messages, st.integers(1, 3), st.sampled_from(["mulan", "multivariate"]), st.integers(0, 99))
def test_images_contexts_and_message_come_back(message: Message, count: int, process: str, seed: int) -> None:
    model = exact(process)
    codec, before = images_codec(model, denoiser(model), count), message.copy()
    values = np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE)).astype(np.uint8)
    values[: count // 2] = seed
    contexts = subsets(count, model, seed)
    codec.push(message, (contexts, values))
    found = codec.pop(message)
    np.testing.assert_array_equal(found[0], contexts)
    np.testing.assert_array_equal(found[1], values)
    assert message == before


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(messages)
def test_any_message_decodes_or_is_refused(message: Message) -> None:
    model = exact()
    codec, before = images_codec(model, denoiser(model), 2), message.copy()
    try:
        found = codec.pop(message)
    except CorruptFileError:
        return
    codec.push(message, found)
    assert message == before


def test_backends_decode_what_others_coded() -> None:
    model = exact()
    contexts = subsets(len(X), model)
    lengths = []
    for one, other in ((ReferenceBackend, native), (native, ReferenceBackend)):
        message = Message.pseudo_random(b"seed", 3000)
        images_codec(model, denoiser(model, one), len(X)).push(message, (contexts, X))
        lengths.append(message.to_bytes())
        np.testing.assert_array_equal(images_codec(model, denoiser(model, other), len(X)).pop(message)[1], X)
    assert lengths[0] == lengths[1]


@pytest.mark.slow
def test_the_net_length_is_the_bound_of_the_float_model() -> None:
    model = toy("mulan", 8, strength=0.02)
    integers = export_trained(model, 2.0)
    values = as_tensor(images(60))
    contexts = subsets(len(values), integers)
    message = Message.pseudo_random(b"seed", 60_000)
    start = message.bits
    images_codec(integers, denoiser(integers), len(values)).push(message, (contexts, values.numpy()))
    found = (message.bits - start) / values.numel()
    # Here a context has its highest possible cost in the bound.
    bound = model.evaluate(values, 8, draws=40)
    expected = float((bound.total - bound.context).mean()) / bound.subpixels
    assert found - math.log2(math.comb(50, 15)) / bound.subpixels == pytest.approx(expected, rel=0.02)


SETTINGS: dict[str, dict[str, str]] = {
    "auto": {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"},
    "reference": {"TZ": "Asia/Kathmandu", "OMP_NUM_THREADS": "1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("device", SETTINGS)
def test_another_process_decodes_the_same(device: str, tmp_path: Path) -> None:
    runtime = open_gaussian(registry.find(str(saved(tmp_path)), "gaussian"))
    message = Message.holding(b"seed" * 300)
    codec = images_codec(runtime.model, runtime.denoiser, len(X))
    codec.push(message, (runtime.contexts(X), X))
    (tmp_path / "chain").write_bytes(message.to_bytes())
    np.save(tmp_path / "images.npy", X)
    done = run_python(
        "-W", "error", TESTS / "gaussian" / "exact" / "run_images_codec.py", tmp_path, device, env=SETTINGS[device]
    )
    assert done.returncode == 0, done.stderr


# Files.


def test_tensors_define_the_model() -> None:
    for process in ("mulan", "scalar"):
        model = exact(process)
        again = TrainedModel.from_tensors(model.config, model.tensors())
        assert all(np.array_equal(a, again.tensors()[name]) for name, a in model.tensors().items())
        digests = {golden_digest(denoiser(m), m.config["bits"]) for m in (model, again)}
        assert len(digests) == 1


def test_broken_tensors_are_refused() -> None:
    model = exact()
    whole = model.tensors()
    for name, part in whole.items():
        with pytest.raises(ModelError, match=rf"no {name.removeprefix('exact.')}"):
            TrainedModel.from_tensors(model.config, {k: v for k, v in whole.items() if k != name})
        with pytest.raises(ModelError):
            TrainedModel.from_tensors(model.config, {**whole, name: part[None]})
    for name in ("exact.logs.power", "exact.noise.gamma", "exact.stem.bias", "exact.log_bins"):
        with pytest.raises(ModelError):
            TrainedModel.from_tensors(model.config, {**whole, name: np.full_like(whole[name], 2**31 - 1)})


def test_models_that_cannot_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="infinitely many steps"):
        export_trained(toy(steps=None))
    with pytest.raises(ModelError, match="cannot compress"):
        open_gaussian(registry.find(str(saved(tmp_path, toy(steps=None))), "gaussian"))


def test_the_process_of_a_model_is_valid() -> None:
    model = exact("linear")
    gamma_index = model.schedule.gamma_indices(subsets(1, model), model.logs).reshape(5, -1)
    process = NoiseLevels.from_gamma_index(gamma_index, 0, model.noise, model.logs).process(
        model.normal, model.logistic
    )
    process.validate()
    assert process.keep.shape == (4, 3 * SIDE * SIDE)
