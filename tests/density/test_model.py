"""The integer model: the proof rejects models that could be inexact, and loading rejects damaged files."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from support.models import put_on_grid, tiny_model
from support.pictures import smooth
from support.processes import run_python
from torch import Tensor

import mulanzip
from mulanzip import registry
from mulanzip.density.config import COLOURS, HEADS, INPUT_PLANES, PASSES, UNIT, WEIGHT_MAX, Config
from mulanzip.density.context import LIMIT, Prior
from mulanzip.density.inputs import offset_planes
from mulanzip.density.model import (
    EXACT_LIMIT,
    FORMAT,
    IntegerModel,
    Layer,
    context_entries,
    layer_shapes,
    load,
    prove,
    save,
)
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.parameters import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO
from mulanzip.density.runtime import GOLDEN_KEY, open_runtime
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.errors import ModelError
from mulanzip.floatnet.export import export
from mulanzip.floatnet.network import Denoiser


@pytest.fixture(scope="module")
def tiny() -> IntegerModel:
    return tiny_model()


@pytest.fixture
def file(tiny: IntegerModel, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save(tiny, path)
    return path


#: The first layer.
STEM = "pass.0.stem"


def with_layer(model: IntegerModel, name: str, **arrays: np.ndarray) -> IntegerModel:
    return replace(model, layers={**model.layers, name: replace(model.layers[name], **arrays)})


def with_stem(model: IntegerModel, **arrays: np.ndarray) -> IntegerModel:
    return with_layer(model, STEM, **arrays)


def changed(array: np.ndarray, value: int) -> np.ndarray:
    """A copy with another first element."""
    result = array.copy()
    result.flat[0] = value
    return result


# The proof.


def test_models_that_are_exact_are_accepted(tiny: IntegerModel, shipped_model: IntegerModel) -> None:
    prove(tiny)
    prove(shipped_model)


@pytest.mark.parametrize("weight", [WEIGHT_MAX + 1, -WEIGHT_MAX - 1, 127, -128])
def test_weights_beyond_64_are_refused(tiny: IntegerModel, weight: int) -> None:
    with pytest.raises(ModelError, match=r"layer pass\.0\.stem: weights"):
        prove(with_stem(tiny, weight=changed(tiny.layers[STEM].weight, weight)))


@pytest.mark.parametrize("bias", [EXACT_LIMIT, -EXACT_LIMIT, 2**31 - 1, -(2**31)])
def test_biases_that_leave_the_exact_range_are_refused(tiny: IntegerModel, bias: int) -> None:
    with pytest.raises(ModelError, match="beyond the exact limit"):
        prove(with_stem(tiny, bias=changed(tiny.layers[STEM].bias, bias)))


@pytest.mark.parametrize("shift", [-17, 17, 127, -127, -128, -64])
def test_shifts_out_of_range_are_refused(tiny: IntegerModel, shift: int) -> None:
    with pytest.raises(ModelError, match=r"shifts|beyond the exact limit"):
        prove(with_stem(tiny, shift=changed(tiny.layers[STEM].shift, shift)))


def test_a_shift_that_scales_a_sum_out_of_the_exact_range_is_refused(tiny: IntegerModel) -> None:
    heavy = with_stem(tiny, weight=np.full_like(tiny.layers[STEM].weight, 64))
    prove(heavy)
    with pytest.raises(ModelError, match="beyond the exact limit"):
        prove(with_stem(heavy, shift=np.full_like(tiny.layers[STEM].shift, -2)))


def heaviest(channels: int) -> IntegerModel:
    """All weights of the body at their largest."""
    model = tiny_model(channels=1, presets=0)
    config = replace(model.config, channels=channels)

    def layer(shape: tuple[int, ...], weight: int) -> Layer:
        return Layer(
            np.full(shape, weight, dtype=np.int8),
            np.zeros((config.level_classes, shape[0]), dtype=np.int32),
            np.zeros(shape[0], dtype=np.int8),
        )

    shapes = layer_shapes(config)
    layers = {name: layer(shape, WEIGHT_MAX if "body" in name else 0) for name, shape in shapes.items()}
    return replace(model, config=config, layers=layers, prior=Prior.build(np.ones(context_entries(config))))


def test_more_inputs_than_float32_can_add_exactly_are_refused() -> None:
    most = (EXACT_LIMIT - 1 - 255 - LIMIT) // (9 * WEIGHT_MAX * 255)
    prove(heaviest(most))
    with pytest.raises(ModelError, match=r"layer pass\.0\.body\.0: sums can reach"):
        prove(heaviest(most + 1))


WRONG: dict[str, Callable[[IntegerModel], IntegerModel]] = {
    "wide weights": lambda m: with_stem(m, weight=m.layers[STEM].weight.astype(np.int16)),
    "unsigned weights": lambda m: with_stem(m, weight=abs(m.layers[STEM].weight).astype(np.uint8)),
    "float weights": lambda m: with_stem(m, weight=m.layers[STEM].weight.astype(np.float32)),
    "weights of another shape": lambda m: with_stem(m, weight=m.layers[STEM].weight[:, :-1]),
    "wide biases": lambda m: with_stem(m, bias=m.layers[STEM].bias.astype(np.int64)),
    "float biases": lambda m: with_stem(m, bias=m.layers[STEM].bias.astype(np.float32)),
    "biases of too few levels": lambda m: with_stem(m, bias=m.layers[STEM].bias[:-1]),
    "wide shifts": lambda m: with_stem(m, shift=m.layers[STEM].shift.astype(np.int32)),
    "a shift for all": lambda m: with_stem(m, shift=m.layers[STEM].shift[:1]),
    "no channels": lambda m: replace(m, config=replace(m.config, channels=0)),
    "other channels": lambda m: replace(m, config=replace(m.config, channels=16)),
    "too many mixtures": lambda m: replace(m, config=replace(m.config, mixtures=8)),
    "no levels": lambda m: replace(m, config=replace(m.config, level_classes=0)),
    "missing layers": lambda m: replace(m, layers=dict(list(m.layers.items())[:-1])),
    "layers too many": lambda m: replace(m, config=replace(m.config, blocks=0)),
}


@pytest.mark.parametrize("why", WRONG)
def test_wrong_types_shapes_and_configurations_are_refused(tiny: IntegerModel, why: str) -> None:
    with pytest.raises(ModelError):
        prove(WRONG[why](tiny))


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_no_input_makes_a_sum_larger_than_the_proof_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = heaviest(4)
    weight = rng.integers(-64, 65, (4, 4, 3, 3), dtype=np.int8)
    largest = int(max(np.maximum(weight, 0).sum((1, 2, 3)).max(), np.maximum(-weight, 0).sum((1, 2, 3)).max())) * 255
    # The bias that just fits, and one more.
    room = EXACT_LIMIT - 1 - 255 - LIMIT - largest
    for bias, fits in ((room, True), (room + 1, False)):
        name = "pass.1.body.0"
        candidate = with_layer(model, name, weight=weight, bias=np.full_like(model.layers[name].bias, bias))
        if fits:
            prove(candidate)
        else:
            with pytest.raises(ModelError, match="beyond the exact limit"):
                prove(candidate)
    positive = (np.maximum(weight.astype(int), 0).sum((1, 2, 3)) * 255).max()
    assert positive + room + LIMIT + 255 < EXACT_LIMIT


# Export.


def planar(x: Tensor) -> Tensor:
    """``(B, h, w, C)`` -> ``(B, C, h, w)``."""
    return x.movedim(-1, 1)


def interleaved(x: Tensor) -> Tensor:
    """The inverse of :func:`planar`."""
    return x.movedim(1, -1)


def test_exported_integers_are_the_rounded_float_network() -> None:
    torch.manual_seed(3)
    network = Denoiser(Config(channels=8, blocks=2, mixtures=2, level_classes=2))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight"):
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[1] ** -0.5)
    put_on_grid(network)
    network.quantise()
    integers = IntegerNetwork(export(network), ReferenceBackend())
    shown = torch.from_numpy(smooth(24, 22, INPUT_PLANES) // 2)[None]
    planes, layers = planar(shown), integers.model.layers
    k = network.config.mixtures
    with torch.no_grad():
        for level in range(2):
            pass0_features = None
            for index in range(len(PASSES)):
                start = None if pass0_features is None else pass0_features / UNIT
                features = network.features(planes, index, level, start)
                start = None if pass0_features is None else interleaved(pass0_features).to(torch.uint8)
                exact = planar(integers.features(shown, index, level, start))
                # Float biases are not rounded, so a few values differ by one step.
                steps = (features * UNIT - exact).abs()
                assert steps.max() <= 2
                assert (steps < 0.01).float().mean() > 0.97
                pass0_features = exact.float() if index == 0 else pass0_features
                for head in (head for head, (at, _) in HEADS.items() if at == index):
                    for colour in range(COLOURS):
                        offsets = torch.randint(-3000, 3000, (1, colour, 24, 22), dtype=torch.int32)
                        rows = interleaved(exact).reshape(24 * 22, -1)
                        told = interleaved(offset_planes(offsets)).reshape(24 * 22, -1).numpy() if colour else None
                        outputs = integers.parameters(rows, told, head, colour, level)
                        shapes, means = (torch.from_numpy(part).view(1, -1, 24, 22) for part in outputs)
                        unit = torch.tensor(
                            [LOGIT_UNIT] * k + [LOG_SCALE_UNIT] * k + [MEAN_UNIT] * k + [COUPLING_UNIT] * colour
                        ).view(-1, 1, 1)
                        # The float head gets the integer hidden layer, so its inputs are equal.
                        hidden = []
                        if colour:
                            name = f"head.{head}.{colour}.hidden"
                            joined = torch.cat((exact, offset_planes(offsets)), 1)
                            backend = integers.backend
                            activated = backend.activation(backend.prepare(layers[name]), interleaved(joined), level)
                            hidden = [planar(activated).float()]
                            float_hidden = network.conv(f"heads.{head}.hidden.{colour - 1}")
                            wanted_hidden = (float_hidden(joined.float() / UNIT, level) * UNIT).clamp(0, 255)
                            assert (wanted_hidden - hidden[0]).abs().max() < 0.6
                        out = network.conv(f"heads.{head}.out.{colour}")
                        wanted = out(torch.cat((exact.float(), *hidden), 1) / UNIT, level) * unit
                        in_shapes = (wanted[:, : 2 * k] + SHAPE_ZERO).clamp(0, 255)
                        assert (in_shapes - shapes).abs().max() < 0.6
                        assert (wanted[:, 2 * k :] - means).abs().max() < 1.1


def test_export_refuses_a_network_that_breaks_a_bound() -> None:
    network = Denoiser(Config(channels=8, blocks=1, mixtures=2, level_classes=2))
    network.conv("passes.0.stem").bias.data[0, 0] = 1e6
    with pytest.raises(ModelError, match=r"layer pass\.0\.stem"):
        export(network)


def test_export_keeps_metadata_and_counts_parameters() -> None:
    network = Denoiser(Config(channels=8, blocks=1, mixtures=2, level_classes=2))
    model = export(network, {"note": "a word"})
    assert model.metadata == {"note": "a word"}
    assert model.parameters() == sum(p.numel() for p in network.parameters()) - network.presets.numel()


# Identity.


def test_the_digest_changes_with_every_tensor(tiny: IntegerModel) -> None:
    digests = {tiny.digest()}
    for tensor in tiny.tensors().values():
        # In place, so that the digest reads the changed values.
        before = int(tensor.flat[-1])
        tensor.flat[-1] = before + 1 if before < 64 else before - 1
        digests.add(tiny.digest())
        tensor.flat[-1] = before
    assert len(digests) == 1 + len(tiny.tensors())
    assert tiny.digest() in digests


def test_the_digest_covers_types_and_configuration_but_not_metadata(tiny: IntegerModel) -> None:
    assert replace(tiny, metadata={"other": "words"}).digest() == tiny.digest()
    assert replace(tiny, config=replace(tiny.config, level_classes=9)).digest() != tiny.digest()
    assert with_stem(tiny, bias=tiny.layers[STEM].bias.astype(np.int64)).digest() != tiny.digest()


def test_the_digest_is_a_plain_sha256_over_sorted_tensors(tiny: IntegerModel) -> None:
    state = hashlib.sha256(FORMAT.encode())
    state.update(json.dumps(tiny.config.as_dict(), sort_keys=True).encode())
    for name, tensor in sorted(tiny.tensors().items()):
        state.update(f"{name} {tensor.dtype.name} {tensor.shape}".encode() + tensor.tobytes())
    assert tiny.digest() == state.digest()


# Files.


def test_loading_inverts_saving(tiny: IntegerModel, file: Path) -> None:
    model = load(file)
    assert model.digest() == tiny.digest()
    assert model.config == tiny.config
    assert model.metadata[GOLDEN_KEY] == tiny.metadata[GOLDEN_KEY]
    assert registry.describe(file).sha256 == tiny.digest()
    for name, tensor in tiny.tensors().items():
        np.testing.assert_array_equal(model.tensors()[name], tensor)


def test_saving_proves_first(tiny: IntegerModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        save(with_stem(tiny, weight=changed(tiny.layers[STEM].weight, 65)), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def refused(path: Path, data: bytes) -> None:
    """Loading and opening must fail with a ModelError, and with no other error."""
    path.write_bytes(data)
    with pytest.raises(ModelError):
        load(path)
    try:
        registry.describe(path)
    except ModelError as error:
        assert error.exit_code == 5  # noqa: PT017


def test_truncated_models_are_refused(file: Path) -> None:
    data = file.read_bytes()
    for length in [*range(0, 3000, 61), *range(3000, len(data), len(data) // 20), len(data) - 1]:
        refused(file, data[:length])
    refused(file, data + b"\0")


@pytest.mark.slow
def test_models_with_a_flipped_bit_are_refused(file: Path) -> None:
    data = file.read_bytes()
    header = 8 + struct.unpack("<Q", data[:8])[0]
    rng = np.random.default_rng(1)
    metadata = json.loads(data[8:header])["__metadata__"]
    free = json.dumps(metadata[GOLDEN_KEY]).encode()
    ignored = range(data.index(free) + 1, data.index(free) + len(free) - 1)
    positions = [*range(0, header, 7), *rng.integers(header, len(data), 150).tolist()]
    for position in positions:
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        if position in ignored or json_equal(bytes(damaged), data, header):
            continue
        refused(file, bytes(damaged))


def json_equal(one: bytes, other: bytes, header: int) -> bool:
    """Whether a flip changed nothing of importance: padding, or the metadata key of the golden digest."""
    try:
        parsed = [json.loads(d[8:header]) for d in (one, other)]
    except ValueError:
        return False
    for p in parsed:
        kept = {k: v for k, v in p.get("__metadata__", {}).items() if k in ("format", "config", "sha256")}
        p["__metadata__"] = kept
    return parsed[0] == parsed[1] and one[:8] == other[:8] and one[header:] == other[header:]


def rewritten(path: Path, change: Callable[[dict, dict], None]) -> None:
    """Change tensors and metadata of a model file, without its hash."""
    tensors = load_file(path)
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    metadata = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def _config(**values: object) -> Callable[[dict, dict], None]:
    def change(tensors: dict, metadata: dict) -> None:
        metadata["config"] = json.dumps({**json.loads(metadata["config"]), **values})

    return change


def _tensor(name: str, convert: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict, dict], None]:
    def change(tensors: dict, metadata: dict) -> None:
        tensors[name] = convert(tensors[name])

    return change


WELL_FORMED_BUT_WRONG: dict[str, Callable[[dict, dict], None]] = {
    "one weight": _tensor("pass.0.body.0.weight", lambda t: changed(t, int(t.flat[0]) ^ 1)),
    "one bias": _tensor("pass.0.stem.bias", lambda t: t + np.int32(1)),
    "one preset": _tensor("prior.presets", lambda t: t + np.int8(1)),
    "a missing tensor": lambda t, m: t.pop("pass.0.stem.shift"),
    "an unknown tensor": lambda t, m: t.update(extra=np.zeros(3)),
    "no format": lambda t, m: m.pop("format"),
    "another format": lambda t, m: m.update(format="mulanzip-integer-1"),
    "no configuration": lambda t, m: m.pop("config"),
    "no hash": lambda t, m: m.pop("sha256"),
    "another hash": lambda t, m: m.update(sha256="00" * 32),
    "a configuration that is no JSON": lambda t, m: m.update(config="{"),
    "a configuration that is a list": lambda t, m: m.update(config="[1, 2]"),
    "an unknown setting": _config(depth=3),
    "channels in words": _config(channels="8"),
    "mixtures in words": _config(mixtures="2"),
    "blocks in words": _config(blocks="1"),
    "a fraction of channels": _config(channels=8.0),
    "negative blocks": _config(blocks=-1),
    "endless blocks": _config(blocks=10**9),
    "no level classes": _config(level_classes=0),
    "level classes in words": _config(level_classes="2"),
}


@pytest.mark.parametrize("why", WELL_FORMED_BUT_WRONG)
def test_well_formed_files_with_wrong_content_are_refused(file: Path, why: str) -> None:
    rewritten(file, WELL_FORMED_BUT_WRONG[why])
    with pytest.raises(ModelError):
        load(file)
    with pytest.raises(ModelError):
        mulanzip.encode(np.zeros((4, 4), dtype=np.uint8), model=str(file))


@pytest.mark.parametrize(
    "metadata",
    [{"sha256": 5, "config": "{}"}, {"sha256": "00", "config": 7}, {"sha256": None, "config": "{}"}, [], "text", 3],
)
def test_describing_a_file_of_odd_json_is_a_model_error(tmp_path: Path, metadata: object) -> None:
    header = json.dumps({"__metadata__": metadata}).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ModelError):
        registry.describe(path)


def test_a_missing_model_and_a_folder_are_model_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ModelError):
            load(path)
        with pytest.raises(ModelError):
            open_runtime(path)
    with pytest.raises(ModelError, match="there is no model 'absent'"):
        registry.find("absent")


@pytest.mark.slow
def test_a_damaged_model_ends_the_command_with_code_5(file: Path, tmp_path: Path) -> None:
    from PIL import Image

    data = bytearray(file.read_bytes())
    data[-1000] ^= 1
    file.write_bytes(data)
    image = tmp_path / "image.png"
    Image.fromarray(smooth(8, 8)).save(image)
    done = run_python("-m", "mulanzip", "compress", "-m", file, image)
    assert done.returncode == 5
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "image.png.mzp").exists()


def test_the_shipped_model_is_its_metadata() -> None:
    info = registry.find("photo")
    model = load(info.path)
    assert info.sha256 == model.digest()
    assert info.config == model.config.as_dict()
    assert registry.by_id(info.model_id) == info


def test_a_model_that_is_not_here_is_named(file: Path) -> None:
    other = registry.describe(file).model_id
    with pytest.raises(ModelError, match=other.hex()):
        registry.by_id(other)
    assert registry.by_id(other, str(file)).path == file


def test_a_model_of_ones_own_codes_images(file: Path) -> None:
    image = smooth(19, 23)
    data = mulanzip.encode(image, model=str(file), stored=False, threads=1)
    with pytest.raises(ModelError, match="not here"):
        mulanzip.decode(data)
    np.testing.assert_array_equal(mulanzip.decode(data, model=str(file), threads=1), image)
