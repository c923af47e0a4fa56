"""The images that are measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mulanzip.errors import UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs import batch


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The files among ``paths``, and all image files in the folders among them, each once."""
    return [
        file.path for file in batch.find(paths, batch.Selection(batch.is_image), recursive=True, report=lambda *_: None)
    ]


def read_image(path: Path) -> np.ndarray:
    """Pixels of a file: uint8 or uint16 ``(H, W, 3)`` or ``(H, W)``.

    Raises:
        UnsupportedImageError: if it is an image, but neither RGB nor gray.
        UnreadableImageError: if it cannot be read.
    """
    try:
        picture, _ = read_picture(path)
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from None
    if picture.mode not in (Mode.RGB, Mode.GRAY):
        raise UnsupportedImageError(f"only RGB and gray images are measured, this is {picture.mode.name}")
    return np.ascontiguousarray(picture.to_array())
