"""Image -> distribution over contexts.  It runs only when encoding, so it needs no integer form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.subsets import SubsetDistribution

#: Standard deviation of each logit over images, at the start of training.
SPREAD = 2.0


class ContextEncoder(nn.Module):
    """Convolutions, pooling over the image, and the logits of a k-subset of m bits."""

    def __init__(self, bits: int, active: int, channels: int = 48):
        super().__init__()
        self.active = active
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.out = nn.Linear(2 * channels, bits)

    def forward(self, u: Tensor) -> SubsetDistribution:
        """Args: u: float32 ``(B, 3, H, W)`` in -1..1, sides a multiple of 4."""
        return SubsetDistribution.from_logits(self.out(self._features(u)).float(), self.active)

    @torch.no_grad()
    def spread(self, u: Tensor) -> None:
        """Initialise the last layer so that every logit has the standard deviation :data:`SPREAD` over these images.

        With logits that hardly depend on the image, contexts are noise: the network learns to ignore them before they
        carry information, and then they never do.
        """
        features = self._features(u)
        nn.init.orthogonal_(self.out.weight)
        logits = features @ self.out.weight.T
        gain = SPREAD / logits.std(0).clamp(min=1e-6)
        self.out.weight.mul_(gain[:, None])
        self.out.bias.copy_(-gain * logits.mean(0))

    def _features(self, u: Tensor) -> Tensor:
        found = self.body(2 * u)
        # The average describes textures, the maximum single objects.
        return torch.cat([pool(found, 1).flatten(1) for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)], 1)
