"""Pillow's own limits, lifted for a moment: mulanzip compares images with the memory that there is."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, PngImagePlugin

#: Uncompressed bytes of one text or ICC profile in a PNG file.
_MAX_TEXT = 1 << 26
_lock = threading.Lock()


@contextmanager
def lifted() -> Iterator[None]:
    """No limit of pixels and no warnings from Pillow; both are global, so only one thread at a time."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels, text = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = None, _MAX_TEXT
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = pixels, text
