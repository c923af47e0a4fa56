"""Weights that are integers in their scale, chosen by what layers do to the inputs that they see.

To round each to its nearest integer loses what adds up over inputs that go together, as neighbours in an image do.
So the weights of an output are rounded one after the other, and those that are still to come, in the end the bias,
make up for the error (optimal brain surgery, as in GPTQ).  Layer follows layer, on inputs that the rounded ones before
it made.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mulanzip.density.config import WEIGHT_MAX
from mulanzip.floatnet.network import Conv, power_of_two_scale

#: Added to the squares of all inputs, as a share of their mean: inputs that are hardly seen must not run away.
_DAMPING = 0.01
#: Scales to choose from, as multiples of the one that the largest weight allows: beyond that, large ones are cut off.
_FINER = (1, 2)


@torch.no_grad()
def round_weights(network: nn.Module, run: Callable[[], object]) -> None:
    """Put the weights of all convolutions of ``network`` on the grids of their integers, in place.

    Args:
        run: runs the network on images of the kind that it is for, always the same ones.  Called once per layer.
    """
    order: dict[Conv, None] = {}
    layers = [m for m in network.modules() if isinstance(m, Conv)]
    for layer in layers:
        layer.watch = lambda inputs, layer=layer: order.setdefault(layer)
    try:
        run()
        for layer in layers:
            layer.watch = None
        for layer in order:
            products = _Products()
            layer.watch = products.add
            run()
            layer.watch = None
            _round(layer, products.total)
    finally:
        for layer in layers:
            layer.watch = None


class _Products:
    """Sum of products of any two inputs of a layer, and of each with 1, which stands for the bias."""

    total: Tensor

    def __init__(self) -> None:
        self.total = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """``(inputs, n)``."""
        with torch.autocast(inputs.device.type, enabled=False):
            rows = torch.cat((inputs.float(), inputs.new_ones(1, inputs.shape[1]).float()))
            self.total = self.total + (rows @ rows.T).double()


def _round(layer: Conv, products: Tensor) -> None:
    """Round the weights of a layer.

    Args:
        products: float64 ``(inputs + 1, inputs + 1)``, sums of products of its inputs and a 1.
    """
    size = products.diagonal()[:-1]
    damped = products + torch.diag(_DAMPING * size.mean().clamp(min=1e-12).expand(len(products)))
    # Strong inputs first, while there are many left to make up for them; the bias last.
    order = torch.cat((size.argsort(descending=True), torch.tensor([len(size)])))
    # Row j: what an error of input j asks of those after it.
    answer = torch.linalg.cholesky(torch.linalg.inv(damped[order][:, order]), upper=True)
    start = torch.cat((layer.weight.double(), layer.weight.new_zeros(len(layer.weight), 1).double()), 1)[:, order]
    coarse = power_of_two_scale(layer.weight).double().flatten()
    tried = [_rounded_rows(start.clone(), answer, coarse * finer) for finer in _FINER]
    best = torch.stack([loss for loss, _ in tried]).argmin(0)
    rows = torch.stack([rows for _, rows in tried])[best, torch.arange(len(best))]
    rounded = rows[:, order.argsort()]
    layer.weight.copy_(rounded[:, :-1])
    layer.bias.add_(rounded[:, -1].float())


def _rounded_rows(weight: Tensor, answer: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of squared errors ``(out,)``, and ``weight`` ``(out, inputs + 1)``, changed in place, all but its last column
    on the grid of ``1 / scale``."""
    loss = torch.zeros_like(scale)
    for j in range(weight.shape[1] - 1):
        grid = (weight[:, j] * scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) / scale
        error = (weight[:, j] - grid) / answer[j, j]
        loss += error * error
        weight[:, j:] -= error[:, None] * answer[j, j:]
        weight[:, j] = grid
    return loss, weight
