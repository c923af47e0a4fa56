"""A file as images and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Protocol

import numpy as np

from mulanzip.image.kinds import MAX_BANDS, Mode
from mulanzip.image.picture import Picture
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.source import bmp, dicom, fits, gif, mgh, nifti, npy, pnm, tar, tga, tiff
from mulanzip.source.expand import Expanded, expand, expand_members
from mulanzip.source.found import Found, later
from mulanzip.source.holes import Claims, Hole, cut, read, restore
from mulanzip.source.table import MAX_BLOCKS, MAX_IMAGES, check_blocks
from mulanzip.streams import gzip_member
from mulanzip.streams.expanded import Streams
from mulanzip.streams.gzip_member import Member
from mulanzip.streams.table import MAX_STREAMS


class Parser(Protocol):
    """The parser of a format."""

    def is_mine(self, data: bytes) -> bool: ...
    def find(self, data: bytes) -> Iterator[Found]: ...


#: In this order: DICOM files may look like TIFF files as well, and TGA files have no signature.
PARSERS: tuple[Parser, ...] = (dicom, tiff, gif, bmp, pnm, npy, fits, nifti, mgh, tga)
#: Bytes at the start of a file that suffice to know its format.
HEAD = 1 << 12
#: Images of fewer samples stay in the skeleton: their own headers would cost more than the model saves.
_LEAST_SAMPLES = 1024
#: Images of up to this number of pixels, and those with palettes, which are never coded by the model, are coded as one
#: with others: each alone costs a header, and time.
_SMALL_PIXELS = 1 << 15
#: Gray images of this number of pixels and more are slices of a stack where several follow each other.
_SLICE_PIXELS = 1 << 14
#: Maximum number of pixels of several images as one.
_STACK_PIXELS = 1 << 22


@dataclass(frozen=True)
class Spans:
    """A file: ``restore(skeleton, holes, samples of the pictures)`` gives its bytes.

    Attributes:
        pictures: the images that were taken out, without metadata; small ones may be several below each other, larger
            gray ones may be stacks.
        holes: where they were.
        skeleton: the rest of the file.
        streams: what makes the file of the one that is restored; None if that is the file itself.
    """

    pictures: tuple[Picture, ...]
    holes: tuple[Hole, ...]
    skeleton: bytes
    streams: Streams | None = None


def find(data: bytes, limits: Limits = NO_LIMITS) -> Spans | None:
    """Take the images out of a file in which they lie uncompressed, or in streams that can be made again.

    Whatever is not understood stays in the skeleton, and so do small images.  Small images of the same kind that follow
    each other become one, and larger gray ones become slices of a stack.  The result was tried: it gives the same
    bytes.

    Args:
        data: the whole file.

    Returns:
        None if there are no images that could be taken out.

    Raises:
        LimitError: if streams would take more memory than there is, or more pixels than the limits allow.
    """
    file = expanded(data, limits, _LEAST_SAMPLES)
    large = [found for found in stacked(choose(file.data, file.images)) if found.size >= _LEAST_SAMPLES]
    spans = take(file.data, large)
    return replace(spans, streams=file.streams) if spans else None


def expanded(data: bytes, limits: Limits = NO_LIMITS, least: int = 0) -> Expanded:
    """A file with the content of its streams, and the images that lie uncompressed there then.

    Of gzip files, these are the images that lie uncompressed in the members, each a file of its own.

    Args:
        least: samples of an image whose streams are replaced.

    Raises:
        LimitError: as :func:`find`.
    """
    members = _members(data, limits)
    if members:
        return expand_members(data, [member for member, _ in members], [images for _, images in members])
    images = [found for found in islice(find_all(data), MAX_IMAGES) if not found.blocks or found.size >= least]
    return expand(data, images, limits)


def _members(data: bytes, limits: Limits) -> list[tuple[Member, list[Found]]]:
    """The members of a gzip file, each with the images in it; none if these are none."""
    if not is_image(gzip_member.head(data, HEAD)):
        return []
    found = list[tuple[Member, list[Found]]]()
    for member in islice(gzip_member.members(data, limits), MAX_STREAMS):
        if member.content:
            images = islice(find_all(member.content), MAX_IMAGES)
            found.append((member, [image for image in images if image.blocks is None]))
    return found if any(images for _, images in found) else []


def is_image(data: bytes) -> bool:
    """Whether a parser may know the file that begins with these bytes, :data:`HEAD` or all of it; or an archive."""
    return tar.is_mine(data) or any(parser.is_mine(data) for parser in PARSERS)


def take(data: bytes, images: Sequence[Found]) -> Spans | None:
    """Take images out of a file; None if there are none, or if the file would not come back."""
    if not images:
        return None
    holes = tuple(found.hole for found in images)
    pictures = tuple(_picture(data, found) for found in images)
    spans = Spans(pictures, holes, cut(data, holes))
    return spans if restore(spans.skeleton, holes, [picture.pixels for picture in pictures]) == data else None


def find_all(data: bytes) -> Iterator[Found]:
    """The images of a file, or of the members of a tar archive.  Nothing about them was checked."""
    in_members = list(_find_in_members(data)) if tar.is_mine(data) else []
    yield from in_members or _find_in_file(data)


def _find_in_members(data: bytes) -> Iterator[Found]:
    """Images that lie uncompressed in members; those of a DICOM series one after the other, in their places."""
    found, first = list[tuple[tuple[int, float, float], list[Found]]](), dict[bytes, int]()
    for number, (start, end) in enumerate(tar.members(data)):
        member = data[start:end]
        images = [later(image, start) for image in _find_in_file(member) if image.blocks is None]
        place = (number, 0.0, 0.0)
        if images and dicom.is_mine(member):
            series, across, instance = dicom.place_in_series(member)
            place = (first.setdefault(series, number) if series else number, across, instance)
        found.append((place, images))
    for _, images in sorted(found, key=lambda pair: pair[0]):
        yield from images


def _find_in_file(data: bytes) -> Iterator[Found]:
    """The images that the first parser finds that finds any."""
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


def choose(data: bytes, found: Iterable[Found]) -> list[Found]:
    """Those images that lie in the file and do not overlap, as many as a table may have; none of compressed blocks."""
    claims, kept, blocks = Claims(len(data)), list[Found](), 0
    for image in found:
        if image.blocks is not None:
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


def stacked(images: Sequence[Found]) -> list[Found]:
    """Images; those of the same kind that follow each other as one: small ones below each other, or as slices."""
    done: list[Found] = []
    for _, group in groupby(images, lambda image: (image.hole.layout, image.mode, image.palette, image.bits)):
        alike = list(group)
        layout, mode = alike[0].hole.layout, alike[0].mode
        if mode is Mode.GRAY and layout.height * layout.width >= _SLICE_PIXELS and len(alike) > 1:
            done += [_as_slices(alike[i : i + MAX_BANDS]) for i in range(0, len(alike), MAX_BANDS)]
            continue
        is_small = mode is Mode.PALETTE or layout.height * layout.width <= _SMALL_PIXELS
        is_joined = is_small and layout.height % layout.block_height == 0
        count = max(1, _STACK_PIXELS // (layout.height * layout.width)) if is_joined else 1
        for i in range(0, len(alike), count):
            one = _as_one(alike[i : i + count])
            done += [one] if _is_allowed(one) else alike[i : i + count]
    return done


def _is_allowed(image: Found) -> bool:
    """Whether a table may have the image: many tiny ones as one may have too many blocks."""
    try:
        check_blocks(image.hole.layout)
    except ValueError:
        return False
    return True


def _as_one(images: Sequence[Found]) -> Found:
    if len(images) == 1:
        return images[0]
    layout = images[0].hole.layout
    offsets = np.stack([image.hole.offsets.reshape(layout.planes, -1) for image in images], 1)
    tall = replace(layout, height=layout.height * len(images))
    return replace(images[0], hole=Hole(tall, offsets.ravel()))


def _as_slices(images: Sequence[Found]) -> Found:
    if len(images) == 1:
        return images[0]
    layout = replace(images[0].hole.layout, planes=len(images))
    hole = Hole(layout, np.concatenate([image.hole.offsets for image in images]))
    return replace(images[0], hole=hole, mode=Mode.BANDS, is_stack=True)


def _picture(data: bytes, found: Found) -> Picture:
    pixels = read(data, found.hole)
    mode, palette, bits = found.mode, found.palette, 16
    top = int(pixels.max())
    if (mode is Mode.BILEVEL and top > 1) or (mode is Mode.PALETTE and 3 * top >= len(palette)):
        mode, palette = Mode.GRAY, b""
    if pixels.dtype == np.uint16 and top >> found.bits == 0:
        bits = found.bits
    return Picture(mode, pixels, palette, bits=bits, is_stack=found.is_stack)
