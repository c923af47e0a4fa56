"""Random patches of gray images of any depth: scientific images, and photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mulanzip.codec.value_map import used_values
from mulanzip.density.sample_scale import EIGHT_BIT, LOG2_STEPS, SampleScale
from mulanzip.density.sample_statistics import PLAIN_STATISTICS, SampleStatistics
from mulanzip.encoder.adapt import Group
from mulanzip.encoder.scale_choice import suggested_log2_steps
from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.channels import to_coding_order
from mulanzip.training.augment import DEGRADATION_SHARES, augment
from mulanzip.training.data import LEVELS, MOST_PATCHES, image_files
from mulanzip.training.gray_augment import degrade

#: Kinds of training images, by the prefixes of the names of their files.  Each has a context preset, in this order.
#: Photographs have the first three: as they are, degraded, and as a sensor records them.
KINDS = (
    ("photo",),
    ("photo",),
    ("raw",),
    ("ct",),
    ("mr",),
    ("xray", "mammo"),
    ("us", "pet"),
    ("fluo", "astro"),
    ("em",),
    ("sat", "sar", "dem"),
)
#: Shares of the kinds.
_KIND_SHARES = (0.09, 0.08, 0.11, 0.12, 0.15, 0.12, 0.05, 0.11, 0.06, 0.11)
PHOTOGRAPH, _DEGRADED, _SENSOR = 0, 1, 2
#: Images in a batch; all are of one kind.
_IMAGES = 4
#: Share of scientific images that are degraded.
_DEGRADED_SHARE = 0.35
#: Share of images with gaps whose values in use are listed.
_LISTED_SHARE = 0.7
#: A list pays where the values in use are less than this share of those between the ends.
_SPARSE = 0.9
#: Deviations from the suggested scale, and their probabilities.  The encoder tries all of them.
_SCALE_STEPS, _SCALE_SHARES = (-2, -1, 0, 1, 2), (0.1, 0.25, 0.35, 0.2, 0.1)
#: Side of the crop whose scale is that of an image.
_SCALE_SIDE = 256


@dataclass(frozen=True)
class GrayImage:
    """A scientific image ``(H, W)``, uint8 or uint16; or a photograph ``(H, W, 3)``, uint8, colours in coding order.

    Attributes:
        kind: index in :data:`KINDS`.
    """

    samples: np.ndarray
    kind: int

    def group(self) -> Group:
        """What is coded of it: indices ``(H, W, 1)``, and statistics with the suggested scale."""
        if self.kind == PHOTOGRAPH:
            return self.samples[..., :1], PLAIN_STATISTICS
        if self.samples.dtype == np.uint8:
            return self.samples[..., None], PLAIN_STATISTICS
        values = used_values(self.samples)
        indices = (self.samples - values[0].astype(np.uint16))[..., None]
        scale = SampleScale(int(values[-1] - values[0]) + 1, suggested_log2_steps([_middle(indices)]))
        return indices.astype(scale.dtype), SampleStatistics(scale)


def load_gray_images(paths: Iterable[str | os.PathLike[str]]) -> list[GrayImage]:
    """All images under ``paths``: scientific ones, whose names are KIND_SOURCE_NUMBER, and photographs.

    Raises:
        UnreadableImageError: if there is none, or one cannot be read.
    """
    kind_of = {prefix: kind for kind, prefixes in enumerate(KINDS) for prefix in prefixes}
    found = []
    for file in image_files(paths):
        kind = kind_of.get(file.name.split("_")[0], PHOTOGRAPH)
        try:
            with Image.open(file) as picture:
                if kind == PHOTOGRAPH:
                    samples = to_coding_order(np.asarray(picture.convert("RGB")))
                else:
                    samples = np.asarray(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableImageError(f"cannot train with {file}: {error}") from None
        if kind == PHOTOGRAPH or samples.ndim == 2:
            samples = samples if samples.dtype == np.uint8 else samples.astype(np.uint16)
            found.append(GrayImage(samples, kind))
    return found


def _middle(samples: np.ndarray) -> np.ndarray:
    """The crop whose scale is that of an image."""
    top, left = (max(0, length - _SCALE_SIDE) // 2 for length in samples.shape[:2])
    return samples[top : top + _SCALE_SIDE, left : left + _SCALE_SIDE]


class GrayPatches:
    """An endless supply of batches: patches of a few images of one kind and level."""

    def __init__(self, images: list[GrayImage], batch_cells: int):
        """Cut patches from ``images``; ``batch_cells`` is the largest number of cells in a batch.

        Raises:
            UnsupportedImageError: if all images are smaller than every kind of patch.
        """
        self.batch_cells = batch_cells
        self.images = images
        #: For each level and kind, images that are large enough, and their probabilities.
        self._choices: list[list[tuple[list[int], np.ndarray]]] = []
        for level, (_, cells) in enumerate(LEVELS):
            side = 2 * cells << level
            by_kind = []
            for kind in range(len(KINDS)):
                source = PHOTOGRAPH if kind in (PHOTOGRAPH, _DEGRADED, _SENSOR) else kind
                fits = [
                    i
                    for i, image in enumerate(images)
                    if image.kind in (source, kind) and min(image.samples.shape[:2]) >= side
                ]
                # Between one vote for an image and one for a pixel.
                weight = np.array([images[i].samples.shape[0] * images[i].samples.shape[1] for i in fits]) ** 0.5
                by_kind.append((fits, weight / weight.sum() if fits else weight))
            self._choices.append(by_kind)
        if not any(fits for by_kind in self._choices for fits, _ in by_kind):
            raise UnsupportedImageError("all training images are smaller than 64x64 pixels; add larger ones")

    def draw(self, rng: np.random.Generator) -> tuple[int, int, list[tuple[np.ndarray, SampleScale]]]:
        """The level, the index in :data:`KINDS`, and the patches of a batch: for each of a few images, uint8 or uint16
        ``(B, 1, 2 cells, 2 cells)`` and their scale.
        """
        while True:
            level = int(rng.choice(len(LEVELS), p=[share for share, _ in LEVELS]))
            kind = int(rng.choice(len(KINDS), p=_KIND_SHARES))
            fits, probability = self._choices[level][kind]
            if fits:
                break
        cells = LEVELS[level][1]
        count = max(1, min(self.batch_cells // cells**2, MOST_PATCHES) // _IMAGES)
        batch = [
            self._patches(self.images[fits[index]], level, kind, count, rng)
            for index in rng.choice(len(fits), _IMAGES, p=probability)
        ]
        return level, kind, batch

    def _patches(
        self, image: GrayImage, level: int, kind: int, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, SampleScale]:
        """``count`` patches of an image, degraded in the same way, and their scale."""
        stride = 1 << level
        side = 2 * LEVELS[level][1] * stride
        seed = rng.integers(1 << 32)
        cuts = []
        for _ in range(count):
            top, left = (rng.integers(length - side + 1) for length in image.samples.shape[:2])
            cuts.append(_turned(image.samples[top : top + side, left : left + side], rng))
        if image.kind == PHOTOGRAPH:
            own = [_photograph(cut, kind, np.random.default_rng(seed)) for cut in cuts]
            if kind != _SENSOR:
                return np.stack(own)[:, None, ::stride, ::stride], EIGHT_BIT
            degraded = np.stack([degrade(cut, np.random.default_rng(seed)) for cut in own])
        elif rng.random() < _DEGRADED_SHARE:
            degraded = np.stack([degrade(cut, np.random.default_rng(seed)) for cut in cuts])
        else:
            return self._as_it_is(image, np.stack(cuts)[:, None, ::stride, ::stride], rng)
        if degraded.max() < 256 and rng.random() < 0.6:
            return degraded.astype(np.uint8)[:, None, ::stride, ::stride], EIGHT_BIT
        values = np.unique(degraded)
        if len(values) < _SPARSE * (values[-1] - values[0] + 1) and rng.random() < 0.5:
            # A patch does not show all values of its image, so differences are kept where gaps are not regular.
            step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
            degraded = (degraded - values[0]) // max(1, step)
        else:
            degraded = degraded - values[0]
        largest = int(degraded.max())
        below = int(rng.integers(largest + 1)) if rng.random() < 0.5 else 0
        below = min(below, 65535 - largest)
        count_of_values = min(65536, max(2, round((largest + below + 1) * (1 + rng.exponential(0.5)))))
        scale = _scale(degraded[0][..., None], count_of_values, rng)
        return (degraded + below).astype(scale.dtype)[:, None, ::stride, ::stride], scale

    def _as_it_is(
        self, image: GrayImage, patches: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, SampleScale]:
        if image.samples.dtype == np.uint8:
            return patches, EIGHT_BIT
        values = used_values(image.samples)
        first, span = int(values[0]), int(values[-1] - values[0]) + 1
        crop = _middle(image.samples).astype(np.int32)
        if len(values) < _SPARSE * span and rng.random() < _LISTED_SHARE:
            index = np.zeros(span, dtype=np.int32)
            index[values - first] = np.arange(len(values))
            patches, crop, span = index[patches.astype(np.int32) - first], index[crop - first], len(values)
        else:
            patches = patches.astype(np.int32) - first
        scale = _scale(crop[..., None], max(2, span), rng)
        return patches.astype(scale.dtype), scale


def _scale(crop: np.ndarray, count: int, rng: np.random.Generator) -> SampleScale:
    log2_steps = suggested_log2_steps([crop]) + int(rng.choice(_SCALE_STEPS, p=_SCALE_SHARES))
    return SampleScale(count, min(max(log2_steps, LOG2_STEPS[0]), LOG2_STEPS[-1]))


def _turned(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the eight symmetries."""
    symmetry = rng.integers(8)
    patch = np.rot90(patch, symmetry & 3)
    return patch[:, ::-1] if symmetry & 4 else patch


def _photograph(patch: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """A gray photograph: uint8, or real numbers of a larger range for a sensor.

    Args:
        patch: uint8 ``(h, w, 3)``, colours in coding order.
    """
    if kind == _DEGRADED:
        patch = augment(patch, int(rng.integers(1, len(DEGRADATION_SHARES))), rng)
    weights = np.array([0.587, 0.299, 0.114] if rng.random() < 0.7 else rng.permutation([1, 0, 0]), dtype=np.float32)
    gray = patch.astype(np.float32) @ weights
    if kind != _SENSOR:
        return np.rint(gray).astype(np.uint8)
    linear = (gray / 255) ** np.float32(2.2) if rng.random() < 0.5 else gray / 255
    dither = rng.uniform(-0.5, 0.5, gray.shape).astype(np.float32) / 255
    return (linear + dither) * np.float32(2.0 ** rng.uniform(8, 15))
