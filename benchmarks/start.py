"""What a command takes beside its work: ``python -m benchmarks.start IMAGE``.

It cuts small pictures out of a photograph, and runs ``mulanzip`` on them in processes of their own, start included.  Of
several runs the shortest counts; ``python -c "import numpy"`` takes turns with them, as a measure of the machine.  Then
the commands run again beside two processes that never rest, and the memory of restoring the whole photograph is taken.

``--installed`` builds a wheel, installs it without extras into a new folder, and adds up its files: this needs pip
and an index of packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from PIL import Image

from mulanzip.imageio.reader import read_picture
from mulanzip.limits import available_cores

ROOT = Path(__file__).parents[1]
#: Sides in pixels of the pictures, and the number of those that one command takes.
_SIDE, _SMALL_SIDE, _SMALL = 96, 128, 20
_BUSY = 2
_NUMPY = (sys.executable, "-c", "import numpy")


def command(*arguments: str | Path) -> tuple[str, ...]:
    """A command line of mulanzip that says nothing, and replaces what is there."""
    name, *rest = map(str, arguments)
    return (sys.executable, "-m", "mulanzip", name, "-q", "-f", *rest)


def run(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Run a command; seconds of wall time and of processors, and its peak resident memory in MiB.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(arguments))
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def shortest(commands: dict[str, tuple[str, ...]], repeats: int) -> dict[str, tuple[float, float]]:
    """Seconds of wall time and of processors of each command, run in turns."""
    found = {name: (float("inf"), float("inf")) for name in commands}
    for _ in range(repeats):
        for name, arguments in commands.items():
            wall, cpu, _ = run(arguments)
            found[name] = min(found[name][0], wall), min(found[name][1], cpu)
    return found


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Other processes that never rest, inside the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def cut(pixels: np.ndarray, folder: Path) -> tuple[Path, Path]:
    """A small picture from the middle of a photograph, and a folder of others; PNG files."""
    height, width = pixels.shape[:2]
    one, many = folder / "one.png", folder / "many"
    top, left = (height - _SIDE) // 2, (width - _SIDE) // 2
    Image.fromarray(pixels[top : top + _SIDE, left : left + _SIDE]).save(one)
    many.mkdir()
    for i in range(_SMALL):
        top, left = (side * i // _SMALL for side in (height - _SMALL_SIDE, width - _SMALL_SIDE))
        Image.fromarray(pixels[top : top + _SMALL_SIDE, left : left + _SMALL_SIDE]).save(many / f"{i}.png")
    return one, many


def installed_sizes(folder: Path) -> dict[str, int]:
    """Bytes of the packages that installing mulanzip without extras brings, by folder; pip is not among them."""
    pip = (sys.executable, "-m", "pip", "--quiet")
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", "-c", ROOT / "constraints.txt", "--target", target, wheel], check=True)
    sizes: dict[str, int] = {}
    for path in target.rglob("*"):
        if path.is_file():
            name = path.relative_to(target).parts[0]
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return sizes


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default="photo", show_default=True, help="Model of colour images.")
@click.option("--repeats", default=7, show_default=True, help="Runs, of which the shortest counts.")
@click.option("--installed", is_flag=True, help="Measure the size of an installation, too.")
def main(image: Path, model: str, repeats: int, installed: bool) -> None:
    """Print times of small pictures, and memory, at effort 1."""
    pixels = read_picture(image)[0].pixels
    coding = ("-e", "1", "-m", model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, many = cut(pixels, folder)
        packed, all_packed, restored = folder / "one.mzp", folder / "packed", folder / "restored"
        commands = {
            "python -c 'import numpy'": _NUMPY,
            f"compress {_SIDE}x{_SIDE}": command("compress", *coding, one, "-o", packed),
            f"decompress {_SIDE}x{_SIDE}": command("decompress", packed, "-o", folder / "one.restored.png"),
            f"compress {_SMALL} of {_SMALL_SIDE}x{_SMALL_SIDE}": command(
                "compress", *coding, "-r", many, "--output-dir", all_packed
            ),
            f"decompress {_SMALL} of {_SMALL_SIDE}x{_SMALL_SIDE}": command(
                "decompress", "-r", all_packed, "--output-dir", restored
            ),
        }
        idle = shortest(commands, repeats)
        with busy(_BUSY):
            beside = shortest(commands, repeats)
        print(f"{model}, effort 1, {available_cores()} cores; seconds, and multiples")
        print(f"{'':28}{'wall':>7}{'cpu':>7}{'/ numpy':>9}{f'beside {_BUSY} busy processes':>27}")
        numpy = next(iter(idle.values()))[0]
        for what, (wall, cpu) in idle.items():
            slower = beside[what][0]
            print(f"{what:28}{wall:7.2f}{cpu:7.2f}{wall / numpy:9.1f}{slower:18.2f}{slower / wall:8.1f}x")
        whole = folder / "whole.mzp"
        run(command("compress", *coding, image, "-o", whole))
        memory = run(command("decompress", whole, "-o", folder / "whole.png"))[2]
        print(f"decompress {image.name}, {pixels.shape[1]}x{pixels.shape[0]}: at most {memory:.0f} MiB resident")
        if installed:
            sizes = installed_sizes(folder)
            print(f"installed without extras: {sum(sizes.values()) / 1e6:.0f} MB")
            for part, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
                print(f"  {part:30}{size / 1e6:6.1f} MB")


if __name__ == "__main__":
    main()
