"""Training data of Gaussian noise: square tiles, cut from pictures at several scales."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mulanzip.errors import UnsupportedImageError

#: Factors by which pictures are reduced, by averaging squares.
FACTORS = (2, 3, 4, 6, 8)


def _reduced(image: np.ndarray, side: int) -> Iterable[tuple[int, np.ndarray]]:
    """Factors and reduced pictures that hold a tile of ``side``; the picture itself if no reduced one does."""
    fits = [f for f in FACTORS if min(image.shape[:2]) >= f * side] or [1]
    for factor in fits:
        small = np.asarray(Image.fromarray(image).reduce(factor)) if factor > 1 else image
        if min(small.shape[:2]) >= side:
            yield factor, small


class Tiles:
    """An endless supply of tiles.  Factors are equally frequent; pictures are drawn in proportion to their area."""

    def __init__(self, images: Iterable[np.ndarray], side: int):
        """Prepare the pictures.

        Args:
            images: uint8 ``(H, W, 3)``, colours in coding order.
            side: of a tile, in pixels.

        Raises:
            UnsupportedImageError: if all images are smaller than a tile.
        """
        self.side = side
        self._pictures: dict[int, list[np.ndarray]] = {}
        for image in images:
            for factor, small in _reduced(image, side):
                self._pictures.setdefault(factor, []).append(small)
        if not self._pictures:
            raise UnsupportedImageError(f"all training images are smaller than {side}x{side} pixels; add larger ones")
        self._chances = {
            factor: np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=float)
            for factor, pictures in self._pictures.items()
        }
        for chances in self._chances.values():
            chances /= chances.sum()

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """Random tiles, uint8 ``(count, 3, side, side)``, each mirrored with probability 1/2."""
        side = self.side
        batch = np.empty((count, 3, side, side), dtype=np.uint8)
        for k, factor in enumerate(rng.choice(list(self._pictures), count)):
            pictures = self._pictures[factor]
            picture = pictures[rng.choice(len(pictures), p=self._chances[factor])]
            top, left = (rng.integers(n - side + 1) for n in picture.shape[:2])
            tile = picture[top : top + side, left : left + side].transpose(2, 0, 1)
            batch[k] = tile[..., ::-1] if rng.random() < 0.5 else tile
        return torch.from_numpy(batch)
