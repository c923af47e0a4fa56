"""Previews: every 2nd, 4th or 8th pixel of a picture, and the metadata that still hold for it."""

from __future__ import annotations

import io

import numpy as np

from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png, tiff_tags

#: A preview has 1/1 (the image itself) to 1/8 of the image's sides.
SCALES = (1, 2, 4, 8)
#: In the names of files that are not the original.
MARK = ".preview"

#: PNG chunks that say how to show pixels, whatever their number.
_COLOUR_CHUNKS = frozenset((b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD"))
_ORIENTATION = 274


def check_scale(scale: int) -> None:
    """Check that there are previews of this scale.

    Raises:
        ValueError: if not.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale}")


def shrunk(picture: Picture, scale: int, done: int = 1) -> Picture:
    """The pixels in every ``scale``-th row and column, from the first on.

    Colour profile, transparency and orientation are kept, so that a preview looks like its image; the
    resolution is divided, so that it has the same size on paper.  What else is said of the image stays
    with the image.

    Args:
        scale: one of :data:`SCALES`.
        done: the part of ``scale`` that the pixels were divided by already.
    """
    if scale == 1:
        return picture
    pixels = np.ascontiguousarray(picture.pixels[:: scale // done, :: scale // done])
    return Picture(picture.mode, pixels, picture.palette, _metadata(picture.metadata, scale))


def _metadata(found: dict[bytes, bytes], scale: int) -> dict[bytes, bytes]:
    kept = {kind: found[kind] for kind in (ICC, TRANSPARENCY) if kind in found}
    chunks = png.unpack_chunks(found.get(PNG_CHUNKS, b""))
    if colour := [chunk for chunk in chunks if chunk[0] in _COLOUR_CHUNKS]:
        kept[PNG_CHUNKS] = png.pack_chunks(colour)
    if RESOLUTION in found:
        across, down = metadata.resolution(found[RESOLUTION])
        if divided := metadata.pack_resolution((across / scale, down / scale)):
            kept[RESOLUTION] = divided
    if EXIF in found and (orientation := _orientation(found[EXIF])):
        kept[EXIF] = orientation
    return kept


def _orientation(exif: bytes) -> bytes:
    """An EXIF block of the orientation alone; empty if there is none, or if the block is damaged."""
    try:
        directory = tiff_tags.read(io.BytesIO(exif), (_ORIENTATION,))
    except ValueError:
        return b""
    entries = {tag: entry for tag, entry in directory.entries.items() if tag == _ORIENTATION}
    return tiff_tags.to_block(tiff_tags.Directory(directory.order, entries)) if entries else b""
