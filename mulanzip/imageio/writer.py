"""Pictures -> image files, in a lossless format that the name chooses."""

from __future__ import annotations

import io
from pathlib import PurePath

from mulanzip.container import Mode
from mulanzip.errors import UnsupportedImageError
from mulanzip.imageio import metadata
from mulanzip.imageio.pillow_image import PILLOW_MODES, to_pillow
from mulanzip.picture import Picture

_ALL = frozenset(Mode)
#: Lossless formats by suffix, with the modes that they hold.
WRITERS: dict[str, tuple[str, frozenset[Mode]]] = {
    ".png": ("PNG", _ALL),
    ".tif": ("TIFF", _ALL),
    ".tiff": ("TIFF", _ALL),
    ".webp": ("WEBP", frozenset({Mode.RGB, Mode.RGBA})),
    ".bmp": ("BMP", frozenset({Mode.GRAY, Mode.RGB, Mode.PALETTE, Mode.BILEVEL})),
    ".ppm": ("PPM", frozenset({Mode.RGB})),
    ".pgm": ("PPM", frozenset({Mode.GRAY})),
    ".pbm": ("PPM", frozenset({Mode.BILEVEL})),
    ".pnm": ("PPM", frozenset({Mode.RGB, Mode.GRAY, Mode.BILEVEL})),
}
_OPTIONS = {"WEBP": {"lossless": True, "exact": True, "quality": 100, "method": 4}, "TIFF": {"compression": "tiff_lzw"}}


def can_write(suffix: str, mode: Mode) -> bool:
    """Whether files of this suffix keep images of this mode."""
    return suffix.lower() in WRITERS and mode in WRITERS[suffix.lower()][1]


def write_picture(picture: Picture, name: PurePath) -> tuple[bytes, list[str]]:
    """Encode a picture in the format that ``name``'s suffix stands for.

    Returns:
        the file's bytes, and the names of metadata that the format cannot hold.

    Raises:
        UnsupportedImageError: if the format is lossy, unknown, or does not hold this mode.
    """
    suffix = name.suffix.lower()
    if not can_write(suffix, picture.mode):
        known = ", ".join(s for s, (_, modes) in WRITERS.items() if picture.mode in modes)
        kind = picture.mode.name.lower().replace("_", "+")
        raise UnsupportedImageError(f"{suffix or 'files without suffix'} cannot hold this {kind} image; use {known}")
    file_format = WRITERS[suffix][0]
    mode = PILLOW_MODES[picture.mode]
    options = {**_OPTIONS.get(file_format, {}), **metadata.save_options(picture.metadata, mode, file_format)}
    buffer = io.BytesIO()
    to_pillow(picture).save(buffer, file_format, **options)
    return buffer.getvalue(), metadata.lost(picture.metadata, file_format)
