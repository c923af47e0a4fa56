"""Measurements as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mulanzip.bench.machine import machine
from mulanzip.bench.outcome import Measurement


def to_json(rows: Sequence[Measurement], threads: int, device: str) -> str:
    """All measurements, and the machine that they were made on."""
    content = {
        "rows": [row.as_json() for row in rows],
        "machine": {**machine(), "threads": threads, "device": device},
    }
    return json.dumps(content, indent=1) + "\n"
