"""Pictures -> image files, in the lossless format that the file name stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mulanzip.errors import UnsupportedImageError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.metadata import EXIF, ICC, RESOLUTION, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png

_ALL = frozenset(Mode) - {Mode.BANDS}
_CHANNELS = frozenset({Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA})
_NONE: frozenset[Mode] = frozenset()


@dataclass(frozen=True)
class _Format:
    """A lossless format.

    Attributes:
        name: Pillow's name of the format, or our own.
        modes: the modes that it can hold with up to 8 bits per sample.
        deep: those that it can hold with more.
        signed: whether it can hold signed samples.
    """

    name: str
    modes: frozenset[Mode]
    deep: frozenset[Mode] = _NONE
    signed: bool = False

    def holds(self, kind: Kind) -> bool:
        if self.name == "NPY" and 0 < kind.bands <= len(_CHANNELS) and not kind.signed:
            return False  # Such an array would be read as gray or colours.
        return kind.mode in (self.deep if kind.is_deep else self.modes) and (self.signed or not kind.signed)


_GRAY, _RGB = frozenset({Mode.GRAY}), frozenset({Mode.RGB})
_TIFF = _Format("TIFF", _ALL | {Mode.BANDS}, _CHANNELS | {Mode.BANDS}, signed=True)
#: The formats by suffix.
WRITERS: dict[str, _Format] = {
    ".png": _Format("PNG", _ALL, _CHANNELS),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Format("WEBP", frozenset({Mode.RGB, Mode.RGBA})),
    ".bmp": _Format("BMP", frozenset({Mode.GRAY, Mode.RGB, Mode.PALETTE, Mode.BILEVEL})),
    ".ppm": _Format("PPM", _RGB, _RGB),
    ".pgm": _Format("PPM", _GRAY, _GRAY),
    ".pbm": _Format("PPM", frozenset({Mode.BILEVEL})),
    ".pnm": _Format("PPM", _RGB | _GRAY | {Mode.BILEVEL}, _RGB | _GRAY),
    ".pam": _Format("PAM", _CHANNELS | {Mode.BILEVEL, Mode.BANDS}, _CHANNELS | {Mode.BANDS}),
    ".npy": _Format("NPY", _CHANNELS | {Mode.BILEVEL, Mode.BANDS}, _CHANNELS | {Mode.BANDS}, signed=True),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True, "exact": True, "quality": 100, "method": 4},
    "TIFF": {"compression": "tiff_lzw"},
}


def can_write(suffix: str, kind: Kind) -> bool:
    """Whether files of this suffix can hold images of this kind."""
    return suffix.lower() in WRITERS and WRITERS[suffix.lower()].holds(kind)


def default_suffix(kind: Kind) -> str:
    """``.png``, or ``.tif`` for kinds of images that PNG files cannot hold."""
    return ".png" if can_write(".png", kind) else ".tif"


def require_writable(name: PurePath, kind: Kind) -> None:
    """Check that the suffix of ``name`` stands for a lossless format that can hold images of this kind.

    Raises:
        UnsupportedImageError: if it does not.
    """
    if not can_write(name.suffix, kind):
        known = ", ".join(suffix for suffix, found in WRITERS.items() if found.holds(kind))
        raise UnsupportedImageError(f"cannot write {kind} images without loss as {name.name}; use one of {known}")


def write_picture(picture: Picture, name: PurePath) -> tuple[bytes, list[str]]:
    """Encode a picture in the format that the suffix of ``name`` stands for.

    Returns:
        the bytes of the file, and the names of metadata that the format cannot hold.

    Raises:
        UnsupportedImageError: if the format is lossy, unknown, or cannot hold this image.
    """
    require_writable(name, picture.kind)
    suffix = name.suffix.lower()
    file_format = WRITERS[suffix].name
    lost = metadata.lost(picture.metadata, file_format)
    if file_format == "PNG":
        return png.encode(picture, metadata.png_chunks(picture.metadata)), lost
    if file_format == "NPY":
        from mulanzip.imageio import numpy_file

        return numpy_file.encode(picture), lost
    if file_format == "PAM" or (file_format == "PPM" and picture.is_deep):
        from mulanzip.imageio import pnm

        return pnm.encode(picture, suffix), lost
    if file_format == "TIFF" and (picture.is_deep or picture.mode is Mode.BANDS):
        from mulanzip.imageio import tiff_samples

        data = tiff_samples.encode(picture)
    else:
        data = _by_pillow(picture, file_format)
    if file_format == "WEBP" and picture.mode is Mode.RGBA and picture.pixels[..., 3].min() == 255:
        lost.append("an alpha channel that is opaque everywhere")
    if file_format == "TIFF":
        data, damaged = _with_tags(data, picture.metadata)
        lost += damaged
    return data, lost


def _by_pillow(picture: Picture, file_format: str) -> bytes:
    from mulanzip.imageio.pillow_files import saved
    from mulanzip.imageio.pillow_image import to_pillow

    options = {**_OPTIONS.get(file_format, {}), **_metadata_options(picture.metadata, file_format)}
    try:
        return saved(to_pillow(picture), file_format, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise UnsupportedImageError(f"{file_format} cannot hold this image ({error}); use .png") from None


def _metadata_options(found: dict[bytes, bytes], file_format: str) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` that write metadata."""
    options: dict[str, Any] = {}
    if ICC in found and file_format in ("TIFF", "WEBP"):
        options["icc_profile"] = found[ICC]
    if RESOLUTION in found and file_format in ("TIFF", "BMP"):
        options["dpi"] = metadata.resolution(found[RESOLUTION])
    if file_format == "WEBP":
        options |= {"exif": found.get(EXIF, b""), "xmp": found.get(XMP, b"")}
    return options


def _with_tags(data: bytes, found: dict[bytes, bytes]) -> tuple[bytes, list[str]]:
    from mulanzip.imageio import tiff_tags

    exif, xmp = found.get(EXIF), found.get(XMP)
    try:
        return tiff_tags.added(data, exif, xmp), []
    except ValueError:
        return tiff_tags.added(data, None, xmp), ["EXIF, which is damaged"]
