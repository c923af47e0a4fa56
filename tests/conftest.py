"""What several tests need: images, hostile predictions, small models, processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

if TYPE_CHECKING:
    import torch

    from mulanzip.exact.model import IntegerModel
    from mulanzip.exact.runtime import Runtime

TESTS = Path(__file__).parent
ROOT = TESTS.parent

# Workers of pytest-xdist share the cores: threads that wait for each other by spinning would take all their time.
# Set before torch is imported; processes of their own inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Other work shares the machine: no deadline.
settings.register_profile("mulanzip", deadline=None, print_blob=True, max_examples=50)
settings.load_profile("mulanzip")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` need a CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device here"))


@cache
def _budgie() -> np.ndarray:
    with Image.open(TESTS / "images" / "budgie.png") as image:
        pixels = np.asarray(image)
    return pixels


def photo(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A crop of a photograph, mirrored where it ends: uint8 ``(height, width, 3)``, or ``(height, width)``."""
    pixels = _budgie() if channels == 3 else _budgie()[..., 1:2]
    rows, columns = height - pixels.shape[0], width - pixels.shape[1]
    pixels = np.pad(pixels, ((0, max(0, rows)), (0, max(0, columns)), (0, 0)), "symmetric")[:height, :width]
    return np.ascontiguousarray(pixels if channels == 3 else pixels[..., 0])


def smooth(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A gradient with waves and a little noise, made of integers only: shapes as for :func:`photo`."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(0, 4, (height, width, channels))
    planes = [(3 + k) * x + (5 - k) * y + (x * y + 40 * seed) // (9 + k) for k in range(channels)]
    waves = np.abs(np.stack(planes, 2) % 400 - 200) + noise
    pixels = waves.astype(np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


def deep(height: int, width: int, channels: int = 1, bits: int = 12, seed: int = 0) -> np.ndarray:
    """A photograph of ``bits`` bits with noise in the lowest ones: uint16, shapes as for :func:`photo`."""
    pixels = photo(height, width, 3)[..., np.arange(channels) % 3].astype(np.uint16) << bits - 8
    pixels += np.random.default_rng(seed).integers(0, 1 << bits - 8, pixels.shape, dtype=np.uint16)
    return np.ascontiguousarray(pixels if channels > 1 else pixels[..., 0])


def jpeg_colours(planes: np.ndarray) -> np.ndarray:
    """RGB as decoders of JPEG files make it of brightness, and of blue and red taken as small differences from it.

    Args:
        planes: uint8 ``(height, width, 3)``.
    """
    luma, blue, red = (planes[..., i].astype(np.int64) for i in range(3))
    blue, red = (plane // 4 - 25 for plane in (blue, red))
    shifts = (91881 * red + 32768 >> 16, -22554 * blue - 46802 * red + 32768 >> 16, 116130 * blue + 32768 >> 16)
    return np.stack([(luma + shift).clip(0, 255) for shift in shifts], 2).astype(np.uint8)


def brightened(pixels: np.ndarray) -> np.ndarray:
    """With more contrast, rounded again: every fifth value is missing."""
    return np.minimum(pixels.astype(np.uint16) * 5 // 4, 255).astype(np.uint8)


def drawing(height: int, width: int, seed: int = 0) -> Image.Image:
    """An image with a palette: the model is not needed for it."""
    return Image.fromarray(smooth(height, width, 3, seed)).quantize(60)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Nothing to predict: shapes as for :func:`photo`."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


@st.composite
def images(draw: st.DrawFn, max_height: int = 65, max_width: int = 67) -> np.ndarray:
    """Gray and RGB images of any size and of very different content."""
    height, width = draw(st.integers(1, max_height)), draw(st.integers(1, max_width))
    channels, seed = draw(st.sampled_from((1, 3))), draw(st.integers(0, 99))
    kind = draw(st.sampled_from(("photo", "smooth", "noise", "constant", "extremes")))
    if kind == "photo":
        return photo(height, width, channels)
    if kind == "smooth":
        return smooth(height, width, channels, seed)
    pixels = noise(height, width, channels, seed)
    if kind == "constant":
        pixels[...] = draw(st.integers(0, 255))
    elif kind == "extremes":
        pixels = np.where(pixels < 128, 0, 255).astype(np.uint8)
    return pixels


def worst_values(rng: np.random.Generator, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
    """Integers ``low..high`` in which both ends are much too frequent."""
    values = rng.integers(low, high + 1, shape)
    ends = rng.integers(0, 4, shape)
    return np.where(ends == 0, low, np.where(ends == 1, high, values))


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """The shipped model on the CPU, one thread."""
    from mulanzip import registry
    from mulanzip.exact.runtime import open_runtime

    return open_runtime(registry.find("photo").path, "cpu", 1)


@pytest.fixture(scope="session")
def shipped_model() -> IntegerModel:
    from mulanzip import registry
    from mulanzip.exact.model import load

    return load(registry.find("photo").path)


def tiny_model(seed: int = 0, weights: str = "random", **config: int) -> IntegerModel:
    """A small integer model with a golden digest.

    Args:
        weights: ``random``, or ``extreme``: most of them -64, 0 or 64.
        config: as for :class:`mulanzip.architecture.Config`; 8 channels and 1 block by default.
    """
    import torch

    from mulanzip.architecture import Config
    from mulanzip.exact.backends import ReferenceBackend
    from mulanzip.exact.export import export
    from mulanzip.exact.network import IntegerNetwork
    from mulanzip.exact.runtime import GOLDEN_KEY
    from mulanzip.exact.selftest import golden_digest
    from mulanzip.network import Conv, Denoiser

    network = Denoiser(Config(**{"channels": 8, "blocks": 1, "mixtures": 2, "level_classes": 2, **config}))
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Conv):
            shape = module.weight.shape
            values = torch.randn(shape, generator=generator) * shape[1] ** -0.5
            if weights == "extreme":
                values = values.sign() * (values.abs() > values.abs().median() * 0.5) * 0.5
            module.weight.data = values
            module.bias.data += 0.3 * torch.randn(module.bias.shape, generator=generator)
    model = export(network)
    model.metadata[GOLDEN_KEY] = golden_digest(IntegerNetwork(model, ReferenceBackend()))
    return model


def put_on_grid(network: torch.nn.Module) -> None:
    """Round the weights of all convolutions to their nearest integers, in place."""
    from mulanzip.network import Conv, power_of_two_scale

    for module in network.modules():
        if isinstance(module, Conv):
            weight = module.weight.data
            scale = power_of_two_scale(weight)
            module.weight.data = (weight * scale).round() / scale


def run_python(
    *arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """A Python process of its own, with changes to the environment."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


def load_script(path: Path) -> Any:
    """A script as a module."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
