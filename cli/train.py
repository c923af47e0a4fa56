"""``mulanzip train``"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--validation",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of images that judge the model; their centres of 128x128 pixels are used.",
)
@click.option("--hours", default=2.0, show_default=True, help="Time to train; learning rates end at zero.")
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin a new run with these weights (float.safetensors of an earlier one, of the same size).",
)
@click.option("--channels", default=64, show_default=True, help="Width of the network.")
@click.option("--blocks", default=5, show_default=True, help="Residual blocks, of two convolutions each.")
@click.option(
    "--gray",
    "gray_share",
    type=click.FloatRange(0, 1),
    default=0.03,
    show_default=True,
    help="Share of patches that are gray, half of them like scans: for a model of medical images, 0.5 or more.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def train(
    data: tuple[Path, ...],
    output: Path,
    validation: Path,
    hours: float,
    start: Path | None,
    channels: int,
    blocks: int,
    gray_share: float,
    seed: int,
    quiet: bool,
) -> None:
    """Train a model on all images of DATA (files or folders).

    The run is saved every minute; the same command goes on where it was interrupted.  At the end, and at
    every interruption, OUTPUT/model.safetensors holds the integer model so far, which -m accepts.
    """
    from tqdm import tqdm

    from mulanzip.architecture import Config
    from mulanzip.training.data import load_images
    from mulanzip.training.loop import PRIOR_IMAGES, Recipe, Run

    crops = []
    for image in load_images([validation]):
        top, left = max(0, image.shape[0] // 2 - 64), max(0, image.shape[1] // 2 - 64)
        crops.append(image[top : top + 128, left : left + 128])
    recipe = Recipe(hours=hours, seed=seed, gray_share=gray_share)
    run = Run(output, load_images(data), crops, Config(channels=channels, blocks=blocks), recipe, start)
    with tqdm(total=round(3600 * hours), unit="s", initial=round(run.seconds), disable=quiet or None) as bar:

        def report(run: Run, bpsp: float) -> None:
            bar.n = round(run.seconds)
            bar.set_postfix_str(f"step {run.step}, {bpsp:.3f} bpsp", refresh=False)
            bar.refresh()

        try:
            run.train(report)
        finally:
            run.save()
            run.export()
    # Only a run that is over is worth a learned prior.
    with tqdm(total=PRIOR_IMAGES, desc="contexts", unit="image", disable=quiet or None) as bar:
        run.export(lambda done: bar.update(done - bar.n))
    run.close()
