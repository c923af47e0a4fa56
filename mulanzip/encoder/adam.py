"""Adam (Kingma and Ba, 2015) for one tensor.

``torch.optim`` does the same arithmetic, but its first use imports torch's compiler: 1.5 seconds, and changes of the
process's environment and warning filters.
"""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-8


class Adam:
    """Moves a tensor against its gradients.

    Args:
        values: float32 ``(n,)``, changed in place.
        betas: decay rates of the first and second moments.
    """

    def __init__(self, values: Tensor, betas: tuple[float, float]):
        self._values, self._betas = values, betas
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """One step with the learning rate ``rate``."""
        self._steps += 1
        first, second = self._betas
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        deviation = (self._square.sqrt() / (1 - second**self._steps) ** 0.5).add_(_EPSILON)
        self._values.addcdiv_(self._mean, deviation, value=-rate / (1 - first**self._steps))
