"""The prior of contexts, learned from contexts that are fitted to training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mulanzip.density.context import Prior
from mulanzip.density.model import IntegerModel, layer_shapes
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import Runtime
from mulanzip.density.torch_backends import ReferenceBackend
from mulanzip.encoder.adapt import Group
from mulanzip.encoder.context_fit import Fitter
from mulanzip.encoder.effort import CROP_SIDE, GRIDS
from mulanzip.encoder.preset_choice import suited_presets
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import available_cores

#: Pixels of a typical image.  Training images are crops, so their own size would give the bits of a context too much
#: weight.
_PIXELS = 1 << 19
#: Pseudo-count, in images, of the mean magnitude over a layer when that of a single entry is estimated.
_LAYER_WEIGHT = 4


def learn_prior(
    model: IntegerModel,
    images: Sequence[Group],
    steps: int,
    count: int,
    seed: int,
    report: Callable[[int], object] = lambda done: None,
) -> Prior:
    """Fit contexts to training images and estimate the mean magnitude of every entry.

    Args:
        images: indices ``(H, W, C)``, the colours of the model in coding order, and their statistics.
        steps: of gradient descent per image.
        count: largest number of images to fit.
        seed: of the choice of images.
        report: called with the number of images that are done.

    Returns:
        a prior for ``model``; the present one if no image is large enough.
    """
    large = [i for i, (image, _) in enumerate(images) if min(image.shape[:2]) >= CROP_SIDE]
    chosen = np.random.default_rng(seed).permutation(large)[:count].astype(int)
    if not len(chosen):
        return model.prior
    fitter = Fitter(model)
    runtime = Runtime(IntegerNetwork(model, ReferenceBackend()), available_cores())
    total = np.zeros(model.prior.entries)
    for done, index in enumerate(chosen, 1):
        indices, statistics = images[index]
        own = runtime.at(statistics)
        preset = model.prior.preset(suited_presets(indices, own, TileSchedules.uniform("default"), GRIDS[:1])[0])
        subpixels = model.config.colours * _PIXELS
        found = fitter.fit(indices, steps, subpixels=subpixels, statistics=statistics, start=preset)
        total += np.abs(found.astype(float) - preset)
        report(done)
    layers = [shape[0] for shape in layer_shapes(model.config).values()]
    by_layer = np.repeat([part.mean() for part in np.split(total, np.cumsum(layers)[:-1])], layers) / len(chosen)
    return Prior.build((total + _LAYER_WEIGHT * by_layer) / (len(chosen) + _LAYER_WEIGHT), model.prior.presets)
