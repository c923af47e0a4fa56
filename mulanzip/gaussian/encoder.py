"""Image -> distribution over contexts.  Runs where images are encoded only, so it needs no integer form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mulanzip.gaussian.subsets import Subsets

#: Standard deviation of logits over images, at the start.
SPREAD = 2.0


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
        return Subsets.of(self.out(self._features(u)).float(), self.active)

    @torch.no_grad()
    def spread(self, u: Tensor) -> None:
        """Let every logit differ by :data:`SPREAD` among these images, as a new encoder should begin.

        With logits that hardly depend on the image, contexts are noise; the network learns to ignore them before they
        have learned to say anything, and they never do.
        """
        features = self._features(u)
        nn.init.orthogonal_(self.out.weight)
        logits = features @ self.out.weight.T
        gain = SPREAD / logits.std(0).clamp(min=1e-6)
        self.out.weight.mul_(gain[:, None])
        self.out.bias.copy_(-gain * logits.mean(0))

    def _features(self, u: Tensor) -> Tensor:
        found = self.body(2 * u)
        # The average, and its greatest: textures and things.
        return torch.cat([pool(found, 1).flatten(1) for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)], 1)
