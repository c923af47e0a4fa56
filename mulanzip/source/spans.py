"""A file as images and what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.source import bmp, dicom, fits, npy, pnm, tga, tiff
from mulanzip.source.found import Found
from mulanzip.source.holes import Claims, Hole, cut, read, restore
from mulanzip.source.table import MAX_BLOCKS, MAX_IMAGES, check_blocks


class Parser(Protocol):
    """The parser of a format."""

    def is_mine(self, data: bytes) -> bool: ...
    def find(self, data: bytes) -> Iterator[Found]: ...


#: In this order: DICOM files may look like TIFF files as well, and TGA files have no signature.
PARSERS: tuple[Parser, ...] = (dicom, tiff, bmp, pnm, npy, fits, tga)
#: Images of fewer samples stay in the skeleton: their own headers would cost more than the model saves.
LEAST_SAMPLES = 1024


@dataclass(frozen=True)
class Spans:
    """A file: ``restore(skeleton, holes, samples of the pictures)`` gives its bytes.

    Attributes:
        pictures: the images that were taken out, without metadata.
        holes: where they were.
        skeleton: the rest of the file.
    """

    pictures: tuple[Picture, ...]
    holes: tuple[Hole, ...]
    skeleton: bytes


def find(data: bytes, least_samples: int = LEAST_SAMPLES) -> Spans | None:
    """Take the images out of a file in which they lie uncompressed.

    Whatever is not understood stays in the skeleton.  The result was tried: it gives the same bytes.

    Args:
        data: the whole file.
        least_samples: images of fewer samples are left in the file.

    Returns:
        None if there are no images that could be taken out.
    """
    kept = choose(data, find_all(data), least_samples)
    if not kept:
        return None
    holes = tuple(found.hole for found in kept)
    pictures = tuple(_picture(data, found) for found in kept)
    spans = Spans(pictures, holes, cut(data, holes))
    return spans if restore(spans.skeleton, holes, [picture.pixels for picture in pictures]) == data else None


def find_all(data: bytes) -> Iterator[Found]:
    """The images that the first parser finds that finds any.  Nothing about them was checked."""
    for parser in PARSERS:
        is_found = False
        if parser.is_mine(data):
            try:
                for found in parser.find(data):
                    is_found = True
                    yield found
            except ValueError:
                pass  # The file is damaged from here on: what was found before may be whole.
        if is_found:
            return


def choose(data: bytes, found: Iterator[Found], least_samples: int) -> list[Found]:
    """Those images that lie in the file, do not overlap, and are large enough."""
    claims, kept, blocks = Claims(len(data)), list[Found](), 0
    for image in found:
        height, width, channels = image.hole.layout.shape
        if height * width * channels < least_samples:
            continue
        try:
            count = check_blocks(image.hole.layout)
            if blocks + count > MAX_BLOCKS or len(kept) == MAX_IMAGES:
                break
            claims.add(image.hole)
        except ValueError:
            continue
        blocks += count
        kept.append(image)
    return kept


def _picture(data: bytes, found: Found) -> Picture:
    pixels = read(data, found.hole)
    mode, palette, bits = found.mode, found.palette, 16
    top = int(pixels.max())
    if (mode is Mode.BILEVEL and top > 1) or (mode is Mode.PALETTE and 3 * top >= len(palette)):
        mode, palette = Mode.GRAY, b""
    if pixels.dtype == np.uint16 and top >> found.bits == 0:
        bits = found.bits
    return Picture(mode, pixels, palette, bits=bits)
