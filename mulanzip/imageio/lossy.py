"""Recognizes sources in lossy formats: the result keeps their decoded pixels, and is larger than they are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from mulanzip.imageio import tiff

if TYPE_CHECKING:
    from PIL import Image


def lossy_format(image: Image.Image, file: BinaryIO) -> str | None:
    """The name of the lossy format of an image that Pillow has opened from ``file``; None if it is lossless."""
    if image.format == "JPEG":
        return "JPEG"
    if image.format == "TIFF" and image.info.get("compression") in tiff.LOSSY:
        return "JPEG within TIFF"
    if image.format == "WEBP" and _has_lossy_webp_frame(file):
        return "lossy WebP"
    return None


def _has_lossy_webp_frame(file: BinaryIO) -> bool:
    """Whether the first chunk of pixels is ``VP8 `` (lossy), not ``VP8L``."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        if head[:4] in (b"VP8 ", b"VP8L"):
            return head[:4] == b"VP8 "
        size = int.from_bytes(head[4:], "little")
        file.seek(size + size % 2, io.SEEK_CUR)
    return False
