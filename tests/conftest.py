"""Settings of the whole test run, and the models that many tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pathlib import Path

    from mulanzip.density.model import IntegerModel
    from mulanzip.density.runtime import Runtime


# Workers of pytest-xdist share the cores, and threads that spin while they wait would take all their time.
# This must come before the import of torch; processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# No deadline: other work can share the machine.  The same examples in each run, and others with
# ``--hypothesis-profile random``.
settings.register_profile("random", deadline=None, print_blob=True, max_examples=50)
settings.register_profile("mulanzip", settings.get_profile("random"), derandomize=True)
settings.load_profile("mulanzip")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="torch sees no CUDA device here"))


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """The shipped model on the CPU, with one thread."""
    from mulanzip import registry
    from mulanzip.density.runtime import open_runtime

    return open_runtime(registry.find("photo").path, "cpu", 1)


@pytest.fixture(scope="session")
def shipped_model() -> IntegerModel:
    from mulanzip import registry
    from mulanzip.density.model import load

    return load(registry.find("photo").path)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources."""
    from support import wheels

    sources = tmp_path_factory.mktemp("build") / "sources"
    sources.mkdir()
    wheels.copy_sources(sources)
    # What must not get in.
    for name in ("tests", "benchmarks", "docs"):
        (sources / name).mkdir()
        (sources / name / "__init__.py").write_text("")
    return wheels.build(sources)


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own."""
    from support import wheels

    folder = tmp_path_factory.mktemp("installed")
    wheels.install(wheel, folder)
    return folder
