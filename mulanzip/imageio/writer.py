"""Pictures -> image files, in a lossless format that the name chooses."""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import Any

from mulanzip.container import Mode
from mulanzip.errors import UnsupportedImageError
from mulanzip.imageio import metadata, png, tiff_tags
from mulanzip.imageio.pillow_image import to_pillow
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
_OPTIONS: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True, "exact": True, "quality": 100, "method": 4},
    "TIFF": {"compression": "tiff_lzw"},
}


def can_write(suffix: str, mode: Mode) -> bool:
    """Whether files of this suffix keep images of this mode."""
    return suffix.lower() in WRITERS and mode in WRITERS[suffix.lower()][1]


def require_writable(name: PurePath, mode: Mode) -> None:
    """Check that ``name``'s suffix stands for a lossless format that holds images of this mode.

    Raises:
        UnsupportedImageError: if not.
    """
    if not can_write(name.suffix, mode):
        known = ", ".join(suffix for suffix, (_, modes) in WRITERS.items() if mode in modes)
        kind = mode.name.lower().replace("_", "+")
        raise UnsupportedImageError(f"cannot write {kind} images without loss as {name.name}; use one of {known}")


def write_picture(picture: Picture, name: PurePath) -> tuple[bytes, list[str]]:
    """Encode a picture in the format that ``name``'s suffix stands for.

    Returns:
        the file's bytes, and the names of metadata that it does not hold.

    Raises:
        UnsupportedImageError: if the format is lossy, unknown, or does not hold this image.
    """
    require_writable(name, picture.mode)
    file_format = WRITERS[name.suffix.lower()][0]
    lost = metadata.lost(picture.metadata, file_format)
    if file_format == "PNG":
        return png.encode(picture, metadata.png_chunks(picture.metadata)), lost
    options = {**_OPTIONS.get(file_format, {}), **_metadata_options(picture.metadata, file_format)}
    buffer = io.BytesIO()
    try:
        to_pillow(picture).save(buffer, file_format, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise UnsupportedImageError(f"{file_format} cannot hold this image ({error}); use .png") from None
    data = buffer.getvalue()
    if file_format == "WEBP" and picture.mode is Mode.RGBA and picture.pixels[..., 3].min() == 255:
        lost.append("an alpha channel that is opaque everywhere")
    if file_format == "TIFF":
        data, damaged = _with_tags(data, picture.metadata)
        lost += damaged
    return data, lost


def _metadata_options(found: dict[bytes, bytes], file_format: str) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` that write metadata."""
    options: dict[str, Any] = {}
    if metadata.ICC in found and file_format in ("TIFF", "WEBP"):
        options["icc_profile"] = found[metadata.ICC]
    if metadata.RESOLUTION in found and file_format in ("TIFF", "BMP"):
        options["dpi"] = metadata.resolution(found[metadata.RESOLUTION])
    if file_format == "WEBP":
        options |= {"exif": found.get(metadata.EXIF, b""), "xmp": found.get(metadata.XMP, b"")}
    return options


def _with_tags(data: bytes, found: dict[bytes, bytes]) -> tuple[bytes, list[str]]:
    exif, xmp = found.get(metadata.EXIF), found.get(metadata.XMP)
    try:
        return tiff_tags.added(data, exif, xmp), []
    except ValueError:
        return tiff_tags.added(data, None, xmp), ["EXIF, which is damaged"]
