"""``mulanzip train``"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mulanzip.training.loop import Run


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--validation",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of images that judge the model; their centres of 128x128 pixels are used, or tiles of 32x32.",
)
@click.option(
    "--process",
    type=click.Choice(["erasure", "gaussian"]),
    default="erasure",
    show_default=True,
    help="Noise: erasure, for models that compress, or Gaussian as in MULAN, learned on tiles of 32x32.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Time to train; learning rates end at zero.",
)
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin a new run with the weights of an earlier one of the same size: its float.safetensors, or with "
    "--process gaussian its model.safetensors.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Learning rates, relative; less than 1 keeps more of what --start begins with.",
)
@click.option("--channels", type=click.IntRange(1, 1024), default=64, show_default=True, help="Width of the network.")
@click.option(
    "--blocks",
    type=click.IntRange(1, 32),
    help="Residual blocks, of two convolutions each.  [default: 5; gaussian: 1 at each end]",
)
@click.option(
    "--mixtures", type=click.IntRange(1, 7), help="Logistics that a subpixel's mixture has.  [default: 4; erasure only]"
)
@click.option(
    "--hidden",
    type=click.IntRange(1, 1024),
    help="Width of the layer through which colours tell the ones after them.  [default: 32; erasure only]",
)
@click.option(
    "--gray",
    type=click.FloatRange(0, 1),
    help="Share of patches that are gray, half of them like scans; 0.5 or more for a model of medical images.  "
    "[default: 0.03; erasure only]",
)
@click.option(
    "--steps",
    type=click.IntRange(0, 64),
    help="Steps from noise to image that the schedule is learned for; a model that is to compress needs few, 0 stands "
    "for infinitely many.  [default: 32; gaussian only]",
)
@click.option("--seed", default=0, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def train(
    data: tuple[Path, ...],
    output: Path,
    validation: Path,
    process: str,
    start: Path | None,
    mixtures: int | None,
    hidden: int | None,
    gray: float | None,
    steps: int | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a model on all images of DATA (files or folders).

    The run is saved every minute; the same command goes on where it was interrupted.  At the end, and at
    every interruption, OUTPUT/model.safetensors holds the model so far, which -m accepts.
    """
    if process == "erasure":
        if steps is not None:
            raise click.UsageError("--steps goes with --process gaussian only")
        sizes = {name: size for name, size in (("mixtures", mixtures), ("hidden", hidden)) if size is not None}
        _train_erasure(data, output, validation, start, sizes, gray, quiet, **given)
    elif mixtures or hidden or gray is not None:
        raise click.UsageError("--mixtures, --hidden and --gray go with --process erasure only")
    else:
        _train_gaussian(data, output, validation, start, 32 if steps is None else steps, quiet, **given)


def _train_erasure(
    data: tuple[Path, ...],
    output: Path,
    validation: Path,
    start: Path | None,
    sizes: dict[str, int],
    gray: float | None,
    quiet: bool,
    hours: float,
    rate: float,
    channels: int,
    blocks: int | None,
    seed: int,
) -> None:
    from tqdm import tqdm

    from mulanzip.density.config import Config
    from mulanzip.training.data import load_images
    from mulanzip.training.erasure import PRIOR_IMAGES, ErasureRecipe, ErasureRun

    crops = []
    for image in load_images([validation]):
        top, left = max(0, image.shape[0] // 2 - 64), max(0, image.shape[1] // 2 - 64)
        crops.append(image[top : top + 128, left : left + 128])
    config = Config(channels=channels, blocks=5 if blocks is None else blocks, **sizes)
    recipe = ErasureRecipe(hours=hours, rate=rate, seed=seed)
    if gray is not None:
        recipe = replace(recipe, gray_share=gray)
    run = ErasureRun(output, load_images(data), crops, config, recipe, start)
    _go(run, quiet)
    # Only a run that is over is worth a learned prior.
    with tqdm(total=PRIOR_IMAGES, desc="contexts", unit="image", disable=quiet or None) as bar:
        run.export(lambda done: bar.update(done - bar.n))
    run.close()


def _train_gaussian(
    data: tuple[Path, ...],
    output: Path,
    validation: Path,
    start: Path | None,
    steps: int,
    quiet: bool,
    hours: float,
    rate: float,
    channels: int,
    blocks: int | None,
    seed: int,
) -> None:
    from mulanzip.gaussian.model import GaussianConfig
    from mulanzip.training.data import load_images
    from mulanzip.training.gaussian import GaussianRecipe, GaussianRun

    config = GaussianConfig(channels=channels, blocks=1 if blocks is None else blocks, steps=steps or None)
    recipe = GaussianRecipe(hours=hours, rate=rate, seed=seed)
    run = GaussianRun(output, load_images(data), load_images([validation]), config, recipe, start)
    _go(run, quiet)
    run.close()


def _go(run: Run, quiet: bool) -> None:
    """Train with a progress bar; whatever ends it, the run and the model so far are saved."""
    from tqdm import tqdm

    total = round(3600 * run.recipe.hours)
    with tqdm(total=total, unit="s", initial=round(run.seconds), disable=quiet or None) as bar:

        def report(run: Run, bpsp: float) -> None:
            bar.n = round(run.seconds)
            bar.set_postfix_str(f"step {run.step}, {bpsp:.3f} bpsp", refresh=False)
            bar.refresh()

        try:
            run.train(report)
        finally:
            run.save()
            run.export()
