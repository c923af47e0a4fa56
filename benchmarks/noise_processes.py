"""Compare noise processes with the same network, data and training budget.

    python -m benchmarks.noise_processes DATA... --validation FOLDER -o RUNS --budget 5000

trains each process (linear, learned scalar, multivariate, MULAN, and two ablations in which the denoiser alone sees the
context) for infinitely many steps and for T = 4, 8, 16, 32, with every seed, and evaluates it on held-out tiles at the
number of steps it was trained for.  Interrupted runs resume.  Finished runs are not repeated; with other --draws they
are evaluated again.  RUNS/table.md and RUNS/processes.png hold the results so far; --report only writes these.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

import mulanzip
from mulanzip.gaussian.model import PROCESSES, GaussianModel
from mulanzip.image.channels import from_coding_order
from mulanzip.registry import DEFAULT_MODEL
from mulanzip.training.data import load_images
from mulanzip.training.gaussian import GaussianRecipe, GaussianRun
from mulanzip.training.tiles import Tiles

#: Numbers of steps; None for infinitely many.
STEPS = (None, 4, 8, 16, 32)
RESULT = "result.json"
ERASURE = "erasure.json"


def label(steps: int | None) -> str:
    """A number of steps in names of runs."""
    return "inf" if steps is None else str(steps)


def judge(model: GaussianModel, tiles: Tensor, draws: int, ode_tiles: int) -> dict[str, Any]:
    """Bits per dimension on held-out tiles, by term; with infinitely many steps, of the ODE as well."""
    steps = model.config.steps
    bound = model.evaluate(tiles, steps, draws=draws)
    found: dict[str, Any] = {"bound": bound.bits_per_dim}
    for name in ("reconstruction", "prior", "diffusion", "context"):
        found[name] = float(getattr(bound, name).mean()) / bound.subpixels
    if steps is None and ode_tiles:
        chosen = tiles[:ode_tiles]
        parts = [model.likelihood(b, torch.Generator().manual_seed(0)).bits for b in chosen.split(64)]
        found["ode"] = float(torch.cat(parts).mean()) / bound.subpixels
        found["bound_of_the_same"] = model.evaluate(chosen, None, draws=4 * draws).bits_per_dim
    return found


def train(folder: Path, process: str, steps: int | None, seed: int, budget: int, data: dict[str, Any]) -> None:
    """Train and evaluate one run, unless its result exists for the same budget and number of draws."""
    result = folder / RESULT
    known = json.loads(result.read_text()) if result.exists() else {}
    if (known.get("budget"), known.get("draws")) == (budget, data["draws"]):
        return
    config = replace(PROCESSES[process], steps=steps)
    # As published: activations are never rounded for integers.
    recipe = GaussianRecipe(steps=budget, seed=seed, quantise_from=math.inf)
    run = GaussianRun(folder, data["images"], data["validation"], config, recipe)
    with tqdm(total=budget, initial=run.step, desc=folder.name, unit="step", disable=None) as bar:
        try:
            run.train(lambda run, _: _advance(bar, run.step))
        finally:
            run.save()
    run.close()
    found = judge(run.average, data["tiles"], data["draws"], data["ode_tiles"])
    found |= {"process": process, "T": label(steps), "seed": seed, "budget": budget, "seconds": run.seconds}
    found["draws"] = data["draws"]
    partial = result.with_suffix(".tmp")
    partial.write_text(json.dumps(found, indent=1))
    partial.replace(result)
    click.echo(f"{folder.name}: {found['bound']:.4f} bits per dimension, {run.seconds:.0f} s")


def _advance(bar: tqdm[NoReturn], step: int) -> None:
    bar.update(step - bar.n)


def erasure(tiles: Tensor, models: tuple[str, ...], path: Path) -> None:
    """Write the code lengths of erasure models on the same tiles, with two steps per level."""
    known = json.loads(path.read_text()) if path.exists() else {}
    images = from_coding_order(tiles.permute(0, 2, 3, 1).numpy())
    for model in models:
        if known.get(model, {}).get("tiles") != len(images):
            bits = [mulanzip.code_length(image, model=model, threads=1) for image in images]
            known[model] = {"bits_per_dim": float(np.mean(bits)) / images[0].size, "tiles": len(images)}
    path.write_text(json.dumps(known, indent=1))


def _text(values: list[float], digits: int = 3) -> str:
    """The mean and, if there are several values, half their range."""
    if not values:
        return ""
    spread = f" ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def table(results: list[dict[str, Any]], folder: Path) -> str:
    """The results in bits per dimension as Markdown."""

    def values(process: str, key: str, steps: int | None) -> list[float]:
        return [r[key] for r in results if r["process"] == process and r["T"] == label(steps) and key in r]

    columns = ["T = ∞", "ODE (bound of the same)", *(f"T = {label(s)}" for s in STEPS[1:]), "s per 1,000 steps"]
    lines = [f"| noise | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|"]
    for process in PROCESSES:
        mine = [r for r in results if r["process"] == process]
        if not mine:
            continue
        ode = _text(values(process, "ode", None))
        same = _text(values(process, "bound_of_the_same", None))
        cells = [_text(values(process, "bound", None)), f"{ode} ({same})" if ode else ""]
        cells += [_text(values(process, "bound", s)) for s in STEPS[1:]]
        cells.append(_text([1000 * r["seconds"] / r["budget"] for r in mine], 0))
        lines.append(f"| {process} | {' | '.join(cells)} |")
    if (folder / ERASURE).exists():
        lines += ["", "Erasure models on the same tiles, two steps per level, bits per dimension:", ""]
        found = json.loads((folder / ERASURE).read_text())
        lines += [f"- `{model}`: {known['bits_per_dim']:.3f}" for model, known in found.items()]
    return "\n".join(lines)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Plot bits per dimension against steps."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    order = [*(label(s) for s in STEPS[1:]), label(None)]
    for process in PROCESSES:
        points = [[r["bound"] for r in results if r["process"] == process and r["T"] == t] for t in order]
        if any(points):
            # NaN leaves a gap where nothing was measured.
            means = [float(np.mean(p)) if p else math.nan for p in points]
            half = [(max(p) - min(p)) / 2 if p else math.nan for p in points]
            axes.errorbar(range(len(order)), means, yerr=half, marker="o", capsize=3, label=process)
    axes.set_xticks(range(len(order)), ["∞" if t == "inf" else t for t in order])
    axes.set_xlabel("steps")
    axes.set_ylabel("bound on held-out tiles, bits per dimension")
    axes.grid(alpha=0.3)
    if results:
        axes.legend()
    figure.savefig(path, dpi=110)


def report(folder: Path) -> str:
    """Write table and plot of all finished runs, and return the table."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob(f"*/{RESULT}"))]
    text = table(results, folder)
    (folder / "table.md").write_text(text + "\n")
    plot(results, folder / "processes.png")
    return text


