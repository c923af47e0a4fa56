"""What a container keeps that keeps a file: its bytes, and the picture that readers of it show.

The images of a skeleton are containers of their own, which the caller decodes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from mulanzip.errors import CorruptFileError, PartError, UnreadableImageError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import DATA, IMAGE, JPEG, SKELETON, STACK, STREAMS, Coding, Container
from mulanzip.image.picture import Picture
from mulanzip.imageio import preview
from mulanzip.imageio.reader import read_picture
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import Execution
from mulanzip.source import holes as source
from mulanzip.source import table
from mulanzip.source.holes import Hole
from mulanzip.streams import expanded
from mulanzip.whole import general, jpeg, pieces
from mulanzip.whole.skeleton import Skeleton
from mulanzip.whole.streams import StreamsChunk

#: Decodes the container of an image at a scale.
Decode: TypeAlias = Callable[[Container, int, Execution], Picture]
#: Copies of a file that are in memory while its images are put into their places.
_RESTORING = 3


def restore(file: Container, decode: Decode, execution: Execution) -> bytes:
    """The bytes of the file; where libraries make other streams here than in the source, those of :func:`is_source`.

    Raises:
        CorruptFileError, LimitError: if they are damaged, or too many; and all that ``decode`` raises.
    """
    limits = execution.limits
    limits.check_pixels(file.header.height, file.header.width)
    if file.header.coding is Coding.PIECES:
        return pieces.unpack(file, limits)
    skeleton, holes, images = _taken_apart(file, limits)
    streams = _streams(file, limits)
    limits.require(_RESTORING * skeleton.size + (streams.table.memory if streams else 0))
    decoded = []
    for number, image in enumerate(images):
        part = execution.part(number / len(images), (number + 1) / len(images))
        decoded.append(decode(image, 1, part).pixels)
    data = source.restore(skeleton.rest, holes, decoded)
    if not (streams.fits(data) if streams else is_source(file, data)):
        raise CorruptFileError("the file does not have the hash that its header promises")
    if streams is None:
        return data
    made = expanded.remake(data, streams.table)
    return made if is_source(file, made) or not streams.table.is_exact else expanded.remake(data, streams.table.anew())


def is_source(file: Container, restored: bytes) -> bool:
    """Whether the restored file is the source, byte for byte.

    A file of the grade ``file`` may not be, where another version of a library compresses in another way: it has the
    same samples then, and the same bytes outside of the streams.
    """
    return pieces.file_hash(restored) == file.header.pixel_hash


def shown(file: Container, decode: Decode, scale: int, execution: Execution) -> Picture:
    """What readers of the file show, or else the only stack in it.

    Of a skeleton, where that is its first image, the other images are not decoded.

    Raises:
        UnsupportedImageError: if that is nothing; and as :func:`restore`.
    """
    limits = execution.limits
    if (found := shown_image(file, limits)) is not None:
        image, metadata = found
        metadata = metadata if scale == 1 else preview.kept_metadata(metadata, scale)
        return replace(decode(image, scale, execution), metadata=metadata)
    data = restore(file, decode, execution)
    try:
        return preview.shrunk(_picture_of(data, limits), scale)
    except UnsupportedImageError:
        only = None if file.header.coding is not Coding.SKELETON else _only_image(file, limits)
        if only is None:
            raise
        return decode(only, scale, execution)  # No reader here knows more of it.


def shown_image(file: Container, limits: Limits = NO_LIMITS) -> tuple[Container, dict[bytes, bytes]] | None:
    """The first image of a file and its metadata, if readers of the file show it, or else its only stack.

    Raises:
        CorruptFileError, LimitError: as :func:`restore`.
    """
    if file.header.coding is not Coding.SKELETON:
        return None
    skeleton, holes, images = _taken_apart(file, limits)
    blank = _blank(skeleton, holes, _streams(file, limits), limits)
    metadata = None if blank is None else _metadata_of(blank, limits)
    if metadata is not None:
        as_bands = tuple(chunk for chunk in images[0].chunks if chunk.kind != STACK)
        return replace(images[0], chunks=as_bands), metadata
    only = _only_image(file, limits)
    return (only, {}) if only is not None and only.of_kind(STACK) else None


def _only_image(file: Container, limits: Limits) -> Container | None:
    """The image of a skeleton, if it has no other one, and all of its samples are in it."""
    skeleton, _, images = _taken_apart(file, limits)
    return images[0] if len(images) == 1 and not skeleton.has_halves else None


def image_of_slice(file: Container, index: int, limits: Limits = NO_LIMITS) -> tuple[Container, int]:
    """The image that a slice or band is in, counted through all images of a file, and its number there.

    Raises:
        PartError: if there is no such slice.
        CorruptFileError, LimitError: as :func:`restore`.
    """
    before = 0
    images = list[Container]()
    if file.header.coding is Coding.SKELETON:
        skeleton, _, images = _taken_apart(file, limits)
        if skeleton.has_halves:
            raise PartError("samples of 32 bits have no pictures: decompress the whole file")
    for image in images:
        count = image.header.bands or 1
        if before <= index < before + count:
            return image, index - before
        before += count
    counted = f"{before} slices, bands or images, counted from 0; small ones lie together in one" if before else "none"
    raise PartError(f"there is no slice, band or image {index}: the file has {counted}")


def front(file: Container, decode: Decode, limits: Limits = NO_LIMITS) -> Picture:
    """A picture of the kind, size and metadata of what :func:`shown` gives.

    Its samples may be zeros: images that a model coded are not decoded.

    Raises:
        CorruptFileError, LimitError, UnsupportedImageError: as :func:`shown`.
    """
    limits.check_pixels(file.header.height, file.header.width)
    if file.header.coding is Coding.SKELETON:
        blank = _blank(*_taken_apart(file, limits)[:2], _streams(file, limits), limits)
        if blank is not None:
            with suppress(UnsupportedImageError):
                return _picture_of(blank, limits)
    return shown(file, decode, 1, Execution(limits=limits))


def first_bytes(file: Container, limits: Limits = NO_LIMITS) -> bytes:
    """The bytes that a kept file begins with: some, but those of its images.

    Raises:
        CorruptFileError, LimitError: as :func:`restore`.
    """
    if file.header.coding is Coding.PIECES:
        first = next(chunk for chunk in file.chunks if chunk.kind in (DATA, JPEG))
        return jpeg.SIGNATURE if first.kind == JPEG else general.unpack(first.payload, limits)
    return Skeleton.unpack(file.of_kind(SKELETON)[0], limits).rest


def _taken_apart(file: Container, limits: Limits) -> tuple[Skeleton, list[Hole], list[Container]]:
    """The skeleton of a file, and its images, each with its place.

    Raises:
        CorruptFileError: if they do not fit together.
        LimitError: if they are too large.
    """
    skeleton = Skeleton.unpack(file.of_kind(SKELETON)[0], limits)
    holes = table.unpack(skeleton.table)
    if source.restored_size(len(skeleton.rest), holes) != skeleton.size:
        raise CorruptFileError("the skeleton of the file does not have the size that it says")
    images = [container.unpack(payload) for payload in file.of_kind(IMAGE)]
    if len(images) != len(holes):
        raise CorruptFileError("the file has another number of images than of places for them")
    for image, hole in zip(images, holes, strict=True):
        header = image.header
        if header.coding.is_file or (header.height, header.width, header.channels) != hole.layout.shape:
            raise CorruptFileError("an image does not fit the place that it was taken from")
        limits.check_pixels(header.height, header.width)
    return skeleton, holes, images


def _streams(file: Container, limits: Limits) -> StreamsChunk | None:
    """What makes the streams of the file."""
    return next((StreamsChunk.unpack(payload, limits) for payload in file.of_kind(STREAMS)), None)


def _blank(skeleton: Skeleton, holes: list[Hole], streams: StreamsChunk | None, limits: Limits) -> bytes | None:
    """A file with all samples zero, if readers of it show its first image."""
    if not skeleton.is_shown:
        return None
    limits.require(_RESTORING * skeleton.size)
    data = source.restore(skeleton.rest, holes, [np.zeros(hole.layout.shape, hole.layout.dtype) for hole in holes])
    return data if streams is None else expanded.remake(data, streams.table.anew())


def _metadata_of(blank: bytes, limits: Limits) -> dict[bytes, bytes] | None:
    """The metadata of a file; None if no reader here knows it, or if it is damaged."""
    try:
        return _picture_of(blank, limits).metadata
    except UnsupportedImageError:
        return None


def _picture_of(data: bytes, limits: Limits) -> Picture:
    """The picture that a kept file shows.

    Raises:
        UnsupportedImageError: if it is no image, or none that can be read as pixels.
        LimitError: if it is too large.
    """
    try:
        return read_picture(io.BytesIO(data), limits)[0]
    except (UnreadableImageError, UnsupportedImageError) as error:
        raise UnsupportedImageError(f"the file that it keeps cannot be shown as pixels: {error}") from None
