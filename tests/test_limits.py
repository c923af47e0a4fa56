"""What the machine has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mulanzip import limits


def test_available_memory_is_what_the_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: pytest.fail("asked although the file says it"))
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal:     4030 kB\nMemFree:      12 kB\nMemAvailable:    2048 kB\n")
    assert limits.available_memory() == 2 << 20


def test_other_systems_are_asked_by_psutil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "no such file")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 30))
    assert limits.available_memory() == 1 << 30


def test_pages_of_files_count_as_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control group near its limit, most of which the kernel takes back when it needs it."""
    monkeypatch.setattr(limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(limits, "_free_memory", lambda: 1 << 40)
    monkeypatch.setattr(limits, "_cgroup_number", lambda name, field=0, key=None: group.get(key or name))
    group = {"memory.max": 1000, "memory.current": 990, "active_file": 500, "inactive_file": 200, "anon": 280}
    assert limits.available_memory() == 710
    del group["memory.max"]
    assert limits.available_memory() == 1 << 40
