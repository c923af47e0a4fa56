"""The build backend: setuptools, and a C compiler for the library in ``mulanzip/native``.

The compiler is what ``CC`` names, or the system's, or the ``ziglang`` package, which pip installs for the build alone
where there is no other.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

FLAGS = ("-std=c11", "-O3", "-g0", "-fwrapv", "-fno-strict-aliasing", "-fvisibility=hidden", "-Wall", "-Wextra")
LIBRARY = "libmulanzip.dll" if sys.platform == "win32" else "libmulanzip.so"
MISSING = (
    "mulanzip cannot be built without a C compiler: install gcc or clang, name one in CC, or run 'pip install ziglang'."
)


class NoCompilerError(Exception):
    """There is no C compiler that works."""


def system_compiler() -> list[str] | None:
    """The command of a compiler that makes shared libraries here; None if there is none."""
    # The other compilers of Windows do not know gcc's attributes, or want libraries of their own at run time.
    usual = ["clang"] if sys.platform == "win32" else ["cc", "gcc", "clang"]
    named = os.environ.get("CC")
    for command in [shlex.split(named)] if named else [[name] for name in usual]:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "trial.c")
            source.write_text("#include <stdint.h>\nint64_t trial(int64_t x) { return x; }\n")
            try:
                build([source], Path(folder, LIBRARY), Path(folder), command, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
        return command
    return None


def compiler() -> list[str]:
    """The command of a compiler.

    Raises:
        NoCompilerError: if there is none.
    """
    found = system_compiler()
    if found is None and importlib.util.find_spec("ziglang") is not None:
        found = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]  # Its default is this very machine.
    if found is None:
        raise NoCompilerError(MISSING)
    return found


def build(sources: list[Path], library: Path, folder: Path, command: list[str], **options: bool) -> None:
    """Compile each source by itself, and link them.  Objects go to a folder; ``options`` are those of ``subprocess``.

    Raises:
        subprocess.CalledProcessError: if the compiler fails.
    """
    environment = dict(os.environ, ZIG_GLOBAL_CACHE_DIR=str(folder / "zig"), ZIG_LOCAL_CACHE_DIR=str(folder / "zig"))
    command = command + ([] if sys.platform == "win32" else ["-fPIC"])
    if sys.platform == "darwin":
        command += shlex.split(os.environ.get("ARCHFLAGS", ""))
    folder.mkdir(parents=True, exist_ok=True)
    library.parent.mkdir(parents=True, exist_ok=True)

    def run(*arguments: str) -> None:
        subprocess.run([*command, *arguments], check=True, env=environment, **options)  # type: ignore[call-overload]

    def compile_one(source: Path) -> str:
        found = str(folder / f"{source.stem}.o")
        run(*FLAGS, *flags_of(source), "-c", str(source), "-o", found)
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    run("-shared", *objects, "-o", str(library))


def flags_of(source: Path) -> list[str]:
    """Flags of one source, after those of all.  Instructions that not every machine has are attributes of functions."""
    # A loop for each condition would take gcc twice as long, and be no faster.  Clang does not know the flag.
    return ["-fno-unswitch-loops", "-Wno-ignored-optimization-argument"] if source.stem == "unit" else []


def _compiler_requirements() -> list[str]:
    return [] if system_compiler() else ["ziglang"]


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler_requirements()]


def get_requires_for_build_editable(config_settings: dict[str, str] | None = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler_requirements()]
