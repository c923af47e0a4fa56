"""Metadata of image files <-> payloads: bytes by the kind of the chunk that holds them in a ``.mzp`` file.

Kinds:

- ``iccp``: the ICC profile.
- ``exif``: EXIF, from its TIFF header on.  TIFF files: their descriptive tags, in the same form.  JPEG files: also
  IPTC, as the TIFF tag.
- ``xmpm``: the XMP packet.
- ``pngc``: unchanged PNG chunks of text, colour and time (:func:`mulanzip.imageio.png.pack_chunks`).  Comments of
  JPEG and GIF files become text chunks.
- ``phys``: resolution, in dots per inch across and down, two little-endian doubles.
- ``trns``: transparency as in the chunk ``tRNS`` of a PNG file of 8 bits per sample: opacities of the palette's
  entries, or the transparent gray value (2 bytes) or colour (6 bytes).  It is part of the picture, and never stripped.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, BinaryIO

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, ICC, KINDS, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.imageio import png

if TYPE_CHECKING:
    from PIL import Image

#: Names of the metadata that users can strip; ``text`` and ``other`` are PNG chunks.
STRIPPABLE = ("icc", "exif", "xmp", "resolution", "text", "other")
_KIND_OF = {"icc": ICC, "exif": EXIF, "xmp": XMP, "resolution": RESOLUTION}

_EXIF_PREFIX = b"Exif\0\0"
_RESOLUTION = struct.Struct("<2d")
#: PNG files store pixels per metre in 31 bits: up to 5.4e7 dots per inch.
_MAX_DPI = 5e7


def collect(image: Image.Image, file: BinaryIO) -> tuple[dict[bytes, bytes], list[str]]:
    """The metadata of a loaded Pillow image and of its file, without the tags of TIFF files.

    Returns:
        payloads by kind, and names of metadata that cannot be kept.
    """
    info: dict[Any, Any] = image.info
    transparency = _pack_transparency(image)
    lost: list[str] = []
    found = {
        ICC: bytes(info.get("icc_profile") or b""),
        XMP: _as_bytes(info.get("xmp")),
        RESOLUTION: pack_resolution(info.get("dpi")),
    }
    if image.format != "TIFF":
        found[EXIF] = bytes(info.get("exif") or b"").removeprefix(_EXIF_PREFIX)
    if image.format == "JPEG":
        from mulanzip.imageio import jpeg

        extra = jpeg.extra(image)
        lost += extra.lost + _add_comments(found, extra.comments) + _add_tags(found, extra.tags)
    if image.format == "GIF" and info.get("comment"):
        lost += _add_comments(found, [info["comment"]])
    if image.format == "PNG":
        chunks, transparency, dropped = png.read_chunks(file)
        found[PNG_CHUNKS] = png.pack_chunks(chunks)
        lost = [f"PNG {', '.join(dropped)}"] if dropped else []
    found[TRANSPARENCY] = transparency
    return {kind: payload for kind, payload in found.items() if payload}, lost


def _add_comments(found: dict[bytes, bytes], comments: list[bytes]) -> list[str]:
    """Add comments to ``found`` as PNG text.  Returns the names of metadata that cannot be kept."""
    chunks = [png.comment_chunk(comment) for comment in comments if comment.strip(b"\0")]
    found[PNG_CHUNKS] = png.pack_chunks(chunk for chunk in chunks if chunk)
    return ["comment"] if None in chunks else []


def _add_tags(found: dict[bytes, bytes], tags: dict[int, bytes]) -> list[str]:
    """Add tags to the EXIF block in ``found``.  Returns the names of metadata that cannot be kept."""
    from mulanzip.imageio import tiff_tags

    try:
        if tags:
            found[EXIF] = tiff_tags.extended(found[EXIF], tags)
    except ValueError:
        return ["IPTC, as the EXIF block that it would go to is damaged"]
    return []


def _as_bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def pack_resolution(dpi: Any) -> bytes:
    """The inverse of :func:`resolution`; empty if ``dpi`` is not a pair of valid resolutions."""
    try:
        x, y = (float(d) for d in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return b""
    return _RESOLUTION.pack(x, y) if _is_resolution(x) and _is_resolution(y) else b""


def _is_resolution(dpi: float) -> bool:
    return math.isfinite(dpi) and 0 < dpi < _MAX_DPI


def _pack_transparency(image: Image.Image) -> bytes:
    """Transparency of an image in another format than PNG, in the form of the chunk ``tRNS``."""
    value = image.info.get("transparency")
    if isinstance(value, int) and image.mode == "P":
        return b"\xff" * value + b"\0"
    if isinstance(value, int):
        return value.to_bytes(2, "big")
    if image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        return bytes(image.getpalette("RGBA") or b"")[3::4]
    return b""


def resolution(payload: bytes) -> tuple[float, float]:
    """Dots per inch, across and down.

    Raises:
        CorruptFileError: if the payload is damaged.
    """
    x, y = _RESOLUTION.unpack(payload) if len(payload) == _RESOLUTION.size else (0, 0)
    if not (_is_resolution(x) and _is_resolution(y)):
        raise CorruptFileError("the resolution is damaged")
    return x, y


def stripped(metadata: dict[bytes, bytes], names: Collection[str]) -> dict[bytes, bytes]:
    """Metadata without those named.

    Args:
        metadata: payloads by kind.
        names: each one of :data:`STRIPPABLE`.

    Raises:
        ValueError: for other names.
    """
    if unknown := set(names) - set(STRIPPABLE):
        raise ValueError(f"unknown metadata {', '.join(sorted(unknown))}; use some of {', '.join(STRIPPABLE)}")
    found = {kind: payload for kind, payload in metadata.items() if kind not in {_KIND_OF.get(name) for name in names}}
    chunks = png.unpack_chunks(found.pop(PNG_CHUNKS, b""))
    if kept := [chunk for chunk in chunks if ("text" if png.is_text(chunk) else "other") not in names]:
        found[PNG_CHUNKS] = png.pack_chunks(kept)
    return found


def check(metadata: dict[bytes, bytes], mode: Mode) -> None:
    """Check the payloads of a ``.mzp`` file, so that later code can rely on them.

    Raises:
        CorruptFileError: if a payload is damaged or contradicts the mode.
    """
    png.unpack_chunks(metadata.get(PNG_CHUNKS, b""))
    if RESOLUTION in metadata:
        resolution(metadata[RESOLUTION])
    payload = metadata.get(TRANSPARENCY)
    if payload is not None:
        size = {Mode.GRAY: 2, Mode.BILEVEL: 2, Mode.RGB: 6, Mode.PALETTE: min(len(payload), 256)}
        if len(payload) != size.get(mode):
            raise CorruptFileError("the transparency is damaged")


def png_chunks(metadata: dict[bytes, bytes]) -> list[png.Chunk]:
    """All metadata as PNG chunks."""
    chunks = png.unpack_chunks(metadata.get(PNG_CHUNKS, b""))
    if ICC in metadata:
        chunks.append(png.icc_chunk(metadata[ICC]))
    if EXIF in metadata:
        chunks.append((b"eXIf", metadata[EXIF]))
    if XMP in metadata:
        chunks.append(png.xmp_chunk(metadata[XMP]))
    if RESOLUTION in metadata:
        chunks.append(png.resolution_chunk(resolution(metadata[RESOLUTION])))
    if TRANSPARENCY in metadata:
        chunks.append((b"tRNS", metadata[TRANSPARENCY]))
    return chunks


def lost(metadata: dict[bytes, bytes], file_format: str) -> list[str]:
    """Names of the metadata that files of ``file_format`` cannot hold."""
    kept = {
        "PNG": set(KINDS),
        "WEBP": {ICC, EXIF, XMP},
        "TIFF": {ICC, EXIF, XMP, RESOLUTION},
        "BMP": {RESOLUTION},
    }.get(file_format, set())
    names = {ICC: "ICC profile", EXIF: "EXIF", XMP: "XMP", RESOLUTION: "resolution", TRANSPARENCY: "transparency"}
    missing = [name for kind, name in names.items() if kind in metadata and kind not in kept]
    if PNG_CHUNKS in metadata and PNG_CHUNKS not in kept:
        kinds = dict.fromkeys(kind.decode() for kind, _ in png.unpack_chunks(metadata[PNG_CHUNKS]))
        missing.append(f"PNG {', '.join(kinds)}")
    return missing
