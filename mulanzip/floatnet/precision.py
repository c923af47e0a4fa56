"""Whether reduced precision is faster on this processor."""

from __future__ import annotations

from pathlib import Path

import torch


def has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively, so that autocast saves time."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and "bf16" in _cpu_flags()


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
