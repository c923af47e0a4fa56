"""The native library is a part of the package; all else stands in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # Tools that run this file as a string leave it out.

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

import native_build

SOURCES = sorted(Path("mulanzip/native").glob("*.c"))


class BuildLibrary(build_ext):
    """Builds a shared library that does not know Python."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")[:-1], native_build.LIBRARY))

    def build_extension(self, ext: Extension) -> None:
        library = Path(self.get_ext_fullpath(ext.name))
        try:
            native_build.build(SOURCES, library, Path(self.build_temp), native_build.compiler())
        except native_build.NoCompilerError as error:
            raise SystemExit(str(error)) from None
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"mulanzip cannot be built: {error.cmd[0]} failed, see above.") from None
        # Python that runs inside this checkout finds these sources first.
        self.copy_file(str(library), str(SOURCES[0].parent))


class PlatformWheel(bdist_wheel):
    """One wheel serves every version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


library = Extension(
    "mulanzip.native.libmulanzip",
    [str(s) for s in SOURCES],
    depends=[str(h) for h in Path("mulanzip/native").glob("*.h")],
)
setup(ext_modules=[library], cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel})
