"""JPEG files: what they say in other ways than PNG and TIFF do, in those of PNG and TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from mulanzip.imageio import tiff_tags

_PHOTOSHOP, _EXTENDED_XMP = b"Photoshop 3.0\0", b"http://ns.adobe.com/xmp/extension/\0"
#: Photoshop's number for IPTC.
_IPTC_RESOURCE = 0x0404


@dataclass(frozen=True)
class Extra:
    """What a JPEG file has beside EXIF, ICC and the XMP packet.

    Attributes:
        comments: in the order of the file.
        tags: IPTC, and Photoshop's resources if there are others, as TIFF files have them.
        lost: names of what cannot be kept.
    """

    comments: list[bytes]
    tags: dict[int, bytes]
    lost: list[str]


def extra(image: Image.Image) -> Extra:
    """What a JPEG file has, opened by Pillow."""
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
