"""Finding the context of an image: gradient descent on its own code length, the context's bits included.

Semi-amortised inference of MULAN's ``c``: the start is zero, the network as it was trained; the rest is fitted on
random crops, so that the cost does not depend on the size of the image.  The roundings of the integers are in place.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mulanzip.architecture import COLOURS
from mulanzip.context import LIMIT
from mulanzip.exact.export import layer_rows, to_float
from mulanzip.exact.model import IntegerModel, context_step
from mulanzip.network import Conv
from mulanzip.progress import Progress
from mulanzip.training.objective import level_bits
from mulanzip.training.precision import has_fast_bfloat16

#: Side of a crop in pixels, and crops per step.
SIDE = 64
_CROPS = 4
#: Levels fitted on; coarser ones hold less than 2 % of the subpixels.
_LEVELS = 3
#: Of Adam, in steps of the context.
_RATE = 1.0
_SEED = 0


class _Round(torch.autograd.Function):
    """Round to integers; the gradient passes straight through."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: object, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]


class Fitter:
    """A model made ready to fit contexts to images, one after the other."""

    def __init__(self, model: IntegerModel):
        self.network = to_float(model)
        self.network.requires_grad_(False).quantise()
        self._bits = torch.from_numpy(model.prior.bits()).float()
        self._autocast = has_fast_bfloat16()
        self._places = []
        start = 0
        for name, at in layer_rows(model.config).items():
            stop = start + len(at.unit)
            gain = (2.0 ** context_step(name) / at.unit).float()
            self._places.append((self.network.conv(at.conv), slice(start, stop), gain))
            start = stop
        self.entries = start

    def apply(self, context: Tensor) -> None:
        """Put a context, in steps, into the network; differentiable."""
        pieces: dict[Conv, list[Tensor]] = {}
        for conv, part, gain in self._places:
            pieces.setdefault(conv, []).append(context[part] * gain)
        for conv, parts in pieces.items():
            conv.offset = torch.cat(parts)

    def fit(
        self, planes: np.ndarray, steps: int, progress: Progress | None = None, subpixels: int | None = None
    ) -> np.ndarray:
        """Fit a context to an image.

        Args:
            planes: uint8 ``(H, W, C)`` in coding order of colours, C 1 or 3; sides of :data:`SIDE` or more.
            steps: of gradient descent.
            progress: told the share that is done.
            subpixels: how many the context will serve, by default those of ``planes``: the more, the less its own
                bits count.

        Returns:
            int8 ``(entries,)``; the same for the same arguments on the same machine.
        """
        rng = np.random.default_rng(_SEED)
        values = torch.zeros(self.entries, requires_grad=True)
        optimiser = torch.optim.Adam([values], lr=_RATE, betas=(0.9, 0.99))
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            rounded = _Round.apply(values)
            self.apply(rounded)
            bits, count = self._crop_bits(_crops(planes, rng), planes.shape[2])
            loss = bits / count + self._rate(values) / (subpixels or planes.size)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            with torch.no_grad():
                values.clamp_(-LIMIT, LIMIT)
            if progress is not None:
                progress((step + 1) / steps)
        found: np.ndarray = values.detach().round().to(torch.int8).numpy()
        return found

    def _crop_bits(self, crops: Tensor, colours: int) -> tuple[Tensor, int]:
        total, subpixels = torch.zeros((), dtype=torch.float64), 0
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            for level in range(_LEVELS):
                bits, count = level_bits(self.network, crops[..., :: 1 << level, :: 1 << level], level, colours)
                total, subpixels = total + bits, subpixels + count
        return total, subpixels

    def _rate(self, values: Tensor) -> Tensor:
        """Bits of the context under the prior, linear between integers."""
        position = values + LIMIT
        low = position.detach().floor().clamp(0, 2 * LIMIT - 1).long()
        share = position - low
        bits = self._bits.gather(1, torch.stack((low, low + 1), 1))
        return (bits[:, 0] * (1 - share) + bits[:, 1] * share).sum()


def _crops(planes: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Random squares: uint8 ``(crops, 3, SIDE, SIDE)``, corners on all levels' lattices."""
    grid = 1 << _LEVELS
    crops = []
    for _ in range(_CROPS):
        top, left = (rng.integers((side - SIDE) // grid + 1) * grid for side in planes.shape[:2])
        crops.append(planes[top : top + SIDE, left : left + SIDE])
    batch = np.stack(crops).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.repeat(batch, COLOURS // batch.shape[1], axis=1))
