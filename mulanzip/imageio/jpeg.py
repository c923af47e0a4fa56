"""Metadata of JPEG files that PNG and TIFF files store in other ways: comments, IPTC, Photoshop's resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from mulanzip.imageio import tiff_tags

_PHOTOSHOP, _EXTENDED_XMP = b"Photoshop 3.0\0", b"http://ns.adobe.com/xmp/extension/\0"
#: Number of the Photoshop resource that holds IPTC.
_IPTC_RESOURCE = 0x0404


@dataclass(frozen=True)
class Extra:
    """Metadata of a JPEG file beside EXIF, ICC and the XMP packet.

    Attributes:
        comments: in the order of the file.
        tags: IPTC as the value of its TIFF tag; all Photoshop resources as that of theirs, if there are others.
        lost: names of metadata that cannot be kept.
    """

    comments: list[bytes]
    tags: dict[int, bytes]
    lost: list[str]


def extra(image: Image.Image) -> Extra:
    """The extra metadata of a JPEG file that Pillow has opened."""
    parts: list[tuple[str, bytes]] = getattr(image, "applist", [])
    resources: dict[int, Any] = image.info.get("photoshop") or {}
    tags = {}
    if isinstance(iptc := resources.get(_IPTC_RESOURCE), bytes) and iptc:
        tags[tiff_tags.IPTC] = iptc
    if set(resources) - {_IPTC_RESOURCE}:
        blocks = (data.removeprefix(_PHOTOSHOP) for name, data in parts if data.startswith(_PHOTOSHOP))
        tags[tiff_tags.PHOTOSHOP] = b"".join(blocks)
    has_more = any(data.startswith(_EXTENDED_XMP) for _, data in parts)
    return Extra([data for name, data in parts if name == "COM"], tags, ["extended XMP"] if has_more else [])