@click.command()
@click.argument("data", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--validation", type=click.Path(exists=True, path_type=Path), help="Folder of held-out images.")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--budget", default=5000, show_default=True, help="Training steps per run.")
@click.option("--seeds", default=2, show_default=True, help="Runs per process and number of steps.")
@click.option("--processes", default=",".join(PROCESSES), show_default=True, help="Processes, separated by commas.")
@click.option(
    "--steps",
    "finite",
    default=",".join(map(label, STEPS)),
    show_default=True,
    help="Numbers of steps, separated by commas.",
)
@click.option("--tiles", default=1024, show_default=True, help="Number of held-out tiles.")
@click.option("--draws", default=16, show_default=True, help="Draws of time and noise per tile.")
@click.option("--ode-tiles", default=128, show_default=True, help="Number of tiles for the ODE.")
@click.option(
    "--erasure",
    "erasure_models",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="Erasure models to compare with, names or files.",
)
@click.option("--report", "only_report", is_flag=True, help="Only write table and plot.")
def main(  # noqa: PLR0913
    data: tuple[Path, ...],
    validation: Path | None,
    output: Path,
    budget: int,
    seeds: int,
    processes: str,
    finite: str,
    tiles: int,
    draws: int,
    ode_tiles: int,
    erasure_models: tuple[str, ...],
    only_report: bool,
) -> None:
    """Train the runs that are missing, and report."""
    output.mkdir(parents=True, exist_ok=True)
    if not only_report:
        if not data or validation is None:
            raise click.UsageError("training needs DATA and --validation")
        chosen = processes.split(",")
        lengths = [s for s in STEPS if label(s) in finite.split(",")]
        if unknown := set(chosen) - set(PROCESSES):
            raise click.UsageError(f"unknown processes: {', '.join(sorted(unknown))}")
        held_out = load_images([validation])
        side = next(iter(PROCESSES.values())).side
        given: dict[str, Any] = {
            "images": load_images(data),
            "validation": held_out,
            "tiles": Tiles(held_out, side).draw(tiles, np.random.default_rng(1)),
            "draws": draws,
            "ode_tiles": ode_tiles,
        }
        erasure(given["tiles"], erasure_models, output / ERASURE)
        # Seeds are the outer loop, so the whole table is complete early.
        for seed in range(seeds):
            for steps in lengths:
                for process in chosen:
                    name = f"{process}-{label(steps)}-{seed}"
                    train(output / name, process, steps, seed, budget, given)
                report(output)
    click.echo(report(output))


if __name__ == "__main__":
    main()
