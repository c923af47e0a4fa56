"""Metadata payloads: what Pillow reports, as bytes by chunk kind, and back.

Kinds: ``iccp`` ICC profile, ``exif`` EXIF, ``xmpm`` XMP, ``text`` PNG text, ``phys`` resolution,
``trns`` transparency of palette entries or of one colour.  ``text`` and ``phys`` are JSON.
"""

from __future__ import annotations

import json
from typing import Any

from PIL import Image, PngImagePlugin

ICC, EXIF, XMP, TEXT, RESOLUTION, TRANSPARENCY = (b"iccp", b"exif", b"xmpm", b"text", b"phys", b"trns")
KINDS = (ICC, EXIF, XMP, TEXT, RESOLUTION, TRANSPARENCY)

_XMP_KEYWORD = "XML:com.adobe.xmp"


def collect(image: Image.Image) -> dict[bytes, bytes]:
    """The metadata of an opened (and loaded) Pillow image."""
    info: dict[Any, Any] = image.info
    found: dict[bytes, bytes] = {}
    if info.get("icc_profile"):
        found[ICC] = bytes(info["icc_profile"])
    exif = info.get("exif") or image.getexif().tobytes()
    if exif and exif not in (b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"):
        found[EXIF] = bytes(exif)
    xmp = info.get("xmp") or info.get(_XMP_KEYWORD)
    if xmp:
        found[XMP] = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    text = getattr(image, "text", None)
    if isinstance(text, dict):
        entries = [_text_entry(key, value) for key, value in text.items() if key != _XMP_KEYWORD]
        if entries:
            found[TEXT] = json.dumps(entries, ensure_ascii=False).encode()
    if "dpi" in info and all(isinstance(d, int | float) for d in info["dpi"]):
        found[RESOLUTION] = json.dumps([float(d) for d in info["dpi"]]).encode()
    transparency = info.get("transparency")
    if transparency is not None:
        found[TRANSPARENCY] = _pack_transparency(image.mode, transparency)
    return found


def _text_entry(key: str, value: str) -> dict[str, Any]:
    if isinstance(value, PngImagePlugin.iTXt):
        return {"key": key, "value": str(value), "lang": value.lang or "", "tkey": value.tkey or ""}
    return {"key": key, "value": value}


def _pack_transparency(mode: str, value: Any) -> bytes:
    """Palette: opacities.  Gray and RGB: the samples of the transparent colour."""
    if isinstance(value, bytes):
        return value
    if mode == "P":
        return b"\xff" * value + b"\0"
    return bytes(value) if isinstance(value, tuple) else bytes([value])


def save_options(metadata: dict[bytes, bytes], mode: str, file_format: str) -> dict[str, Any]:
    """Arguments of Pillow's ``save`` that write the metadata, as far as the format holds it."""
    options: dict[str, Any] = {}
    if ICC in metadata:
        options["icc_profile"] = metadata[ICC]
    if EXIF in metadata and file_format in ("PNG", "WEBP", "TIFF"):
        options["exif"] = metadata[EXIF]
    if RESOLUTION in metadata and file_format in ("PNG", "TIFF", "BMP"):
        options["dpi"] = tuple(json.loads(metadata[RESOLUTION]))
    if TRANSPARENCY in metadata and file_format == "PNG":
        packed = metadata[TRANSPARENCY]
        options["transparency"] = packed if mode == "P" else packed[0] if mode in ("L", "1") else tuple(packed)
    if file_format == "WEBP" and XMP in metadata:
        options["xmp"] = metadata[XMP]
    if file_format == "PNG":
        options["pnginfo"] = _png_text(metadata)
    return options


def _png_text(metadata: dict[bytes, bytes]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for entry in json.loads(metadata.get(TEXT, b"[]")):
        if "lang" in entry:
            info.add_itxt(entry["key"], entry["value"], entry["lang"], entry["tkey"])
        else:
            info.add_text(entry["key"], entry["value"])
    if XMP in metadata:
        info.add_itxt(_XMP_KEYWORD, metadata[XMP].decode("utf-8", "replace"))
    return info


def lost(metadata: dict[bytes, bytes], file_format: str) -> list[str]:
    """Names of what ``file_format`` cannot hold."""
    names = {ICC: "ICC profile", EXIF: "EXIF", XMP: "XMP", TEXT: "text", TRANSPARENCY: "transparency"}
    kept = {
        "PNG": set(KINDS),
        "WEBP": {ICC, EXIF, XMP},
        "TIFF": {ICC, EXIF, RESOLUTION},
    }.get(file_format, set())
    return [name for kind, name in names.items() if kind in metadata and kind not in kept]
