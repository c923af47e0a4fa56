"""Training curves of the shipped models: bits per subpixel on the development crops against minutes.

    python -m benchmarks.training_curves docs/training.png

It reads ``models/photo*/logs/*.jsonl``, which ``mulanzip train`` wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MODELS = Path(__file__).parent.parent / "models"


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Draw the training curves into OUTPUT, a PNG."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for log in sorted(MODELS.glob("photo*/logs/*.jsonl")):
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        minutes = [e["seconds"] / 60 for e in entries]
        bits = [e["validation"] for e in entries]
        model = log.parent.parent.name
        label = f"{model} {log.stem}: {entries[-1]['step']:,} steps, {bits[-1]:.3f}"
        axes.plot(minutes, bits, "-" if model == "photo" else "--", label=label, linewidth=1.5)
    axes.set_ylim(top=3.6)
    axes.set_xlabel("minutes of training, one core or two")
    axes.set_ylabel("development crops, bits per subpixel")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main()
