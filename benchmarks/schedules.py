"""Code length against network evaluations, with one schedule for all tiles and with one per tile.

    python -m benchmarks.schedules --plot docs/schedules.png IMAGE...

Every tile of every image is measured with every schedule, without a context.  From these figures follow the encoder's
choices at a price of mu bits per evaluation.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from mulanzip import registry
from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.tile import code_tile
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.lattice.geometry import segments
from mulanzip.lattice.schedules import SCHEDULE_NAMES, SCHEDULES
from mulanzip.training.data import load_images

#: Values of mu, in bits per cell and evaluation.
PRICES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0)
EVALUATIONS = np.array([len(SCHEDULES[name]) for name in SCHEDULE_NAMES])


def tile_bits(planes: np.ndarray, runtime: Runtime) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells ``(n,)``, levels ``(n,)``, and bits with every schedule ``(n, schedules)`` of all tiles."""
    tiles = [tile for segment in segments(*planes.shape[:2]) for tile in segment.tiles]
    canvas = Canvas.of(planes)
    bits = np.empty((len(tiles), len(SCHEDULES)))
    for i, tile in enumerate(tiles):
        # The default schedule is the last one: finer tiles see its residuals.
        for j in reversed(range(len(SCHEDULES))):
            meter = TileMeter(runtime.statistics)
            code_tile(tile, canvas, runtime.network, SCHEDULES[SCHEDULE_NAMES[j]], meter)
            bits[i, j] = meter.bits
    return np.array([t.height * t.width for t in tiles]), np.array([t.grid.level for t in tiles]), bits


def chosen(bits: np.ndarray, cells: np.ndarray, mu: float) -> np.ndarray:
    """The cheapest schedule of each tile, at a price of ``mu`` per evaluation."""
    return (bits + mu * cells[:, None] * EVALUATIONS).argmin(1)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-m", "--model", default=registry.DEFAULT_MODEL, show_default=True)
@click.option("--plot", "plot_path", type=click.Path(dir_okay=False, path_type=Path), help="Draw a PNG.")
def main(images: tuple[Path, ...], model: str, plot_path: Path | None) -> None:
    """Measure IMAGES (files or folders)."""
    runtime = open_runtime(registry.find(model).path)
    found, subpixels = [], 0
    with inner_threads(runtime.threads):
        for planes in tqdm(load_images(images), unit="image", disable=None):
            found.append(tile_bits(planes, runtime))
            subpixels += planes.size
    cells, levels, bits = (np.concatenate(part) for part in zip(*found, strict=True))
    default = bits[:, SCHEDULE_NAMES.index("default")].sum()

    def point(numbers: np.ndarray) -> tuple[float, float]:
        """Evaluations per cell, and bits per subpixel."""
        total = bits[np.arange(len(bits)), numbers].sum()
        return float((EVALUATIONS[numbers] * cells).sum() / cells.sum()), float(total / subpixels)

    def line(name: str, numbers: np.ndarray) -> str:
        evaluations, bpsp = point(numbers)
        shares = np.bincount(numbers, cells, len(SCHEDULES)) / cells.sum()
        used = ", ".join(f"{n} {100 * s:.0f} %" for n, s in zip(SCHEDULE_NAMES, shares, strict=True) if s >= 0.005)
        return f"{name:<22}{evaluations:>12.2f}{bpsp:>9.4f}{100 * (bpsp * subpixels / default - 1):>+9.2f} %   {used}"

    print(f"{len(found)} images, {len(cells)} tiles, model {model}, no context")
    print(f"{'schedule':<22}{'evaluations':>12}{'bpsp':>9}{'bits':>11}   share of cells")
    order = np.argsort(EVALUATIONS, kind="stable")
    for j in order:
        print(line(f"{SCHEDULE_NAMES[j]} everywhere", np.full(len(cells), j)))
    for mu in PRICES:
        print(line(f"per tile, mu {mu:g}", chosen(bits, cells, mu)))
    print("\nbits by level, relative to the default schedule")
    for level in np.unique(levels):
        at = levels == level
        gains = bits[at].sum(0) / bits[at, SCHEDULE_NAMES.index("default")].sum() - 1
        values = "  ".join(f"{SCHEDULE_NAMES[j]} {100 * gains[j]:+.2f} %" for j in order)
        print(f"level {level:<3}{100 * bits[at, 0].sum() / default:6.2f} % of all bits   {values}")
    if plot_path:
        uniform = [(SCHEDULE_NAMES[j], *point(np.full(len(cells), j))) for j in order]
        _plot(plot_path, uniform, [point(chosen(bits, cells, mu)) for mu in PRICES])


def _plot(path: Path, uniform: list[tuple[str, float, float]], adaptive: list[tuple[float, float]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(*zip(*adaptive, strict=True), "-", color="#d62728", label="a schedule per tile, by the price mu")
    axes.plot([p[1] for p in uniform], [p[2] for p in uniform], "o", color="#1f77b4", label="one schedule for all")
    for name, evaluations, bpsp in uniform:
        axes.annotate(name, (evaluations, bpsp), (6, 6), textcoords="offset points")
    axes.margins(x=0.1)
    axes.set_xlabel("network evaluations per cell")
    axes.set_ylabel("bits per subpixel")
    axes.set_xlim(left=0.8)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
