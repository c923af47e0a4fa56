"""Rounding of weights to integer multiples of their scale, with the least error on typical inputs.

If every weight is rounded to the nearest integer, errors add up over correlated inputs, such as neighbouring pixels.
So the weights of an output are rounded one after the other, and the remaining ones, in the end the bias, compensate for
the error (GPTQ, after optimal brain surgery).  Layers are rounded in the order in which they run; each sees the outputs
of the rounded layers before it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mulanzip.density.config import WEIGHT_MAX
from mulanzip.floatnet.network import Conv, power_of_two_scale

#: Added to the mean square of every input, as a fraction of the average over inputs; limits the change of weights whose
#: inputs are rarely active.
_DAMPING = 0.01
#: Scales that are tried, as multiples of the scale that the largest weight allows.  Finer scales clip large weights.
_FINER = (1, 2)


@torch.no_grad()
def round_weights(network: nn.Module, run: Callable[[], object]) -> None:
    """Round the weights of all convolutions of ``network`` to multiples of their scales, in place.

    Args:
        run: runs the network on typical images, the same ones in every call.  Called once per layer.
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
    """Sum of products of all pairs of inputs of a layer, with a constant input 1 for the bias."""

    total: Tensor

    def __init__(self) -> None:
        self.total = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """Add the products of ``inputs``, ``(inputs, n)``."""
        with torch.autocast(inputs.device.type, enabled=False):
            rows = torch.cat((inputs.float(), inputs.new_ones(1, inputs.shape[1]).float()))
            self.total = self.total + (rows @ rows.T).double()


def _round(layer: Conv, products: Tensor) -> None:
    """Round the weights of a layer.

    Args:
        products: float64 ``(inputs + 1, inputs + 1)``, see :class:`_Products`.
    """
    size = products.diagonal()[:-1]
    damped = products + torch.diag(_DAMPING * size.mean().clamp(min=1e-12).expand(len(products)))
    # Strong inputs first, while many weights remain that can compensate; the bias last.
    order = torch.cat((size.argsort(descending=True), torch.tensor([len(size)])))
    # Row j: change of the later weights that compensates for an error in weight j.
    compensation = torch.linalg.cholesky(torch.linalg.inv(damped[order][:, order]), upper=True)
    start = torch.cat((layer.weight.double(), layer.weight.new_zeros(len(layer.weight), 1).double()), 1)[:, order]
    coarse = power_of_two_scale(layer.weight).double().flatten()
    tried = [_rounded_rows(start.clone(), compensation, coarse * finer) for finer in _FINER]
    best = torch.stack([loss for loss, _ in tried]).argmin(0)
    rows = torch.stack([rows for _, rows in tried])[best, torch.arange(len(best))]
    rounded = rows[:, order.argsort()]
    layer.weight.copy_(rounded[:, :-1])
    layer.bias.add_(rounded[:, -1].float())


def _rounded_rows(weight: Tensor, compensation: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Round all columns of ``weight`` but the last to multiples of ``1 / scale``, in place.

    Args:
        weight: float64 ``(out, inputs + 1)``.
        compensation: float64 ``(inputs + 1, inputs + 1)``, upper triangular.
        scale: float64 ``(out,)``.

    Returns:
        sum of squared errors ``(out,)``, and ``weight``.
    """
    loss = torch.zeros_like(scale)
    for j in range(weight.shape[1] - 1):
        grid = (weight[:, j] * scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) / scale
        error = (weight[:, j] - grid) / compensation[j, j]
        loss += error * error
        weight[:, j:] -= error[:, None] * compensation[j, j:]
        weight[:, j] = grid
    return loss, weight
