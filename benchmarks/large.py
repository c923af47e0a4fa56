"""Time and memory of a large image.

    python -m benchmarks.large [--megapixels 100] [--threads N]

It writes a synthetic RGB image (waves and noise, as PPM), compresses it at effort 1 with verification, restores it, and
compares the files.  Each command runs in a process of its own.  It prints seconds and peak resident memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Rows that are generated at a time.
_ROWS = 100


def make(path: Path, side: int) -> None:
    """Write a square image, uint8 RGB: smooth waves, and noise like that of a camera in low light."""
    random = np.random.default_rng(0)
    columns = np.arange(side)[None, :, None]
    with open(path, "wb") as file:
        file.write(b"P6\n%d %d\n255\n" % (side, side))
        for top in range(0, side, _ROWS):
            rows = np.arange(top, min(side, top + _ROWS))[:, None, None]
            phases = (columns * np.array([3, 4, 5]) + rows * np.array([7, 5, 6])) / 900
            levels = (
                128 + 90 * np.sin(phases) * np.cos(rows * columns / (40 * side)) + random.normal(0, 3, phases.shape)
            )
            file.write(np.clip(np.rint(levels), 0, 255).astype(np.uint8).tobytes())


def measured(*arguments: str | Path) -> tuple[float, float]:
    """Run mulanzip; seconds of wall time, and peak resident memory in GiB."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "mulanzip", *map(str, arguments)])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "mulanzip")
    return time.monotonic() - start, used.ru_maxrss / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large")
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    threads = ("--threads", str(given.threads))
    with tempfile.TemporaryDirectory() as folder:
        source, packed, restored = (Path(folder, name) for name in ("large.ppm", "large.mzp", "restored.ppm"))
        make(source, round((given.megapixels * 1e6) ** 0.5))
        print(f"{given.megapixels:g} megapixels, {given.threads} threads, {source.stat().st_size:,} bytes as PPM")
        for name, arguments in (
            ("compress, verified", ("compress", "--effort", "1", source, "-o", packed)),
            ("decompress", ("decompress", packed, "-o", restored)),
        ):
            seconds, memory = measured(*arguments, *threads)
            print(f"{name:20} {seconds:7.0f} s, at most {memory:.2f} GiB resident", flush=True)
        same = subprocess.run(["cmp", source, restored], check=False).returncode == 0
        print(f"{packed.stat().st_size:,} bytes; {'the same file came back' if same else 'A DIFFERENT FILE CAME BACK'}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
