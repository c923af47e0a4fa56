"""Finding the context of an image: gradient descent on its own code length, the context's bits included.

Semi-amortised inference of MULAN's ``c``: the start is zero, the network as it was trained; the rest is fitted on
random crops, so that the cost does not depend on the size of the image.  The roundings of the integers are in place.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import COLOURS
from mulanzip.density.context import LIMIT
from mulanzip.density.model import IntegerModel
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.encoder.effort import CROP_SIDE
from mulanzip.floatnet.export import bias_step, float_layers, to_float
from mulanzip.floatnet.network import Conv
from mulanzip.floatnet.objective import level_bits
from mulanzip.floatnet.precision import has_fast_bfloat16
from mulanzip.progress import Progress

#: Jobs per step, each of which may have a thread, and crops per job.
_JOBS = 2
_CROPS = 2
#: Levels fitted on; the coarser ones hold a sixteenth of the subpixels.
_LEVELS = 2
#: Of Adam, in steps of the context.
_RATE = 1.0
_SEED = 0


class Fitter:
    """A model made ready to fit contexts to images, one after the other."""

    def __init__(self, model: IntegerModel):
        self.network = to_float(model)
        self.network.requires_grad_(False).quantise()
        self._bits = torch.from_numpy(model.prior.bits()).float()
        self._autocast = has_fast_bfloat16()
        gains = bias_step(model.config)
        self.entries = len(gains)
        self._places = []
        start = 0
        for at in float_layers(model.config).values():
            part = slice(start, start + len(at.unit))
            self._places.append((self.network.conv(at.conv), part, gains[part]))
            start = part.stop

    def apply(self, context: Tensor) -> list[Tensor]:
        """Put a context, in steps, into the network: offsets of its convolutions, leaves of the graphs to come."""
        pieces: dict[Conv, list[Tensor]] = {}
        for conv, part, gain in self._places:
            pieces.setdefault(conv, []).append(context[part] * gain)
        offsets = []
        for conv, parts in pieces.items():
            conv.offset = torch.cat(parts).requires_grad_()
            offsets.append(conv.offset)
        return offsets

    def fit(
        self,
        planes: np.ndarray,
        steps: int,
        threads: int = 1,
        progress: Progress | None = None,
        subpixels: int | None = None,
        sample_scale: SampleScale = EIGHT_BIT,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Fit a context to an image.

        Args:
            planes: samples of ``sample_scale``, ``(H, W, C)`` in coding order of colours, C 1 or 3; sides of
                :data:`mulanzip.encoder.effort.CROP_SIDE` or more.
            steps: of gradient descent.
            threads: at most so many; no effect on the result.
            progress: told the share that is done.
            subpixels: how many the context will serve, by default those of ``planes``: the more, the less its own
                bits count.
            start: context to begin with, a look of the model's; by default zeros.  What differs from it costs bits.

        Returns:
            int8 ``(entries,)``; the same for the same arguments on the same machine.
        """
        rng = np.random.default_rng(_SEED)
        base = torch.zeros(self.entries) if start is None else torch.from_numpy(start).float()
        values = torch.zeros(self.entries, requires_grad=True)
        optimiser = torch.optim.Adam([values], lr=_RATE, betas=(0.9, 0.99))
        colours = planes.shape[2]
        # Each job on one thread: threads that share every operator wait for each other at every one.
        with ThreadPoolExecutor(min(threads, _JOBS), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for step in range(steps):
                optimiser.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
                offsets = self.apply(base + values.detach().round())
                jobs = [_crops(planes, rng) for _ in range(_JOBS)]
                gradients = list(
                    pool.map(partial(self._gradient, offsets, colours=colours, sample_scale=sample_scale), jobs)
                )
                self._rate(values).backward()
                assert values.grad is not None
                values.grad /= subpixels or planes.size
                # Rounding lets the gradient pass straight through.
                values.grad += self._to_context([sum(g) / _JOBS for g in zip(*gradients, strict=True)])
                optimiser.step()
                optimiser.zero_grad()
                with torch.no_grad():
                    values.clamp_(-LIMIT - base.clamp(max=0), LIMIT - base.clamp(min=0))
                if progress is not None:
                    progress((step + 1) / steps)
        found: np.ndarray = (base + values.detach().round()).to(torch.int8).numpy()
        return found

    def _gradient(
        self, offsets: list[Tensor], crops: Tensor, colours: int, sample_scale: SampleScale
    ) -> tuple[Tensor, ...]:
        """Of the bits per subpixel of some crops, with respect to the offsets."""
        total, subpixels = torch.zeros((), dtype=torch.float64), 0
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            for level in range(_LEVELS):
                pixels = crops[..., :: 1 << level, :: 1 << level]
                bits, count = level_bits(self.network, pixels, level, colours, sample_scale)
                total, subpixels = total + bits, subpixels + count
        return torch.autograd.grad(total / subpixels, offsets, materialize_grads=True)

    def _to_context(self, gradients: list[Tensor]) -> Tensor:
        """Gradients of the offsets -> gradient of the context."""
        by_conv = dict(zip(dict.fromkeys(conv for conv, _, _ in self._places), gradients, strict=True))
        start = dict.fromkeys(by_conv, 0)
        pieces = []
        for conv, _, gain in self._places:
            pieces.append(by_conv[conv][start[conv] : start[conv] + len(gain)] * gain)
            start[conv] += len(gain)
        return torch.cat(pieces)

    def _rate(self, values: Tensor) -> Tensor:
        """Bits of the context under the prior, linear between integers."""
        position = values + LIMIT
        low = position.detach().floor().clamp(0, 2 * LIMIT - 1).long()
        share = position - low
        bits = self._bits.gather(1, torch.stack((low, low + 1), 1))
        return (bits[:, 0] * (1 - share) + bits[:, 1] * share).sum()


def _crops(planes: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Random squares: ``(_CROPS, 3, CROP_SIDE, CROP_SIDE)``, corners on all levels' lattices."""
    grid = 1 << _LEVELS
    crops = []
    for _ in range(_CROPS):
        top, left = (rng.integers((side - CROP_SIDE) // grid + 1) * grid for side in planes.shape[:2])
        crops.append(planes[top : top + CROP_SIDE, left : left + CROP_SIDE])
    batch = np.stack(crops).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.repeat(batch, COLOURS // batch.shape[1], axis=1))
