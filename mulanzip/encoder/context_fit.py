"""The context of an image, fitted by gradient descent on the image's code length plus the context's own bits.

This is the inference of MULAN's ``c``.  It starts from a preset and descends on random crops, so its time does not
depend on the size of the image.  The roundings of the integer network are in place.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.context import LIMIT
from mulanzip.density.model import IntegerModel
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.density.torch_threads import limit_torch_threads
from mulanzip.encoder.adam import Adam
from mulanzip.encoder.effort import CROP_SIDE
from mulanzip.floatnet.export import bias_step, float_layers, to_float
from mulanzip.floatnet.network import Conv
from mulanzip.floatnet.objective import level_bits
from mulanzip.floatnet.precision import has_fast_bfloat16
from mulanzip.options import Execution

#: Jobs per step, each of which can have a thread; and crops per job.
_JOBS = 2
_CROPS = 2
#: Number of levels that are fitted; the coarser ones hold a sixteenth of the subpixels.
_LEVELS = 2
#: Learning rate of Adam, in steps of the context.
_RATE = 1.0
_SEED = 0


class Fitter:
    """The float form of a model, which fits contexts to images, one after the other."""

    def __init__(self, model: IntegerModel):
        self.network = to_float(model)
        self.network.requires_grad_(False).quantise()
        self._bits = torch.from_numpy(model.prior.bits()).float()
        self._autocast = has_fast_bfloat16()
        steps = bias_step(model.config)
        self.entries = len(steps)
        #: Convolution, its entries in the context, and the bias that a step of each entry adds.
        self._layers: list[tuple[Conv, slice, Tensor]] = []
        start = 0
        for layer in float_layers(model.config).values():
            part = slice(start, start + len(layer.unit))
            self._layers.append((self.network.conv(layer.conv), part, steps[part]))
            start = part.stop

    def apply(self, context: Tensor) -> list[Tensor]:
        """Add a context to the biases of the network; returns the offsets, whose gradients are wanted."""
        pieces: dict[Conv, list[Tensor]] = {}
        for conv, part, step in self._layers:
            pieces.setdefault(conv, []).append(context[part] * step)
        offsets = []
        for conv, parts in pieces.items():
            conv.offset = torch.cat(parts).requires_grad_()
            offsets.append(conv.offset)
        return offsets

    def fit(
        self,
        indices: np.ndarray,
        steps: int,
        execution: Execution = Execution(),
        *,
        subpixels: int | None = None,
        statistics: SampleStatistics = PLAIN_STATISTICS,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Fit a context to an image.

        Args:
            indices: ``(H, W, C)`` with ``statistics``, in coding order of colours, C 1 or 3; sides of at least
                :data:`mulanzip.encoder.effort.CROP_SIDE` pixels.
            steps: of gradient descent.
            execution: its number of threads does not change the result.
            subpixels: number of subpixels that the context will serve; by default those of ``indices``.  The
                context's own bits are divided by it.
            start: the preset to begin with; by default zeros.  Only deviations from it cost bits.

        Returns:
            int8 ``(entries,)``; the same for the same arguments on the same machine.
        """
        rng = np.random.default_rng(_SEED)
        base = torch.zeros(self.entries) if start is None else torch.from_numpy(start).float()
        values = torch.zeros(self.entries, requires_grad=True)
        optimiser = Adam(values.detach(), betas=(0.9, 0.99))
        colours, repeats = indices.shape[2], self.network.config.colours // indices.shape[2]
        # Each job runs on one thread: threads that share an operator wait for each other after every one.
        with ThreadPoolExecutor(
            min(execution.thread_count, _JOBS), initializer=limit_torch_threads, initargs=(1,)
        ) as pool:
            for step in range(steps):
                offsets = self.apply(base + values.detach().round())
                jobs = [_crops(indices, rng).repeat(1, repeats, 1, 1) for _ in range(_JOBS)]
                gradients = list(
                    pool.map(partial(self._gradient, offsets, colours=colours, statistics=statistics), jobs)
                )
                self._rate(values).backward()
                assert values.grad is not None
                values.grad /= subpixels or indices.size
                # Rounding lets the gradient pass straight through.
                values.grad += self._to_context([sum(g) / _JOBS for g in zip(*gradients, strict=True)])
                optimiser.step(values.grad, _RATE * 0.5 * (1 + math.cos(math.pi * step / steps)))
                values.grad = None
                with torch.no_grad():
                    values.clamp_(-LIMIT - base.clamp(max=0), LIMIT - base.clamp(min=0))
                if execution.progress is not None:
                    execution.progress((step + 1) / steps)
        found: np.ndarray = (base + values.detach().round()).to(torch.int8).numpy()
        return found

    def _gradient(
        self, offsets: list[Tensor], crops: Tensor, colours: int, statistics: SampleStatistics
    ) -> tuple[Tensor, ...]:
        """Gradient of the bits per subpixel of some crops, with respect to the offsets."""
        found = []
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            for level in range(_LEVELS):
                pixels = crops[..., :: 1 << level, :: 1 << level]
                found.append(level_bits(self.network, pixels, level, colours, statistics))
        total, subpixels = (torch.stack(parts).sum() for parts in zip(*found, strict=True))
        return torch.autograd.grad(total / subpixels, offsets, materialize_grads=True)

    def _to_context(self, gradients: list[Tensor]) -> Tensor:
        """Gradients of the offsets -> gradient of the context."""
        by_conv = dict(zip(dict.fromkeys(conv for conv, _, _ in self._layers), gradients, strict=True))
        start = dict.fromkeys(by_conv, 0)
        pieces = []
        for conv, _, step in self._layers:
            pieces.append(by_conv[conv][start[conv] : start[conv] + len(step)] * step)
            start[conv] += len(step)
        return torch.cat(pieces)

    def _rate(self, values: Tensor) -> Tensor:
        """Bits of the context under the prior, linear between integers."""
        position = values + LIMIT
        low = position.detach().floor().clamp(0, 2 * LIMIT - 1).long()
        share = position - low
        bits = self._bits.gather(1, torch.stack((low, low + 1), 1))
        return (bits[:, 0] * (1 - share) + bits[:, 1] * share).sum()


def _crops(indices: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Random crops: ``(_CROPS, C, CROP_SIDE, CROP_SIDE)``, corners on all levels' lattices."""
    grid = 1 << _LEVELS
    crops = []
    for _ in range(_CROPS):
        top, left = (rng.integers((side - CROP_SIDE) // grid + 1) * grid for side in indices.shape[:2])
        crops.append(indices[top : top + CROP_SIDE, left : left + CROP_SIDE])
    return torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2))
