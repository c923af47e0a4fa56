"""Builds what the page in ``web`` needs beside its sources: ``mulanzip.wasm``, and the models by their identity.

``make web`` runs it.  The compiler is the ``ziglang`` package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import native_build

ROOT = Path(__file__).parent
PAGE = ROOT / "web"
#: The page has no C library, and 128-bit vectors.
TARGET = ("-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory")
LINKING = ("--no-entry", "--export-dynamic", "--export=__heap_base", "--strip-all")


def build(output: Path) -> None:
    """Compile the native library for browsers.

    Raises:
        subprocess.CalledProcessError: if the compiler fails.
    """
    sources = sorted([*ROOT.glob("mulanzip/native/*.c"), *PAGE.glob("native/*.c")])
    includes = [f"-I{folder}" for folder in (PAGE / "native", ROOT / "mulanzip/native")]
    linking = [f"-Wl,{option}" for option in LINKING]
    compiler = [sys.executable, "-m", "ziglang", "cc", *TARGET]
    with tempfile.TemporaryDirectory() as folder:
        cache = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
        command = [*compiler, *native_build.FLAGS, *includes, *linking, "-o", str(output), *map(str, sources)]
        subprocess.run(command, check=True, env={**os.environ, **cache})


def copy_models(folder: Path) -> None:
    """Copy the shipped models that code images to where the page looks for them."""
    from mulanzip import registry

    folder.mkdir(parents=True, exist_ok=True)
    for model in registry.shipped():
        if model.kind == "erasure":
            shutil.copyfile(model.path, folder / f"{model.model_id.hex()}.safetensors")


if __name__ == "__main__":
    build(PAGE / "mulanzip.wasm")
    copy_models(PAGE / "models")
