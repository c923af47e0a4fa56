"""Contexts: their code, their effect on the integer network, and how they are found."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import ONE_THREAD, tiny_model
from support.pictures import noise, photo, smooth, worst_values

import mulanzip
from mulanzip.density.context import LIMIT, Prior, decode, encode
from mulanzip.density.model import EXACT_LIMIT, IntegerModel, context_entries, prove
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_scale import SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS
from mulanzip.density.selftest import all_outputs
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.encoder import adapt
from mulanzip.encoder.adapt import find_adaptation
from mulanzip.encoder.context_fit import Fitter
from mulanzip.encoder.effort import EFFORTS, GRIDS, SearchPlan, fit_steps
from mulanzip.encoder.preset_choice import suited_presets
from mulanzip.errors import CorruptFileError, ModelError
from mulanzip.floatnet.export import export, float_layers, to_float
from mulanzip.floatnet.network import Conv
from mulanzip.format import container
from mulanzip.format.container import CONTEXT, SEGMENT, Chunk, Coding, Container
from mulanzip.image.channels import to_coding_order
from mulanzip.lattice.tile_schedules import ScheduleChoices, TileSchedules
from mulanzip.options import EncodeOptions, Execution

seeds = st.integers(0, 2**32 - 1)


def some_prior(seed: int, entries: int, presets: int = 3) -> Prior:
    rng = np.random.default_rng(seed)
    return Prior.build(rng.exponential(1.0, entries), rng.integers(-9, 10, (presets, entries)).astype(np.int8))


# The code.


@given(seeds, st.integers(1, 300))
def test_decoding_inverts_encoding(seed: int, entries: int) -> None:
    prior = some_prior(seed, entries)
    context = worst_values(np.random.default_rng(seed), -LIMIT, LIMIT, (entries,)).astype(np.int8)
    context[0] = context[0] or 1
    assert np.array_equal(decode(encode(context, prior), prior), context)


@given(seeds)
def test_a_context_costs_what_the_prior_says(seed: int) -> None:
    prior = some_prior(seed, 500)
    rng = np.random.default_rng(seed)
    context = np.clip(np.rint(rng.laplace(0, 1 + rng.random(), 500)), -LIMIT, LIMIT).astype(np.int8)
    context[0] = 1
    bits = 8 + prior.bits()[np.arange(500), context.astype(int) + LIMIT].sum()
    assert 8 * len(encode(context, prior)) == pytest.approx(bits, rel=0.002, abs=40)
    assert prior.code_length(context) == pytest.approx(bits)


@pytest.mark.slow
@given(seeds, st.integers(0, 2))
def test_a_look_costs_a_byte_and_what_is_near_it_little(seed: int, number: int) -> None:
    prior = some_prior(seed, 300)
    preset = prior.presets[number]
    assert encode(preset, prior) == bytes([2 * number + 2])
    assert np.array_equal(decode(encode(preset, prior), prior), preset)
    assert prior.code_length(preset) == 8
    near = preset.copy()
    near[5] += 1
    coded = encode(near, prior)
    assert coded[0] == 2 * number + 3
    assert np.array_equal(decode(coded, prior), near)
    assert 8 * len(coded) == pytest.approx(prior.code_length(near), rel=0.002, abs=40)


def test_looks_that_are_not_there_and_contexts_out_of_range_are_refused() -> None:
    prior = some_prior(1, 300)
    for data in (bytes([8]), bytes([2, 0]), bytes([0])):
        with pytest.raises(CorruptFileError):
            decode(data, prior)
    largest = Prior(prior.row, prior.mass, np.full_like(prior.presets, LIMIT))
    beyond = bytes([3]) + encode(np.ones(300, dtype=np.int8), prior)[1:]
    with pytest.raises(CorruptFileError):
        decode(beyond, largest)


def test_no_change_is_nearly_free_and_never_sent() -> None:
    prior = Prior.build(np.full(1700, 0.05))
    little = np.zeros(1700, dtype=np.int8)
    little[3] = 1
    assert len(encode(little, prior)) < 50
    for nothing in (b"", encode(np.zeros(1700, dtype=np.int8), prior)):
        with pytest.raises(CorruptFileError):
            decode(nothing, prior)


@pytest.mark.parametrize("context", [np.zeros(7, dtype=np.int8), np.zeros(8), np.full(8, -128, dtype=np.int8)])
def test_only_contexts_are_encoded(context: np.ndarray) -> None:
    with pytest.raises(ValueError, match="int8"):
        encode(context, some_prior(0, 8))


@given(st.binary(max_size=60), seeds)
def test_foreign_bytes_are_a_context_or_an_error(data: bytes, seed: int) -> None:
    prior = some_prior(seed, 20)
    try:
        context = decode(data, prior)
    except CorruptFileError:
        return
    assert len(encode(context, prior)) <= len(data)
    assert np.array_equal(decode(encode(context, prior), prior), context)


def test_priors_are_distributions_and_wider_for_larger_entries() -> None:
    prior = Prior.build(np.array([0.01, 0.3, 3.0, 1000.0]))
    prior.validate(4, 0)
    assert (np.diff(prior.row.astype(int)) > 0).all()
    zero, far = prior.bits()[:, LIMIT], prior.bits()[:, 0]
    assert (np.diff(zero) > 0).all()
    assert (np.diff(far) <= 0).all()
    assert np.allclose(prior.mass, prior.mass[:, ::-1])


@pytest.mark.parametrize("broken", ["row", "entries", "mass", "sum", "type", "preset", "presets"])
def test_broken_priors_are_refused_with_the_model(broken: str) -> None:
    model = tiny_model()
    row, mass, presets = (getattr(model.prior, name).copy() for name in ("row", "mass", "presets"))
    if broken == "row":
        row[3] = len(mass)
    elif broken == "entries":
        row = row[1:]
    elif broken == "mass":
        mass[0, LIMIT] += mass[0, 0]
        mass[0, 0] = 0
    elif broken == "sum":
        mass[1, 5] += 1
    elif broken == "preset":
        presets[2, 7] = -128
    elif broken == "presets":
        presets = presets[1:]
    else:
        mass = mass.astype(np.int64)
    with pytest.raises(ModelError, match="prior"):
        prove(IntegerModel(model.config, model.layers, Prior(row, mass, presets)))


# The network.


def test_the_model_without_a_context_is_the_model() -> None:
    model = tiny_model()
    same = model.adapted(np.zeros(context_entries(model.config), dtype=np.int8))
    for name, layer in model.layers.items():
        assert np.array_equal(same.layers[name].bias, layer.bias)


def test_networks_that_are_kept_are_what_new_ones_are() -> None:
    model, rng, planes = tiny_model(), np.random.default_rng(0), noise(3, 4, 31).reshape(1, 3, 4, 31)
    network = IntegerNetwork(model, NativeBackend(kernels_to_use()[0]))
    scale = SampleScale(1 << 12, 4)
    contexts = rng.integers(-LIMIT, LIMIT + 1, (40, context_entries(model.config))).astype(np.int8)
    for context in (*contexts, *contexts[[0, -1, -2]]):
        kept = network.at(scale).adapted(context)
        assert (kept.sample_scale, network.adapted(context).sample_scale) == (scale, network.sample_scale)
        new = IntegerNetwork(model.adapted(context), network.backend)
        for one, other in zip(all_outputs(kept, planes, 0), all_outputs(new, planes, 0), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weights", ["random", "extreme"])
def test_backends_agree_under_the_worst_contexts_and_no_sum_leaves_the_exact_range(weights: str) -> None:
    model = tiny_model(weights=weights)
    planes = noise(2 * 9, 11, 31).reshape(2, 9, 11, 31)
    for value in (-LIMIT, LIMIT):
        context = np.full(context_entries(model.config), value, dtype=np.int8)
        adapted = model.adapted(context)
        for layer in adapted.layers.values():
            reach = np.abs(layer.weight.astype(np.int64)).reshape(len(layer.shift), -1).sum(1) * 255
            assert (reach + np.abs(layer.bias.astype(np.int64)).max(0)).max() < 2 * EXACT_LIMIT
        outputs = [
            all_outputs(IntegerNetwork(adapted, backend), planes, 0)
            for backend in (ReferenceBackend(), NativeBackend(kernels_to_use()[0]))
        ]
        for one, other in zip(*outputs, strict=True):
            np.testing.assert_array_equal(one, other)
        changed = all_outputs(IntegerNetwork(model, ReferenceBackend()), planes, 0)
        assert not all(np.array_equal(a, b) for a, b in zip(outputs[0], changed, strict=True))


def test_the_proof_counts_contexts() -> None:
    model = tiny_model()
    name, layer = next(iter(model.layers.items()))
    bias = np.full_like(layer.bias, EXACT_LIMIT - 1 - 255 * 64 * layer.weight[0].size)
    shift = np.full_like(layer.shift, 14)
    with pytest.raises(ModelError, match="beyond the exact limit"):
        prove(IntegerModel(model.config, {**model.layers, name: type(layer)(layer.weight, bias, shift)}, model.prior))


def test_a_float_network_made_of_integers_exports_to_the_same_outputs() -> None:
    model = tiny_model()
    again = export(to_float(model))
    planes = noise(9, 11, 31)[None]
    outputs = [all_outputs(IntegerNetwork(m, ReferenceBackend()), planes, 1) for m in (model, again)]
    for one, other in zip(*outputs, strict=True):
        # Biases of weights that got a finer scale are rounded on it: half a unit at the most, here and there.
        assert np.abs(one.astype(int) - other).max() <= 2
        assert (one == other).mean() > 0.95


def test_a_context_means_the_same_to_the_float_and_to_the_integer_network() -> None:
    model = tiny_model()
    context = np.random.default_rng(5).integers(-9, 10, context_entries(model.config)).astype(np.int8)
    fitter = Fitter(model)
    fitter.apply(torch.from_numpy(context).float())
    adapted = to_float(model.adapted(context))
    for at in float_layers(model.config).values():
        conv = fitter.network.conv(at.conv)
        assert conv.offset is not None
        assert torch.allclose(conv.bias + conv.offset.detach(), adapted.conv(at.conv).bias, atol=0.02)


# Finding one.


@pytest.mark.slow
def test_fitting_is_repeatable_leaves_the_model_alone_and_lowers_the_code_length(runtime: Runtime) -> None:
    image = to_coding_order(photo(192, 192))
    fitter = Fitter(runtime.model)
    reported: list[float] = []
    found = fitter.fit(image, 12, Execution(threads=1, progress=reported.append))
    assert found.any()
    assert np.array_equal(found, fitter.fit(image, 12, Execution(threads=3)))
    assert reported == pytest.approx([(k + 1) / 12 for k in range(12)])
    assert all(p.grad is None for p in fitter.network.parameters())
    rgb = photo(192, 192)
    assert mulanzip.code_length(rgb, context=found, threads=1) < mulanzip.code_length(rgb, threads=1)


def plan(steps: int) -> SearchPlan:
    return SearchPlan(None, steps, ScheduleChoices(), GRIDS)


@pytest.mark.slow
def test_contexts_that_do_not_pay_are_not_sent(runtime: Runtime) -> None:
    schedules = TileSchedules.uniform("default")
    for image in (photo(63, 1040), photo(100, 100), np.full((256, 256, 3), 90, dtype=np.uint8)):
        groups = [(to_coding_order(image), PLAIN_STATISTICS)]
        assert find_adaptation(groups, runtime, schedules, plan(3)).context is None


def test_contexts_are_judged_on_all_groups(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that does not pay for the first group may pay for all together."""
    groups = [(to_coding_order(photo(256, 256)), PLAIN_STATISTICS)]
    found = np.ones(entries(runtime), dtype=np.int8)
    monkeypatch.setattr(Fitter, "fit", lambda *_, **__: found)
    monkeypatch.setattr(adapt, "suited_presets", lambda *_: [0])
    coded = 8.0 * len(encode(found, runtime.model.prior))
    monkeypatch.setattr(
        adapt, "_bits", lambda _, groups, used, schedules: coded / 2 * len(groups) if used is runtime else 0.0
    )
    schedules = TileSchedules.uniform("default")
    assert find_adaptation(groups, runtime, schedules, plan(12)).context is None
    assert find_adaptation(groups * 9, runtime, schedules, plan(12)).context is found


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_files_with_a_fitted_context_come_back_exactly(channels: int) -> None:
    image = photo(256, 256, channels)
    data = mulanzip.encode(image, effort=6, stored=False, threads=1)
    plain = mulanzip.encode(image, context="none", stored=False, threads=1)
    assert len(data) <= len(plain)
    assert np.array_equal(mulanzip.decode(data), image)
    found = mulanzip.context_of(data)
    if channels == 3:
        assert found is not None
        ledger = mulanzip.ledger(data, threads=1)
        term = {e.name: e for e in ledger.entries}["context"]
        assert term.file == pytest.approx(term.theory, rel=0.01, abs=40)
        assert ledger.total.file == 8 * len(data)
        assert mulanzip.encode(image, context=found, stored=False, threads=1) == data
    assert mulanzip.context_of(plain) is None


