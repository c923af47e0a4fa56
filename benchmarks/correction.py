"""What learning while coding saves, by level, phase and colour: ``python -m benchmarks.correction FILE...``.

Every file is measured with the library, and in another process with one that is built without learning, both under the
trained network without a context.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

import native_build
from mulanzip import registry
from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.tile import code_tile
from mulanzip.density import jpeg_gamut
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder.scale_choice import choose_value_map
from mulanzip.image.channels import channel_groups, group_in_coding_order
from mulanzip.imageio.reader import read_picture
from mulanzip.lattice.geometry import PHASE_NAMES, segments
from mulanzip.lattice.schedules import SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.native import binding, library

#: Level, phase and colour; levels from this on are one.
Part = tuple[int, int, int]
_COARSE = 3
_LIBRARY = "MULANZIP_BENCHMARK_LIBRARY"


class PartMeter(TileMeter):
    """Measures the bits of each phase and colour of a tile, in ``2**-16``."""

    def __init__(self, statistics: SampleStatistics):
        super().__init__(statistics)
        self.parts: Counter[tuple[int, int]] = Counter()

    def _code(self, scale: library.Scale, tile: library.Tile, unit: library.Unit) -> None:
        before = self._total
        super()._code(scale, tile, unit)
        self.parts[unit.place] += self._total - before


def measure(path: Path, runtime: Runtime) -> Counter[Part]:
    """Bits of the first group of channels of a file, by part, in ``2**-16``."""
    picture, _ = read_picture(path)
    channels = channel_groups(picture.mode, picture.pixels.shape[2])[0]
    pixels = group_in_coding_order(picture.pixels, channels)
    if picture.is_deep:
        value_map = choose_value_map(pixels, runtime, TileSchedules.uniform("default"))
        pixels, statistics = value_map.to_indices(pixels), SampleStatistics(value_map.sample_scale)
    else:
        statistics = SampleStatistics(gamut=jpeg_gamut.find(pixels))
    canvas, network, found = Canvas.of(pixels), runtime.at(statistics).network, Counter[Part]()
    for tile in (tile for segment in segments(*pixels.shape[:2]) for tile in segment.tiles):
        meter = PartMeter(statistics)
        code_tile(tile, canvas, network, SCHEDULES["default"], meter)
        for (phase, colour), bits in meter.parts.items():
            found[min(tile.grid.level, _COARSE), phase, colour] += bits
    return found


def measure_all(files: list[Path], model: str) -> dict[str, Counter[Part]]:
    runtime = open_runtime(registry.find(model).path)
    return {str(path): measure(path, runtime) for path in files}


def without_learning(files: list[Path], model: str) -> dict[str, Counter[Part]]:
    """The same, by a library that does not learn."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, native_build.LIBRARY)
        sources = sorted(Path(library.__file__).parent.glob("*.c"))
        native_build.build(sources, built, Path(folder), [*native_build.compiler(), "-DMZ_LEARNS=0"])
        command = [sys.executable, "-m", "benchmarks.correction", "-m", model, *map(str, files)]
        done = subprocess.run(command, env={**os.environ, _LIBRARY: str(built)}, check=True, stdout=subprocess.PIPE)
    return {
        name: Counter({tuple(part): bits for part, bits in parts}) for name, parts in json.loads(done.stdout).items()
    }


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-m", "--model", default=registry.DEFAULT_MODEL, show_default=True)
def main(files: tuple[Path, ...], model: str) -> None:
    """Measure FILES."""
    if path := os.environ.get(_LIBRARY):
        binding._PATH = Path(path)
        found = measure_all(list(files), model)
        print(json.dumps({name: list(parts.items()) for name, parts in found.items()}))
        return
    plain, learned = without_learning(list(files), model), measure_all(list(files), model)
    before = sum((plain[name] for name in plain), Counter[Part]())
    after = sum((learned[name] for name in learned), Counter[Part]())

    def line(name: str, index: int | None = None, key: int = 0) -> None:
        old, new = (sum(b for part, b in c.items() if index is None or part[index] == key) for c in (before, after))
        if old:
            print(f"{name:<24}{100 * (new / old - 1):+7.2f} %{100 * old / before.total():8.1f} % of the bits")

    line(f"{len(files)} files")
    for level in range(_COARSE + 1):
        line(f"level {level}" + (" and coarser" if level == _COARSE else ""), 0, level)
    for phase in (1, 2, 3):
        line(f"phase {PHASE_NAMES[phase]}", 1, phase)
    for colour, colour_name in enumerate(("first colour", "second", "third")):
        line(colour_name, 2, colour)
    changes = sorted(100 * (learned[name].total() / plain[name].total() - 1) for name in plain)
    print(f"single files            {changes[0]:+7.2f} .. {changes[-1]:+.2f} %")


if __name__ == "__main__":
    main()
