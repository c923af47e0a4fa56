"""``.mzp`` files -> pictures, parts of pictures, or the bytes of files that were kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mulanzip import registry
from mulanzip.errors import CorruptFileError, PartError
from mulanzip.format import container
from mulanzip.format.container import CHAIN, STACK, STORED, Chunk, Coding, Container
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import preview
from mulanzip.imageio.metadata import check
from mulanzip.imageio.preview import SCALES
from mulanzip.inflate import Outcome, inflate
from mulanzip.lattice.geometry import level_grids
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.open_model import open_for_coding
from mulanzip.options import Execution

if TYPE_CHECKING:
    import numpy as np

    from mulanzip import kept_file

#: Maximum size of one kind of metadata, uncompressed, in bytes.
_MAX_METADATA = 1 << 28


def decode_picture(
    data: bytes, *, scale: int = 1, model: str | None = None, execution: Execution = Execution()
) -> Picture:
    """Restore a picture from the bytes of a ``.mzp`` file; arguments and errors as for :func:`decode`."""
    return decode_container(container.unpack(data), scale=scale, model=model, execution=execution)


def decode_container(
    file: Container, *, scale: int = 1, model: str | None = None, execution: Execution = Execution()
) -> Picture:
    """Restore a picture with mode, palette and metadata; of a preview, the metadata that hold for it.

    Raises:
        CorruptFileError, ModelError, LimitError, ValueError: as :func:`decode`.
        UnsupportedImageError: if a file was kept that is no image, or none that can be read as pixels.
    """
    preview.check_scale(scale)
    header, limits = file.header, execution.limits
    limits.check_pixels(header.height, header.width)
    if header.coding.is_file:
        from mulanzip import kept_file

        return kept_file.shown(file, _decoder(model), scale, execution)
    metadata = metadata_of(file, limits)
    palette, level = b"", 0
    if header.coding is Coding.STORED:
        from mulanzip.imageio import stored as stored_form

        limits.require(stored_form.bytes_to_restore(header.kind, header.width, header.height))
        pixels, palette = stored_form.restore(file.of_kind(STORED)[0], header.kind, header.width, header.height)
    elif header.coding is Coding.CHAIN:
        pixels = _decode_chain(file, model, execution)
    else:
        from mulanzip.codec.image import bytes_kept, decode_groups

        grids = level_grids(header.height, header.width)
        level = min(SCALES.index(scale), len(grids) - 1)
        size = grids[level].height * grids[level].width * header.channels * header.dtype.itemsize
        runtime = open_for_coding(registry.by_id(header.model_id, model), size, execution, bytes_kept(file))
        pixels = decode_groups(file, runtime, execution.progress, level=level)
    is_stack = bool(file.of_kind(STACK))
    picture = Picture(header.mode, pixels, palette, metadata, bits=header.depth, is_stack=is_stack)
    if level == 0 and picture.pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises")
    return preview.shrunk(picture, scale, SCALES[level])


def decode_part(
    file: Container,
    index: int | None,
    region: tuple[slice, slice] | None,
    *,
    scale: int = 1,
    model: str | None = None,
    execution: Execution = Execution(),
) -> Picture:
    """Restore a slice or band, a region of a picture, or both; arguments as for :func:`decode`.

    A region has the metadata that a preview would have.

    All checksums are checked, and the hashes of what is decoded.

    Raises:
        CorruptFileError, PartError, ModelError, LimitError, ValueError: as :func:`decode`.
        UnsupportedImageError: as :func:`decode_container`.
    """
    preview.check_scale(scale)
    header = file.header
    if header.coding.is_file:
        from mulanzip import kept_file

        if index is not None:
            image, within = kept_file.image_of_slice(file, index, execution.limits)
            number = within if image.header.bands else None
            return decode_part(image, number, region, scale=scale, model=model, execution=execution)
        if (found := kept_file.shown_image(file, execution.limits)) is not None:
            picture = decode_part(found[0], None, region, scale=scale, model=model, execution=execution)
            return replace(picture, metadata=preview.kept_metadata(found[1], scale))
    if index is not None and not 0 <= index < header.bands:
        counted = f"{header.bands} slices or bands, counted from 0" if header.bands else "no slices or bands"
        raise PartError(f"there is no slice or band {index}: the file has {counted}")
    level = SCALES.index(scale)
    has_level = level < len(level_grids(max(1, header.height), max(1, header.width)))
    if header.coding is not Coding.MODEL or not has_level:
        whole = decode_container(file, model=model, execution=execution)
        pixels = whole.pixels[::scale, ::scale][preview.region_of(region, whole.pixels.shape[:2], scale)]
        picture = replace(whole, pixels=pixels, metadata=preview.kept_metadata(whole.metadata, scale))
        return picture if index is None else _band(picture, pixels[..., index : index + 1])
    from mulanzip.codec.image import bytes_kept, decode_groups

    execution.limits.check_pixels(header.height, header.width)
    grid = level_grids(header.height, header.width)[level]
    part = preview.region_of(region, (header.height, header.width), scale)
    size = grid.height * grid.width * header.channels * header.dtype.itemsize
    runtime = open_for_coding(registry.by_id(header.model_id, model), size, execution, bytes_kept(file))
    pixels = decode_groups(file, runtime, execution.progress, level=level, only=index, region=part)
    metadata = preview.kept_metadata(metadata_of(file, execution.limits), scale)
    picture = Picture(header.mode, pixels, b"", metadata, bits=header.depth, is_stack=bool(file.of_kind(STACK)))
    return picture if index is None else _band(picture, pixels)


def _band(picture: Picture, pixels: np.ndarray) -> Picture:
    """A band or slice as a gray picture.  Metadata are left out: they describe the whole image."""
    return replace(picture, mode=Mode.GRAY, pixels=pixels, metadata={}, is_stack=False)


def restore_file(file: Container, *, model: str | None = None, execution: Execution = Execution()) -> bytes:
    """The bytes of the file that was kept.

    Args:
        file: whose header says that it keeps a file.
        model, execution: as for :func:`decode`.

    Raises:
        CorruptFileError, ModelError, LimitError: as :func:`decode`.
    """
    from mulanzip import kept_file

    return kept_file.restore(file, _decoder(model), execution)


def _decoder(model: str | None) -> kept_file.Decode:
    def decode_image(file: Container, scale: int, execution: Execution) -> Picture:
        return decode_container(file, scale=scale, model=model, execution=execution)

    return decode_image


def front_of(file: Container, limits: Limits = NO_LIMITS) -> Picture:
    """A picture of the kind, size and metadata of what :func:`decode_container` gives for a kept file.

    Raises:
        CorruptFileError, LimitError, UnsupportedImageError: as :func:`decode_container`.
    """
    from mulanzip import kept_file

    return kept_file.front(file, _decoder(None), limits)


def check_container(file: Container, *, model: str | None = None, execution: Execution = Execution()) -> None:
    """Decode everything in a file, and compare all hashes.

    Raises:
        CorruptFileError, ModelError, LimitError: as :func:`decode`.
    """
    if file.header.coding.is_file:
        restore_file(file, model=model, execution=execution)
    else:
        decode_container(file, model=model, execution=execution)


def _decode_chain(file: Container, model: str | None, execution: Execution) -> np.ndarray:
    """Pixels of a chain of tiles."""
    from mulanzip.gaussian.exact.tiled_image import decode_tiled_image as decode_tiles

    header = file.header
    info = registry.by_id(header.model_id, model)
    runtime = open_for_coding(info, header.height * header.width * header.channels, execution)
    return decode_tiles(
        file.of_kind(CHAIN)[0],
        (header.height, header.width),
        runtime,
        model=model,
        device=execution.device,
        progress=execution.progress,
    )


def metadata_of(file: Container, limits: Limits = NO_LIMITS) -> dict[bytes, bytes]:
    """Payloads of metadata by kind.

    Raises:
        CorruptFileError: if they are damaged.
        LimitError: if they are too large.
    """
    metadata = {chunk.kind: metadata_content(chunk, limits) for chunk in file.chunks if chunk.kind in KINDS}
    check(metadata, file.header.mode)
    return metadata


def metadata_content(chunk: Chunk, limits: Limits = NO_LIMITS) -> bytes:
    """The content of a metadata chunk.

    Raises:
        CorruptFileError: if it is damaged.
        LimitError: if it is too large.
    """
    limit = min(_MAX_METADATA, limits.memory or _MAX_METADATA)
    found = inflate(chunk.payload, limit)
    if found.outcome is Outcome.TOO_LARGE:
        limits.require(limit + 1)
        raise CorruptFileError(f"metadata {chunk.kind.decode()} is larger than the format allows")
    if found.outcome is not Outcome.CLEAN:
        raise CorruptFileError(f"metadata {chunk.kind.decode()} is damaged")
    return found.content
