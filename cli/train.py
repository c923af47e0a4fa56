"""``mulanzip train``"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulanzip.training.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from mulanzip.density.config import Config
    from mulanzip.training.erasure import ErasureRecipe, ErasureRun
    from mulanzip.training.gaussian import GaussianRun
    from mulanzip.training.gray import GrayRun
    from mulanzip.training.loop import Run

#: Options of one process alone.
_OPTIONS_OF = {"erasure": ("colours", "mixtures", "hidden", "gray", "batch"), "gaussian": ("noise_steps",)}
#: Side of the centre crops of validation images.
_VALIDATION_SIDE = 128


@dataclass(frozen=True)
class _Options:
    """The command line.  None stands for a default that depends on the process."""

    data: tuple[Path, ...]
    output: Path
    validation: Path
    process: str
    steps: int
    start: Path | None
    rate: float
    colours: str | None
    channels: int
    blocks: int | None
    mixtures: int | None
    hidden: int | None
    gray: float | None
    noise_steps: int | None
    batch: int | None
    device: str
    seed: int
    quiet: bool


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run."
)
@click.option(
    "--validation",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR",
    help="Folder of held-out images.  Validation uses their centres of 128x128 pixels, or tiles of 32x32 with "
    "--process gaussian.",
)
@click.option(
    "--process",
    type=click.Choice(["erasure", "gaussian"]),
    default="erasure",
    show_default=True,
    help="Noise process: erasure, for models that compress images, or gaussian, as in MULAN.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=Recipe.steps,
    show_default=True,
    metavar="N",
    help="Optimiser steps.  Learning rates fall to zero over them.",
)
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Start a new run from the weights of an earlier one of the same size: its float.safetensors, or its "
    "model.safetensors with --process gaussian.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=Recipe.rate,
    show_default=True,
    metavar="FACTOR",
    help="Factor of all learning rates.  Values below 1 preserve more of the weights given by --start.",
)
@click.option(
    "--colours",
    type=click.Choice(["3", "1"]),
    help="1 for a model of gray images of 8 to 16 bits.  DATA are photographs then, and PNG files of scientific images "
    "whose names begin with their kind: ct_ mr_ xray_ mammo_ us_ pet_ fluo_ astro_ em_ sat_ sar_ dem_ raw_.  "
    "--start may name a model of colours.  [default: 3; erasure only]",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    metavar="N",
    help="Width of the network.",
)
@click.option(
    "--blocks",
    type=click.IntRange(1, 32),
    metavar="N",
    help="Residual blocks of two convolutions each; with --process gaussian, those at each end.  "
    "[default: 5; gaussian: 1]",
)
@click.option(
    "--mixtures",
    type=click.IntRange(1, 7),
    metavar="N",
    help="Logistics in the mixture of a subpixel.  [default: 4; erasure only]",
)
@click.option(
    "--hidden",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Width of the layer that conditions a colour on the earlier colours.  [default: 32; erasure only]",
)
@click.option(
    "--gray",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Share of gray patches, half of which resemble medical scans; 0.5 or more for a model of medical images.  "
    "[default: 0.03; erasure only]",
)
@click.option(
    "--noise-steps",
    type=click.IntRange(0, 64),
    metavar="N",
    help="Steps from noise to image that the noise schedule is learned for.  Compression needs few; 0 means infinitely "
    "many.  [default: 32; gaussian only]",
)
@click.option(
    "--batch",
    type=click.IntRange(min=2),
    metavar="CELLS",
    help="Cells of 2x2 pixels in a batch.  [default: 8192; erasure only]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="What computes gradients; with cuda, all cores draw batches meanwhile.  cuda: erasure only.",
)
@click.option(
    "--seed",
    default=Recipe.seed,
    show_default=True,
    metavar="N",
    help="Random seed of the initial weights and the training data.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def train(**given: Any) -> None:
    """Train a model on your images.

    DATA are image files, or folders with them.

    The run is saved at least every minute.  After an interruption, the same command continues it.  At the end, and
    after an interruption, OUTPUT/model.safetensors holds the model so far; the option -m of other commands accepts it.
    """
    options = _Options(**given)
    for process, names in _OPTIONS_OF.items():
        for name in names:
            if process != options.process and given[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} goes with --process {process} only")
    if options.process == "gaussian" and options.device != "cpu":
        raise click.UsageError("--device cuda goes with --process erasure only")
    if options.colours == "1" and (options.hidden or options.gray is not None):
        raise click.UsageError("--hidden and --gray go with --colours 3 only")
    if options.process == "erasure":
        _train_erasure(options)
    else:
        _train_gaussian(options)


def _train_erasure(options: _Options) -> None:
    from tqdm import tqdm

    from mulanzip.training.erasure import PRIOR_IMAGES

    run = _erasure_run(options)
    _train(run, options.quiet)
    # The prior is learned for finished runs only: it takes long.
    with tqdm(total=PRIOR_IMAGES, desc="contexts", unit="image", disable=options.quiet or None) as bar:
        run.export(lambda done: bar.update(done - bar.n))
    run.close()


def _erasure_run(options: _Options) -> ErasureRun:
    from mulanzip.density.config import Config
    from mulanzip.training.data import load_images
    from mulanzip.training.erasure import ErasureRecipe, ErasureRun

    config = Config(channels=options.channels, blocks=options.blocks or Config.blocks)
    config = replace(config, mixtures=options.mixtures or config.mixtures, hidden=options.hidden or config.hidden)
    recipe = ErasureRecipe(steps=options.steps, rate=options.rate, seed=options.seed)
    recipe = replace(recipe, batch_cells=options.batch or recipe.batch_cells)
    if options.gray is not None:
        recipe = replace(recipe, gray_share=options.gray)
    if options.colours == "1":
        return _gray_run(options, replace(config, colours=1, hidden=0), recipe)
    crops = [_middle(image) for image in load_images([options.validation])]
    images, device = load_images(options.data), _device(options)
    return ErasureRun(options.output, images, crops, config, recipe, options.start, device)


def _gray_run(options: _Options, config: Config, recipe: ErasureRecipe) -> GrayRun:
    from mulanzip.training.gray import GrayRun
    from mulanzip.training.gray_data import load_gray_images

    groups = (image.group() for image in load_gray_images([options.validation]))
    crops = [(_middle(indices), statistics) for indices, statistics in groups]
    images, device = load_gray_images(options.data), _device(options)
    return GrayRun(options.output, images, crops, config, recipe, options.start, device)


def _device(options: _Options) -> str:
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("torch sees no CUDA device here; train with --device cpu")
    return options.device


def _middle(image: np.ndarray) -> np.ndarray:
    """The centre crop that validation uses."""
    top, left = (max(0, (side - _VALIDATION_SIDE) // 2) for side in image.shape[:2])
    return image[top : top + _VALIDATION_SIDE, left : left + _VALIDATION_SIDE]


def _train_gaussian(options: _Options) -> None:
    run = _gaussian_run(options)
    _train(run, options.quiet)
    run.export()
    run.close()


def _gaussian_run(options: _Options) -> GaussianRun:
    from mulanzip.gaussian.model import GaussianConfig
    from mulanzip.training.data import load_images
    from mulanzip.training.gaussian import GaussianRecipe, GaussianRun

    noise_steps = 32 if options.noise_steps is None else options.noise_steps
    blocks = options.blocks or GaussianConfig.blocks
    config = GaussianConfig(channels=options.channels, blocks=blocks, steps=noise_steps or None)
    recipe = GaussianRecipe(steps=options.steps, rate=options.rate, seed=options.seed)
    images, validation = load_images(options.data), load_images([options.validation])
    return GaussianRun(options.output, images, validation, config, recipe, options.start)


def _train(run: Run, quiet: bool) -> None:
    """Train with a progress bar.  If anything interrupts the run, it is saved and the model so far is exported."""
    from tqdm import tqdm

    with tqdm(total=run.recipe.steps, unit="step", initial=run.step, disable=quiet or None) as bar:

        def report(run: Run, bpsp: float) -> None:
            bar.set_postfix_str(f"{bpsp:.3f} bpsp", refresh=False)
            bar.update()

        try:
            run.train(report)
        except BaseException:
            run.save()
            run.export()
            raise
