"""Random patches of a folder of images, at every lattice level."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.channels import to_coding_order
from mulanzip.training.augment import DEGRADATION_SHARES, DEGRADATIONS, augment

#: For each level, the probability of a patch and its side in cells.  Coarse levels have few pixels.
LEVELS = ((0.58, 32), (0.25, 32), (0.10, 24), (0.04, 12), (0.02, 6), (0.01, 3))
#: Largest number of patches in a batch.  A patch of a coarse level has few cells, but is cut from a large area.
MOST_PATCHES = 64
#: Share of gray patches, which train the network for gray images.  Half of them are degraded to medical scans.
GRAY_SHARE = 0.03

_SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm"}


def image_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """All image files under ``paths`` (files or folders).

    Raises:
        UnreadableImageError: if there is none.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        files += [f for f in found if f.suffix.lower() in _SUFFIXES]
    if not files:
        raise UnreadableImageError(f"no images in {', '.join(map(str, paths))}")
    return files


def load_images(paths: Iterable[str | os.PathLike[str]]) -> list[np.ndarray]:
    """All images under ``paths`` (files or folders) as uint8 ``(H, W, 3)`` in coding order of colours.

    Raises:
        UnreadableImageError: if there is none, or one cannot be read.
    """
    images = []
    for file in image_files(paths):
        try:
            with Image.open(file) as picture:
                images.append(to_coding_order(np.asarray(picture.convert("RGB"))))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableImageError(f"cannot train with {file}: {error}") from None
    return images


class Patches:
    """An endless supply of batches.  All patches of a batch have the same level and kind of degradation."""

    def __init__(self, images: list[np.ndarray], batch_cells: int, gray_share: float = GRAY_SHARE):
        """Cut patches from ``images``.

        Args:
            images: uint8 ``(H, W, 3)``, colours in coding order.
            batch_cells: largest number of cells in a batch.
            gray_share: share of gray patches, 0 to 1.

        Raises:
            UnsupportedImageError: if all images are smaller than every kind of patch.
        """
        self.images = images
        self.gray_share = gray_share
        self.batch_cells = batch_cells
        self._choices = []
        for level, (_, cells) in enumerate(LEVELS):
            side = 2 * cells << level
            fits = [i for i, image in enumerate(images) if min(image.shape[:2]) >= side]
            area = np.array([images[i].shape[0] * images[i].shape[1] for i in fits], dtype=float)
            self._choices.append((fits, area / area.sum() if fits else area))
        share = np.array([p if fits else 0 for (p, _), (fits, _) in zip(LEVELS, self._choices, strict=True)])
        if not share.any():
            raise UnsupportedImageError("all training images are smaller than 64x64 pixels; add larger ones")
        self._levels = share / share.sum()

    def draw(self, rng: np.random.Generator) -> tuple[int, int, np.ndarray]:
        """The level, the index in :data:`~mulanzip.training.augment.DEGRADATIONS`, and the patches of a batch.

        Patches are uint8 ``(B, 3, 2 cells, 2 cells)``.
        """
        level = int(rng.choice(len(LEVELS), p=self._levels))
        cells = LEVELS[level][1]
        count = min(max(1, self.batch_cells // cells**2), MOST_PATCHES)
        fits, probability = self._choices[level]
        stride = 1 << level
        side = 2 * cells * stride
        scans = self.gray_share / 2
        chances = [(1 - scans) * share for share in DEGRADATION_SHARES] + [scans]
        degradation = int(rng.choice(len(DEGRADATIONS), p=chances))
        batch = np.empty((count, 3, 2 * cells, 2 * cells), dtype=np.uint8)
        for k, index in enumerate(rng.choice(fits, count, p=probability)):
            image = self.images[index]
            top = rng.integers(image.shape[0] - side + 1)
            left = rng.integers(image.shape[1] - side + 1)
            patch = image[top : top + side, left : left + side]
            symmetry = rng.integers(8)
            patch = np.rot90(patch, symmetry & 3)
            if symmetry & 4:
                patch = patch[:, ::-1]
            # Degraded after rotation, so that chroma samples stay where the kind of degradation says.
            patch = augment(patch, degradation, rng)[::stride, ::stride]
            batch[k] = patch.transpose(2, 0, 1)
            # Scans make up half of the gray share; patches that are turned gray here make up the other half.
            if rng.random() * (1 - scans) < scans:
                batch[k] = batch[k, :1]
        return level, degradation, batch
