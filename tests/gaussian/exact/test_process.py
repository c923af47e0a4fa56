"""The integer process is exact for every message and image, and its net length is the bound in floating point."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.bitsback_toy import SHAPE, N, export, field, gammas, images
from support.process_arrays import from_arrays, to_arrays
from support.processes import TESTS, run_python
from support.schedules import random_schedule

from benchmarks.fields.integer_process import LatentBins, export_process
from benchmarks.fields.linear_model import LinearModel
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError, ModelError
from mulanzip.gaussian import variational
from mulanzip.gaussian.exact.codecs import serial
from mulanzip.gaussian.exact.discretized import MEAN_BITS
from mulanzip.gaussian.exact.process import Process
from mulanzip.gaussian.forward import GAMMA_MAX, to_unit
from mulanzip.gaussian.noise_schedule import NoisePath

messages = st.binary(max_size=300).map(lambda data: Message(data.rstrip(b"\0")))

PROCESS = TESTS / "gaussian" / "exact" / "run_field_codec.py"


def path(kind: str) -> NoisePath:
    return random_schedule(kind, 1).path(SHAPE[1:])


@cache
def toy(kind: str, steps: int, per_sigma: float) -> tuple[Process, LinearModel]:
    return export(path(kind), steps, per_sigma)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    messages, arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(N))), st.sampled_from(["linear", "multivariate"])
)
@example(Message(), np.full((2, N), 255, dtype=np.uint8), "multivariate")
@example(Message.pseudo_random(b"", 500), np.arange(N, dtype=np.uint8)[None] * 5, "linear")
def test_images_and_message_come_back(message: Message, x: np.ndarray, kind: str) -> None:
    process, model = toy(kind, 4, 1.0)
    before, codec = message.copy(), process.codec(model, len(x))
    codec.push(message, x)
    found = codec.pop(message)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, x)
    assert message == before


def bound(kind: str, x: np.ndarray, steps: int) -> float:
    """The variational bound on these images in floating point, in bits per subpixel."""
    values = torch.from_numpy(x).view(-1, *SHAPE)
    u, generator = to_unit(values).double(), torch.Generator().manual_seed(1)
    total = variational.prior(u).mean()
    for _ in range(rounds := 16):
        noise = torch.randn(u.shape, generator=generator, dtype=torch.float64)
        total += variational.reconstruction(values, noise).mean() / rounds
        total += variational.diffusion(field().denoise, path(kind), u, steps, generator).mean() / rounds
    return float(total) / N


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "steps", "per_sigma"), [("linear", 4, 2.0), ("linear", 8, 1.4), ("multivariate", 8, 2.0)]
)
def test_the_net_length_is_the_bound(kind: str, steps: int, per_sigma: float) -> None:
    x = images(300)
    process, model = toy(kind, steps, per_sigma)
    codec, lengths = process.codec(model, len(x)), []
    for seed in range(3):
        message = Message.pseudo_random(bytes([seed]), 20_000)
        before, start = message.copy(), message.bits
        codec.push(message, x)
        lengths.append((message.bits - start) / x.size)
        np.testing.assert_array_equal(codec.pop(message), x)
        assert message == before
    assert np.mean(lengths) == pytest.approx(bound(kind, x, steps), rel=0.01)


def test_few_initial_bits_are_used() -> None:
    """The chain needs the bits of two latents of 17, because the data cost nothing once the first is known."""
    process, model = toy("linear", 16, 1.0)
    x = images(100)
    message = Message.pseudo_random(b"seed", 4000)
    start = message.bits
    process.codec(model, len(x)).push(message, x)
    assert (start - message.min_bits) / x.size == pytest.approx(math.log2(2 * math.pi * math.e), abs=0.5)


def test_later_images_take_bits_of_earlier_ones() -> None:
    process, model = toy("linear", 8, 1.0)
    x = images(60)
    codec = serial([process.codec(model, 10)] * 6)
    message = Message.pseudo_random(b"seed", 400)
    before, start = message.copy(), message.bits
    codec.push(message, list(x.reshape(6, 10, N)))
    assert start - message.min_bits < 10 * N * 5
    np.testing.assert_array_equal(np.concatenate(codec.pop(message)), x)
    assert message == before


def test_an_empty_message_is_no_error_but_costs_more() -> None:
    process, model = toy("linear", 4, 1.0)
    x = images(10)
    message = Message()
    process.codec(model, 10).push(message, x)
    assert message.bits / x.size > 11
    np.testing.assert_array_equal(process.codec(model, 10).pop(message), x)
    assert message == Message()


def test_a_bad_model_costs_more_but_is_exact() -> None:
    process, model = toy("linear", 8, 1.0)
    x = images(40)

    def blind(step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Predicts z_s = z_t with a wide scale.
        return z << MEAN_BITS, np.full(N, 600)

    lengths = []
    for other in (model, blind):
        message = Message.pseudo_random(b"seed", 4000)
        before, codec = message.copy(), process.codec(other, len(x))
        codec.push(message, x)
        lengths.append(message.bits)
        np.testing.assert_array_equal(codec.pop(message), x)
        assert message == before
    assert lengths[1] > 1.2 * lengths[0]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(messages)
def test_any_message_decodes_or_is_refused(message: Message) -> None:
    process, model = toy("linear", 4, 1.0)
    codec, before = process.codec(model, 2), message.copy()
    try:
        x = codec.pop(message)
    except CorruptFileError:
        return
    codec.push(message, x)
    assert message == before


def test_bins_have_the_given_number_per_sigma() -> None:
    gamma = gammas(path("multivariate"), 5)
    bins = LatentBins.from_gamma(gamma, 2.0)
    assert float((bins.spread / bins.width).min()) == pytest.approx(2)
    # Bayes: the variances of q(z_t | z_s) and of q(z_s | z_t, x).
    alpha2, sigma2 = torch.sigmoid(-gamma), torch.sigmoid(gamma)
    forward = sigma2[1:] - alpha2[1:] / alpha2[:-1] * sigma2[:-1]
    np.testing.assert_allclose(bins.spread[1:] ** 2, forward, rtol=1e-9, atol=1e-12)
    backward = sigma2[:-1] * forward / sigma2[1:]
    assert float((backward.sqrt() / bins.width[:-1]).min()) == pytest.approx(2)


def test_arrays_define_the_process() -> None:
    process, model = toy("multivariate", 4, 1.0)
    again, x = from_arrays(to_arrays(process)), images(5)
    lengths = []
    for one in (process, again):
        message = Message.pseudo_random(b"seed", 500)
        one.codec(model, 5).push(message, x)
        lengths.append(message.to_bytes())
    assert lengths[0] == lengths[1]


def test_broken_arrays_are_refused() -> None:
    whole = to_arrays(toy("linear", 4, 1.0)[0])
    for name, part in whole.items():
        for broken in (part[1:], part[None], part.astype(np.int32), part - (1 << 50), part + (1 << 50)):
            with pytest.raises(ValueError, match=r"wrong|out of range|rise"):
                from_arrays({**whole, name: broken})


def test_too_narrow_bins_are_refused() -> None:
    gamma = torch.tensor([[-13.3], [GAMMA_MAX]], dtype=torch.float64)
    with pytest.raises(ModelError, match="fewer bins"):
        export_process(LatentBins.from_gamma(gamma, 1e6))


SETTINGS: dict[str, dict[str, str]] = {
    "nothing set": {},
    "hash seed, threads, time zone, locale": {
        **{"PYTHONHASHSEED": "12345", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONUTF8": "0"},
        **{"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "5"},
    },
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_another_process_decodes_the_same(setting: str, tmp_path: Path) -> None:
    process, model = toy("multivariate", 8, 1.0)
    x, content = images(30), bytes(range(256)) * 8
    message = Message.holding(content)
    process.codec(model, len(x)).push(message, x)
    held = {"x": x, "content": np.frombuffer(content, np.uint8), "data": np.frombuffer(message.to_bytes(), np.uint8)}
    np.savez(tmp_path / "toy.npz", matrix=model.matrix, scale=model.scale, **held, **to_arrays(process))
    done = run_python("-W", "error", PROCESS, tmp_path / "toy.npz", env=SETTINGS[setting])
    assert done.returncode == 0, done.stderr
    assert not done.stderr
