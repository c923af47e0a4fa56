"""Image -> distribution over contexts.  Runs where images are encoded only, so it needs no integer form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.subsets import Subsets


class Encoder(nn.Module):
    """Convolutions, an average over the image, and the logits of a k-subset of m bits."""

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

    def forward(self, u: Tensor) -> Subsets:
        """Args: u: float32 ``(B, 3, H, W)`` in -1..1, sides a multiple of 4."""
        features = self.body(2 * u)
        # The average, and its greatest: textures and things.
        pooled = [pool(features, 1).flatten(1) for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)]
        return Subsets.of(self.out(torch.cat(pooled, 1)).float(), self.active)
