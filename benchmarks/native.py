"""Nanoseconds a subpixel that the native core takes, by part: ``python -m benchmarks.native``.

Synthetic images with noise, of which a made-up network knows the mean of the neighbours.  CPU time of one thread, the
fastest of several runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import click
import numpy as np

from mulanzip.native import library

SIDE = 128


@dataclass(frozen=True)
class Samples:
    """A kind of images."""

    name: str
    colours: int = 3
    scale: library.Scale = field(default_factory=library.Scale)
    #: Standard deviation in levels; levels around which values lie.
    noise: float = 4.0
    middle: float = 120.0


KINDS = [
    Samples("8 bits, colour"),
    Samples("8 bits, gray", colours=1),
    Samples("8 bits, colour, value edges", scale=library.Scale(edges=np.arange(257, dtype=np.int32) * 32)),
    Samples("8 bits, colour, rare colours", scale=library.Scale(forbidden=np.zeros(1 << 21, np.uint8), log2_penalty=8)),
    Samples("16 bits, gray", colours=1, scale=library.Scale(65536, 8)),
    Samples("flat", noise=0.0),
]


def tile_of(samples: Samples) -> library.Tile:
    """A tile with values everywhere."""
    rng = np.random.default_rng(0)
    tile = library.Tile.empty(1, samples.colours, SIDE, SIDE)
    inside = tile.values[..., 2:-2, 2:-2]
    rows, columns = np.indices((SIDE, SIDE))
    waves = np.sin(rows / 9) * np.sin(columns / 7) * 30 * (samples.noise > 0)
    levels = samples.middle + waves + rng.normal(0, samples.noise, inside.shape)
    struct = samples.scale.struct
    inside[:] = np.clip(np.rint(levels * 2.0**struct.log2_steps), 0, struct.count - 1)
    return tile


def units_of(samples: Samples, tile: library.Tile, components: int) -> list[library.Unit]:
    """The units of the tile, in the order of coding."""
    rng = np.random.default_rng(1)
    n = SIDE * SIDE
    levels = tile.values / 2.0**samples.scale.struct.log2_steps
    units = []
    for phase in (1, 2, 3):
        for colour in range(samples.colours):
            base = np.rint(levels[0, colour, 0, 2:-2, 2:-2].reshape(n) * 32).astype(np.int32)
            offsets = rng.integers(-100, 101, (colour, n), dtype=np.int32)
            shapes = np.empty((2 * components, n), dtype=np.uint8)
            shapes[:components] = rng.integers(180, 256, (components, n))
            # Scales of 1.5 to 6 levels: 8 exp((s - 128) / 32).
            shapes[components:] = rng.integers(74, 120, (components, n))
            means = rng.normal(0, 60, (components + colour, n)).astype(np.int32)
            units.append(library.Unit((phase, colour), (SIDE, SIDE), 1, shapes, means, base, offsets))
    return units


def fastest(run: Callable[[], object], repeats: int) -> float:
    """CPU seconds of this thread."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return min(times)


def measure(samples: Samples, components: int, repeats: int) -> tuple[float, dict[str, float]]:
    """Bits a subpixel, and nanoseconds a subpixel by part."""
    tile = tile_of(samples)
    units = units_of(samples, tile, components)
    subpixels = sum(unit.count for unit in units)
    symbols = np.concatenate([library.encode_unit(samples.scale, tile, unit) for unit in units])
    words = library.push(symbols)

    def decode() -> None:
        decoder = library.Decoder(words)
        for unit in units:
            decoder.decode_unit(samples.scale, decoded, unit)
        assert decoder.is_empty()

    decoded = library.Tile(tile.values.copy(), tile.residuals.copy())
    parts: dict[str, Callable[[], object]] = {
        "encode": lambda: [library.encode_unit(samples.scale, tile, unit) for unit in units],
        "push": lambda: library.push(symbols),
        "decode": decode,
        "measure": lambda: [library.measure_unit(samples.scale, tile, unit) for unit in units],
    }
    figures = {name: fastest(part, repeats) / subpixels * 1e9 for name, part in parts.items()}
    assert (decoded.values == tile.values).all()
    return words.nbytes * 8 / subpixels, figures


@click.command()
@click.option("--components", default=4, show_default=True, help="Components of mixtures.")
@click.option("--repeats", default=9, show_default=True, help="Runs, of which the fastest counts.")
def main(components: int, repeats: int) -> None:
    """Print nanoseconds a subpixel by part."""
    parts = ("encode", "push", "decode", "measure")
    print(f"{'':30}{'bits':>8}" + "".join(f"{part:>9}" for part in parts))
    for samples in KINDS:
        bits, figures = measure(samples, components, repeats)
        print(f"{samples.name:30}{bits:8.2f}" + "".join(f"{figures[part]:9.1f}" for part in parts))


if __name__ == "__main__":
    main()
