"""The machine and the libraries that measurements depend on."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from pathlib import Path
from typing import Any

import imagecodecs

import mulanzip
from mulanzip.limits import available_cores


def machine() -> dict[str, Any]:
    """Processor, system, and versions of Python and of the libraries, for JSON files."""
    versions: dict[str, str | None] = {"mulanzip": mulanzip.__version__}
    versions |= {package: _version(package) for package in ("torch", "pillow", "imagecodecs")}
    versions["libjxl"] = imagecodecs.jpegxl_version().removeprefix("libjxl ")
    return {
        "cpu": _processor(),
        "cores": available_cores(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    if sys.platform == "linux":
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
