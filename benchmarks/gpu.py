"""Everything that is to be seen on a GPU, in steps of a few minutes: ``python -m benchmarks.gpu COMMAND``.

A machine with a GPU may be borrowed for a short time, start bare, and take and give files of limited size only:

    python -m benchmarks.gpu pack PICTURES... -o packed     # training pictures in parts, to travel
    python -m benchmarks.gpu check                          # the tests of the GPU; files of both devices compared
    python -m benchmarks.gpu speed IMAGE...                 # encoding, fitting and decoding on both devices
    python -m benchmarks.gpu train RUN --minutes 6 -- PICTURES... --validation DIR --start FILE

``train`` goes on where the last step ended: its checkpoint is cut into parts, which are joined again at the next start.
With ``--device cpu``, ``speed`` and ``train`` can be rehearsed anywhere.  It takes nothing of PyTorch that version 2.11
does not have.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import torch

import mulanzip
from benchmarks.compare_devices import load
from mulanzip.encoder.effort import EFFORTS
from mulanzip.limits import available_cores
from mulanzip.training.loop import CHECKPOINT

ROOT = Path(__file__).parents[1]
#: Sizes of parts, in bytes.
_PACKED_PART, _CHECKPOINT_PART = 48 << 20, 15 << 20
#: Seconds that a run gets to save and export before it is stopped for good.
_GRACE = 150
_PART = ".part"

_device = click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True)


@click.group()
def main() -> None:
    """Checks, speeds and training on a GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    click.echo(f"mulanzip {mulanzip.__version__}, torch {torch.__version__}, {gpu}, {available_cores()} cores")


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR")
def pack(pictures: tuple[Path, ...], output: Path) -> None:
    """Put the files below PICTURES, as they are, into archives of at most 48 MiB; tar unpacks them."""
    output.mkdir(parents=True, exist_ok=True)
    files = [
        (file, Path(path.name, file.relative_to(path)))
        for path in pictures
        for file in sorted(path.rglob("*"))
        if file.is_file()
    ]
    for number, part in enumerate(_parts_of(files)):
        name = output / f"part-{number:02}.tar"
        with tarfile.open(name, "w") as archive:
            for file, inside in part:
                archive.add(file, inside)
        click.echo(f"{name}  {len(part)} files  {name.stat().st_size:,} bytes")


def _parts_of(files: list[tuple[Path, Path]]) -> Iterator[list[tuple[Path, Path]]]:
    """Files in parts whose archives are small enough."""
    part: list[tuple[Path, Path]] = []
    size = 0
    for file, inside in files:
        own = file.stat().st_size + 2048  # Header and padding.
        if part and size + own > _PACKED_PART - (1 << 16):
            yield part
            part, size = [], 0
        part.append((file, inside))
        size += own
    if part:
        yield part


@main.command()
def check() -> None:
    """Run the tests of the GPU, and compare files of both devices."""
    commands = (("pytest", "-q", "-m", "gpu"), ("benchmarks.compare_devices",))
    codes = [subprocess.run([sys.executable, "-m", *command], cwd=ROOT).returncode for command in commands]
    sys.exit(max(codes))


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@_device
@click.option("-m", "--model", default="photo", show_default=True)
@click.option("--fit", is_flag=True, help="Time the largest effort, too.")
def speed(images: tuple[Path, ...], device: str, model: str, fit: bool) -> None:
    """Megapixels a second on the processor and on DEVICE: one image after the other, and side by side."""
    pixels = [load(path) for path in images]
    size = sum(image.shape[0] * image.shape[1] for image in pixels) / 1e6

    def row(name: str, found: dict[str, float]) -> None:
        figures = "".join(f"{of:>10} {size / seconds:8.3f} MP/s" for of, seconds in found.items())
        click.echo(f"{name:<28}{figures}{found['cpu'] / found[device]:8.2f} times")

    files: list[bytes] = []
    efforts = (EFFORTS[0], EFFORTS[-1]) if fit else EFFORTS[:1]
    for effort in efforts:
        for jobs in (1, len(pixels)):
            seconds = {}
            for of in dict.fromkeys(("cpu", device)):
                with ThreadPoolExecutor(jobs) as pool:
                    mulanzip.encode(pixels[0][:64, :64], model=model, device=of)  # The model is opened and tested.
                    start = time.perf_counter()
                    files = list(
                        pool.map(
                            lambda image, of=of, effort=effort: mulanzip.encode(
                                image, model=model, effort=effort, device=of, stored=False
                            ),
                            pixels,
                        )
                    )
                    seconds[of] = time.perf_counter() - start
            row(f"encode -e {effort}, {jobs} at a time", seconds)
    for jobs in (1, len(pixels)):
        seconds = {}
        for of in dict.fromkeys(("cpu", device)):
            with ThreadPoolExecutor(jobs) as pool:
                start = time.perf_counter()
                restored = list(pool.map(lambda data, of=of: mulanzip.decode(data, device=of), files))
                seconds[of] = time.perf_counter() - start
            if not all(map(np.array_equal, restored, pixels)):
                raise click.ClickException(f"{of} restores other pixels")
        row(f"decode, {jobs} at a time", seconds)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, required=True)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), required=True, help="Of training, start included.")
@_device
def train(run: Path, arguments: tuple[str, ...], minutes: float, device: str) -> None:
    """Train in the folder RUN for some minutes: 'mulanzip train' with ARGUMENTS, without -o and --device."""
    run.mkdir(parents=True, exist_ok=True)
    join(run)
    command = [sys.executable, "-m", "mulanzip", "train", "--quiet", "-o", run, "--device", device, *arguments]
    process = subprocess.Popen([str(word) for word in command])
    try:
        process.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # It saves its state and writes the model so far.
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
    if not (run / CHECKPOINT).exists():
        raise click.ClickException("there is no checkpoint: training did not begin")
    cut(run)
    for file in sorted(run.iterdir()):
        click.echo(f"{file.stat().st_size:>12,}  {file}")


def cut(run: Path) -> None:
    """Replace the checkpoint of a run by its parts."""
    data = (run / CHECKPOINT).read_bytes()
    for old in run.glob(f"{CHECKPOINT}{_PART}*"):
        old.unlink()
    for number, start in enumerate(range(0, len(data), _CHECKPOINT_PART)):
        (run / f"{CHECKPOINT}{_PART}{number:02}").write_bytes(data[start : start + _CHECKPOINT_PART])
    (run / CHECKPOINT).unlink()


def join(run: Path) -> None:
    """Make the checkpoint of a run again, where there are parts of it."""
    parts = sorted(run.glob(f"{CHECKPOINT}{_PART}*"))
    if parts:
        (run / CHECKPOINT).write_bytes(b"".join(part.read_bytes() for part in parts))


if __name__ == "__main__":
    main()
