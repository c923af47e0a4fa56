"""The integer process of a Gaussian field as arrays, and back.  Free of torch."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from mulanzip.gaussian.exact.discretized import DistributionTables
from mulanzip.gaussian.exact.process import Process


def to_arrays(process: Process) -> dict[str, np.ndarray]:
    """All arrays of a process by name."""
    found: dict[str, np.ndarray] = {}
    for field in fields(process):
        part = getattr(process, field.name)
        if isinstance(part, DistributionTables):
            found |= {f"{field.name}.{f.name}": getattr(part, f.name) for f in fields(part)}
        else:
            found[field.name] = part
    return found


def from_arrays(arrays: dict[str, np.ndarray]) -> Process:
    """The inverse of :func:`to_arrays`; other arrays are ignored.

    Raises:
        ValueError: if the process is not valid.
    """
    tables = {
        name: DistributionTables(*(arrays[f"{name}.{f.name}"] for f in fields(DistributionTables)))
        for name in ("normal", "logistic")
    }
    names = [field.name for field in fields(Process) if field.name not in tables]
    process = Process(**{name: arrays[name] for name in names}, **tables)
    process.validate()
    return process
