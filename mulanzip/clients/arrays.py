"""Chunks of larger arrays as images, and back."""

from __future__ import annotations

import numpy as np

from mulanzip.errors import CorruptFileError, UnsupportedImageError


def as_image(chunk: np.ndarray) -> np.ndarray:
    """The image in a chunk: ``(H, W)`` or ``(H, W, 1 to 4)``, with any number of axes of length 1 before.

    Raises:
        UnsupportedImageError: for other shapes.
    """
    shape = chunk.shape
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 3 and shape[0] == 1 and shape[2] > 4:
        shape = shape[1:]
    if len(shape) == 2 or (len(shape) == 3 and 1 <= shape[2] <= 4):
        return chunk.reshape(shape)
    raise UnsupportedImageError(
        f"chunks of shape {chunk.shape} are not images; use (H, W) or (H, W, 1 to 4), with axes of length 1 before"
    )


def shaped(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of :func:`as_image`.

    Raises:
        CorruptFileError: if the image has another number of samples than the chunk.
    """
    if image.size != np.prod(shape, dtype=object):
        raise CorruptFileError(f"an image of shape {image.shape} is no chunk of shape {shape}")
    return image.reshape(shape)
