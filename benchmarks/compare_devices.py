"""Check that all devices produce the same bytes: ``python -m benchmarks.compare_devices [IMAGE...]``.

Every image is coded on each device, and each file is decoded on every device.  Without IMAGE, generated images of many
sizes are used.  The exit code is 1 if anything differs.
"""

from __future__ import annotations

import hashlib
import platform
import time
import warnings
from pathlib import Path

import click
import numpy as np

import mulanzip
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.timings import Timings, measure

#: Sizes of generated images: single pixels, odd sides, one tile, several tiles.
SIZES = ((1, 1), (1, 77), (64, 1), (17, 33), (96, 80), (255, 257), (512, 512), (530, 520), (700, 1100))


def generated(height: int, width: int, channels: int) -> np.ndarray:
    """Waves with a little noise, computed in integers: uint8 ``(height, width, channels)``."""
    y, x = np.mgrid[:height, :width]
    planes = np.stack([(3 + k) * x + (5 - k) * y + x * y // (90 + k) for k in range(channels)], 2)
    data = hashlib.shake_256(f"{height}x{width}".encode()).digest(planes.size)
    noise = np.frombuffer(data, dtype=np.uint8).reshape(planes.shape)
    return (np.abs(planes % 400 - 200) + noise % 8).astype(np.uint8)


def load(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def images(paths: tuple[Path, ...], quick: bool) -> dict[str, np.ndarray]:
    if paths:
        return {path.name: load(path) for path in paths}
    sizes = SIZES[:5] if quick else SIZES
    found = {f"colour {w}x{h}": generated(h, w, 3) for h, w in sizes}
    return found | {f"gray {w}x{h}": generated(h, w, 1)[..., 0] for h, w in sizes[-2:]}


def timed_encode(image: np.ndarray, device: str, schedule: str) -> tuple[bytes, float, Timings]:
    start = time.perf_counter()
    with measure() as parts:
        data = mulanzip.encode(image, device=device, schedule=schedule, stored=False)
    return data, time.perf_counter() - start, parts


def problems(image: np.ndarray, files: dict[str, bytes]) -> list[str]:
    """Differences between the devices, as messages."""
    first, *others = files
    found = [f"{first} and {other} make different bytes" for other in others if files[other] != files[first]]
    for maker, data in files.items():
        for device in files:
            try:
                same = np.array_equal(mulanzip.decode(data, device=device), image)
            except mulanzip.MulanzipError as error:
                found.append(f"{device} does not decode what {maker} made: {error}")
            else:
                if not same:
                    found.append(f"{device} decodes what {maker} made to other pixels")
    return found


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[IMAGE]...")
@click.option(
    "--device", "devices", multiple=True, default=("cpu", "cuda"), show_default=True, help="Repeat for each device."
)
@click.option("--quick", is_flag=True, help="Small images and two schedules only.")
def compare(paths: tuple[Path, ...], devices: tuple[str, ...], quick: bool) -> None:
    """Check that all devices produce the same bytes and decode each other's files."""
    import torch

    warnings.simplefilter("error")  # A backend that fails its self-test is a failure here.
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    click.echo(f"mulanzip {mulanzip.__version__}, torch {torch.__version__}, {platform.machine()}, {gpu}")
    failures = 0
    for device in devices:  # Times exclude loading and the self-test.
        timed_encode(generated(8, 8, 3), device, "default")
    for name, image in images(paths, quick).items():
        for schedule in SCHEDULE_NAMES[:2] if quick else SCHEDULE_NAMES:
            results = {device: timed_encode(image, device, schedule) for device in devices}
            found = problems(image, {device: data for device, (data, _, _) in results.items()})
            failures += bool(found)
            size = len(results[devices[0]][0])
            times = ", ".join(f"{d} {s:.3f} s (network {p.network:.3f})" for d, (_, s, p) in results.items())
            click.echo(f"{'DIFFERENT' if found else 'same'}  {name:<20} {schedule:<8} {size:>9,} bytes  {times}")
            for problem in found:
                click.echo(f"           {problem}")
    click.echo(f"{failures} differences" if failures else "all devices agree")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    compare()
