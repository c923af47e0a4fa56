"""The cost of finitely many steps on a Gaussian field, by noise process, in closed form.

    python -m benchmarks.gaussian_fields

optimises schedules for 1 to 32 steps, prints the table and draws docs/gaussian_fields.png.  Costs are in bits per pixel
above those of infinitely many steps.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.fields.gaussian_field import GaussianField

SIDE = 8
#: Resembles a photograph with a little noise, in values of 0..255.  In the end every pixel is known with a variance of
#: 1/12.
FIELD = GaussianField.exponential(SIDE, 1600.0, 12.0, 1.0)
PRECISION = torch.full((SIDE * SIDE,), 12.0, dtype=torch.float64)
STEPS = (1, 2, 3, 4, 7, 16, 32)
DOCS = Path(__file__).parent.parent / "docs"


def gap(gains: Tensor) -> Tensor:
    """Cost of steps with these gains, ``(steps, n)``, above the minimum, in bits per pixel."""
    return (FIELD.bits(gains) - FIELD.ideal_bits(PRECISION)) / len(PRECISION)


def learned(steps: int, columns: int, rounds: int, seed: int) -> Tensor:
    """Optimise gains ``(steps, n)`` by gradient descent.

    Args:
        columns: number of schedules: 1 for one that all pixels share, or n for one per pixel.
        rounds: steps of gradient descent.
    """
    if steps == 1:
        return PRECISION[None]
    generator = torch.Generator().manual_seed(seed)
    # Precisions start as a geometric sequence; random offsets let the pixels' schedules diverge.
    start = torch.linspace(-7, 0, steps, dtype=torch.float64)[:, None].expand(steps, columns)
    logits = (start + 0.3 * torch.randn(steps, columns, dtype=torch.float64, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds)
    for _ in range(rounds):
        optimiser.zero_grad()
        gap(torch.softmax(logits, 0) * PRECISION).backward()
        optimiser.step()
        rates.step()
    return torch.softmax(logits.detach(), 0) * PRECISION


def erasure() -> dict[int, Tensor]:
    """Gains of lattice orders by their number of steps.  Each pixel goes from unknown to known in one step."""
    row, column = torch.arange(SIDE)[:, None].expand(SIDE, SIDE), torch.arange(SIDE).expand(SIDE, SIDE)
    # The hierarchy: one pixel, then for every level D, then H and V.
    hierarchy = torch.zeros(SIDE, SIDE, dtype=torch.long)
    stride, step = SIDE // 2, 1
    while stride:
        odd = [(x % (2 * stride) == stride) for x in (row, column)]
        even = [(x % (2 * stride) == 0) for x in (row, column)]
        hierarchy[odd[0] & odd[1]] = step
        hierarchy[(odd[0] & even[1]) | (even[0] & odd[1])] = step + 1
        stride, step = stride // 2, step + 2
    quarters = torch.where((row % 2 == 0) & (column % 2 == 0), 0, torch.where((row + column) % 2 == 0, 1, 2))
    orders = (torch.zeros_like(hierarchy), (row + column) % 2, quarters, hierarchy)
    found = {}
    for order in orders:
        steps = int(order.max()) + 1
        chosen = torch.nn.functional.one_hot(order.flatten(), steps).T.double()
        found[steps] = chosen * PRECISION
    return found


def plot(rows: list[tuple[int, float, float, float | None]], path: Path) -> None:
    """Plot costs against steps."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for index, label in ((1, "one schedule for all pixels"), (2, "a schedule per pixel"), (3, "erasure on a lattice")):
        points = [(row[0], row[index]) for row in rows if row[index] is not None]
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([row[0] for row in rows], [str(row[0]) for row in rows])
    axes.set_xlabel("steps")
    axes.set_ylabel("bits per pixel above infinitely many steps")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


@click.command()
@click.option("--rounds", default=1200, show_default=True, help="Steps of gradient descent per schedule.")
@click.option("--seeds", default=3, show_default=True, help="Random starts per schedule; the best counts.")
@click.option("--output", default=DOCS / "gaussian_fields.png", type=click.Path(dir_okay=False, path_type=Path))
def main(rounds: int, seeds: int, output: Path) -> None:
    """Optimise schedules, print the table and plot it."""
    torch.set_num_threads(1)
    lattice = erasure()
    click.echo(
        "| steps | one schedule for all pixels | a schedule per pixel | erasure on a lattice | one-step pixels |"
    )
    click.echo("|---|---|---|---|---|")
    rows = []
    for steps in STEPS:
        shared, own = (
            min((learned(steps, columns, rounds, seed) for seed in range(seeds)), key=lambda g: float(gap(g)))
            for columns in (1, len(PRECISION))
        )
        whole = float(gap(lattice[steps])) if steps in lattice else None
        rows.append((steps, float(gap(shared)), float(gap(own)), whole))
        sudden = float((own.amax(0) > 0.9 * PRECISION).double().mean())
        lattice_text = "" if whole is None else f"{whole:.3f}"
        click.echo(f"| {steps} | {rows[-1][1]:.3f} | {rows[-1][2]:.3f} | {lattice_text} | {sudden:.0%} |")
    plot(rows, output)


if __name__ == "__main__":
    main()
