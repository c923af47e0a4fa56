"""Previews: every 2nd, 4th or 8th row and column of a picture, and the metadata that stay true of them."""

from __future__ import annotations

import io

import numpy as np

from mulanzip.errors import PartError
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png

#: How many times smaller the sides of a preview are; 1 is the image itself.
SCALES = (1, 2, 4, 8)
#: Mark in the names of files that hold a preview.
MARK = ".preview"

#: PNG chunks that describe colours, and so stay true of a preview.
_COLOUR_CHUNKS = frozenset((b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD"))
_ORIENTATION = 274


def check_scale(scale: int) -> None:
    """Check a scale.

    Raises:
        ValueError: if it is not one of :data:`SCALES`.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale}")


def shrunk(picture: Picture, scale: int, done: int = 1) -> Picture:
    """The pixels in every ``scale``-th row and column, from the first on.

    Colour profile, transparency and orientation are kept, so that a preview looks like its image.  The resolution is
    divided by ``scale``, so that the preview has the same size on paper.  Other metadata is left out.

    Args:
        picture: has the metadata of the image.
        scale: one of :data:`SCALES`.
        done: divisor of ``scale`` by which the sides of ``picture`` are divided already.
    """
    if scale == 1:
        return picture
    pixels = np.ascontiguousarray(picture.pixels[:: scale // done, :: scale // done])
    found = kept_metadata(picture.metadata, scale)
    return Picture(picture.mode, pixels, picture.palette, found, is_stack=picture.is_stack)


def region_of(region: tuple[slice, slice] | None, size: tuple[int, int], scale: int) -> tuple[slice, slice]:
    """Rows and columns of a preview that lie in a region of its image, with both ends; all of them for None.

    Args:
        region: rows and columns of the image, as slices without steps.
        size: height and width of the image.
        scale: of the preview.

    Raises:
        PartError: if there are none.
        ValueError: for slices with steps.
    """
    found = []
    for name, part, side in zip(("rows", "columns"), region or (slice(None), slice(None)), size, strict=True):
        start, stop, step = part.indices(side)
        if step != 1:
            raise ValueError(f"a region is made of slices without steps, not of {part}")
        first, end = -(-start // scale), -(-stop // scale)
        if first >= end:
            asked = ":".join("" if edge is None else str(edge) for edge in (part.start, part.stop))
            what = "the image" if start >= stop else f"its preview, every {scale}{'nd' if scale == 2 else 'th'} of them"
            raise PartError(f"no pixel lies in {name} {asked} of {what}: the image has {side} {name}")
        found.append(slice(first, end))
    return found[0], found[1]


def kept_metadata(found: dict[bytes, bytes], scale: int) -> dict[bytes, bytes]:
    """The metadata of an image that stay true of its preview, or of a part of it."""
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
    """An EXIF block with only the orientation; empty if ``exif`` has none, or is damaged."""
    from mulanzip.imageio import tiff_tags

    try:
        directory = tiff_tags.read(io.BytesIO(exif), (_ORIENTATION,))
    except ValueError:
        return b""
    entries = {tag: entry for tag, entry in directory.entries.items() if tag == _ORIENTATION}
    return tiff_tags.to_block(tiff_tags.Directory(directory.order, entries)) if entries else b""