def entries(runtime: Runtime) -> int:
    return runtime.model.prior.entries


@pytest.mark.slow
@settings(max_examples=6)
@given(st.integers(0, 2**31))
def test_any_context_decodes_however_bad(runtime: Runtime, seed: int) -> None:
    rng = np.random.default_rng(seed)
    context = worst_values(rng, -LIMIT, LIMIT, (entries(runtime),)).astype(np.int8)
    image = smooth(21, 34, seed=seed % 7)
    data = mulanzip.encode(image, context=context, stored=False, threads=1)
    assert np.array_equal(mulanzip.decode(data), image)


def with_context(data: bytes, payload: bytes | None) -> bytes:
    """The file with another context, or none; its checksums are right."""
    file = container.unpack(data)
    chunks = [c for c in file.chunks if c.kind != CONTEXT]
    if payload is not None:
        chunks.insert(0, Chunk(CONTEXT, payload))
    return Container(file.header, tuple(chunks)).pack()


@pytest.mark.slow
def test_another_context_is_an_error_and_never_another_image(runtime: Runtime) -> None:
    rng = np.random.default_rng(1)
    context = rng.integers(-3, 4, entries(runtime)).astype(np.int8)
    image = photo(60, 50)
    data = mulanzip.encode(image, context=context, stored=False, threads=1)
    coded = container.unpack(data).of_kind(CONTEXT)[0]
    assert with_context(data, coded) == data
    other = context.copy()
    other[: len(other) // 2] = 0
    damaged = [None, b"", coded[:-1], coded + b"\1", rng.bytes(len(coded)), encode(other, runtime.model.prior)]
    damaged += [bytes([*coded[:i], coded[i] ^ 1 << int(rng.integers(8)), *coded[i + 1 :]]) for i in range(0, 90, 9)]
    for payload in damaged:
        with pytest.raises(CorruptFileError):
            mulanzip.decode(with_context(data, payload))


def test_contexts_stand_once_and_only_beside_coded_segments() -> None:
    data = mulanzip.encode(photo(20, 20), effort=1, stored=False, threads=1)
    file = container.unpack(data)
    twice = (Chunk(CONTEXT, b"a"), Chunk(CONTEXT, b"b"), *file.chunks)
    with pytest.raises(CorruptFileError, match="twice"):
        container.unpack(Container(file.header, twice).pack())
    stored = container.unpack(mulanzip.encode(np.zeros((9, 9, 4), dtype=np.uint8)))
    assert stored.header.coding is Coding.STORED
    with pytest.raises(CorruptFileError, match="context"):
        container.unpack(Container(stored.header, (Chunk(CONTEXT, b"a"), *stored.chunks)).pack())
    assert len(file.of_kind(SEGMENT)) == 1


# Presets.


@pytest.mark.slow
def test_the_preset_of_an_image_is_chosen_by_its_code_length() -> None:
    """A model with three presets, one of which suits an image."""
    model = tiny_model(presets=3)
    image = to_coding_order(photo(128, 160))
    entries = context_entries(model.config)
    suited = Fitter(model).fit(image, 40, ONE_THREAD)
    presets = np.stack([np.full(entries, 9), suited, np.full(entries, -9)]).astype(np.int8)
    model = replace(model, prior=replace(model.prior, presets=presets))
    runtime = Runtime(IntegerNetwork(model, ReferenceBackend()), 1)
    schedules = TileSchedules.uniform("default")
    assert suited_presets(image, runtime, schedules, GRIDS) == [2]
    chosen = find_adaptation([(image, PLAIN_STATISTICS)], runtime, schedules, plan(0)).context
    assert chosen is not None
    assert np.array_equal(chosen, suited)
    assert encode(chosen, model.prior) == bytes([4])
    useless = replace(model, prior=replace(model.prior, presets=np.zeros_like(presets)))
    assert suited_presets(image, Runtime(IntegerNetwork(useless, ReferenceBackend()), 1), schedules, GRIDS) == [0]


# Effort.


def test_more_effort_is_more_steps() -> None:
    plans = [SearchPlan.of(EncodeOptions(effort=effort)) for effort in EFFORTS]
    assert all((len(a.grids), a.steps) < (len(b.grids), b.steps) for a, b in pairwise(plans))
    steps = [fit_steps(effort, None) for effort in EFFORTS]
    assert [plan.steps for plan in plans] == steps
    assert fit_steps(EncodeOptions.effort, None) == 0
    assert all(fit_steps(effort, "none") is None for effort in EFFORTS)
    assert all(
        fit_steps(effort, "fit") == (own or min(filter(None, steps)))
        for effort, own in zip(EFFORTS, steps, strict=True)
    )


def test_small_images_are_fitted_in_fewer_steps() -> None:
    plan = SearchPlan(None, 100, ScheduleChoices())
    assert [plan.fit_steps(side, side) for side in (63, 255, 256, 384, 512, 5000)] == [0, 0, 25, 57, 100, 100]
    assert plan.fit_steps(63, 9000) == 0


def test_the_share_of_the_fit_grows_with_steps_and_falls_with_pixels() -> None:
    def share(steps: int | None, height: int, width: int) -> float:
        return SearchPlan(None, steps, ScheduleChoices()).fit_share(height, width)

    assert share(None, 1000, 1000) == share(0, 1000, 1000) == 0
    assert share(250, 63, 10_000) == share(250, 255, 256) == 0
    assert 0.5 < share(250, 400, 1000) < 1
    assert math.isclose(share(16, 512, 512), 0.5)


@pytest.mark.parametrize(("effort", "context"), [(0, None), (10, "fit"), (5, "some")])
def test_unknown_efforts_and_contexts_are_refused(effort: int, context: str) -> None:
    with pytest.raises(ValueError, match=r"effort|context"):
        mulanzip.encode(np.zeros((4, 4), dtype=np.uint8), effort=effort, context=context)


def test_the_fit_sees_every_layer() -> None:
    model = tiny_model()
    fitter = Fitter(model)
    fitter.apply(torch.ones(context_entries(model.config)))
    convolutions = [m for m in fitter.network.modules() if isinstance(m, Conv)]
    assert all(conv.offset is not None and (conv.offset > 0).all() for conv in convolutions)
