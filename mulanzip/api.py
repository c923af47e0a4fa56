"""Arrays and pictures <-> ``.mzp`` bytes: what ``import mulanzip`` offers for work in memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mulanzip import limits as memory
from mulanzip import registry
from mulanzip.errors import CorruptFileError, UnsupportedImageError, VerificationError
from mulanzip.format import container
from mulanzip.format.container import (
    CHAIN,
    CONTEXT,
    SEGMENT,
    STACK,
    STORED,
    Chunk,
    Coding,
    Container,
    Header,
)
from mulanzip.image.channels import colours_of
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import preview
from mulanzip.imageio.metadata import check
from mulanzip.imageio.preview import SCALES
from mulanzip.inflate import Outcome, inflate
from mulanzip.lattice.geometry import level_grids
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import EncodeOptions, Execution

if TYPE_CHECKING:
    from mulanzip import kept_file
    from mulanzip.density.runtime import Runtime
    from mulanzip.encoder.effort import SearchPlan

#: Maximum size of one kind of metadata, uncompressed, in bytes.
_MAX_METADATA = 1 << 28
#: Images with at most this number of samples are tried as stored images, too.
_SMALL = 1 << 14
#: An image is tried as a stored one where its quickly estimated stored size is less than this multiple of the model's.
_QUICK_MARGIN = 1.04
#: Contexts are fitted unless the model without one makes more than this multiple of the stored form.
_OUT_OF_REACH = 1.5
_WITHOUT_MODEL = (Mode.PALETTE, Mode.BILEVEL)


def encode(  # noqa: PLR0913
    array: np.ndarray,
    *,
    model: str = EncodeOptions.model,
    effort: int = EncodeOptions.effort,
    context: str | np.ndarray | None = EncodeOptions.context,
    schedule: str = EncodeOptions.schedule,
    mu: float = EncodeOptions.mu,
    stored: bool = EncodeOptions.stored,
    stack: bool = False,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
) -> bytes:
    """Compress an image.

    Args:
        array: uint8 or uint16 ``(H, W)`` gray, ``(H, W, 2)`` gray and alpha, ``(H, W, 3)`` RGB, ``(H, W, 4)``
            RGBA, ``(H, W, 5 to 255)`` bands; int16 ``(H, W)`` or ``(H, W, bands)``; or bool ``(H, W)``.
        model: ``auto``, which is ``photo``, for images without colours ``gray``, or, from effort 2 on and with 8 bits,
            the one of both that makes the smaller file; the name of a shipped model; or the path of a model file.  A
            model of Gaussian noise codes 8-bit RGB images as a chain of tiles, slowly, and ignores effort, context and
            schedule.
        effort: 1 (fast) to 9 (small): how carefully the model is adapted to the image.  From 4 on, a context is fitted,
            which needs torch.
        context: ``none``, ``fit``, or None: ``effort`` decides.  Or a context to use as it is, int8 ``(entries,)``,
            such as :func:`mulanzip.context_of` finds in the file of a similar image.
        schedule: order in which the denoiser reveals the pixels, one of
            :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`; or ``adaptive``: for each tile the one that costs least.
        mu: with ``adaptive``, bits per cell (four pixels) that a tile may grow for each evaluation of the network that
            it saves the decoder.
        stored: store the image as JPEG XL, WebP or PNG where that is smaller than the model's form.  Tried for small
            images, for images that look like drawings, and where crops are smaller that way.
        stack: whether the array is a stack of slices, uint8, uint16 or int16 ``(1 to 255, H, W)``: slices of a volume,
            or moments of a film.  A slice is coded given those before it, but for one in 32, with which decoding may
            begin.  Bands are coded given each other too, where they are alike.
        device: ``auto``, ``cpu``, ``cuda`` or ``reference``; the bytes are the same on all of them.
        threads: maximum number of threads; None for all cores.  The bytes are the same for any number.

    Returns:
        the bytes of a ``.mzp`` file.

    Raises:
        UnsupportedImageError: for other arrays.
        LimitError: if there is not enough memory.
        ModelError: if the model cannot be used.
        ValueError: for unknown options.
    """
    options = EncodeOptions(model, effort, context, schedule, mu, stored)
    picture = Picture.from_stack(array) if stack else Picture.from_array(array)
    return encode_picture(picture, options, Execution(device, threads)).pack()


def decode(  # noqa: PLR0913
    data: bytes,
    *,
    scale: int = 1,
    index: int | None = None,
    region: tuple[slice, slice] | None = None,
    model: str | None = None,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    limits: Limits = Execution.limits,
) -> np.ndarray:
    """Restore an image from the bytes of a ``.mzp`` file.

    Args:
        data: the whole file.
        scale: 1 for the image; 2, 4 or 8 for a preview: exactly its pixels ``[::scale, ::scale]``, in a
            fraction of the time.  All checksums are checked, but no hash of samples that are not decoded.
        index: of a slice of a stack or of a band, from 0: this one alone, ``(H, W)``.  Only what it takes is decoded.
            In a file that was kept, slices, bands and other images are counted together.
        region: rows and columns that are wanted, as slices without steps: the result is that part of the array, or of
            the preview those of its pixels that lie in it.  Where a model coded the image, only the tiles that it takes
            are decoded.
        model: a model to try beside the shipped ones.
        device, threads: as for :func:`encode`.
        limits: what the image may take; a preview counts as the whole image.

    Returns:
        the array that :func:`encode` was given; palette images (from files) as RGB or RGBA.

    Raises:
        CorruptFileError: if the bytes are damaged in any way.
        IndexError: if there is no such slice or band, or no pixel in the region.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
        ValueError: for unknown options.
    """
    execution = Execution(device, threads, limits)
    file = container.unpack(data)
    if index is None and region is None:
        return decode_container(file, scale=scale, model=model, execution=execution).to_array()
    return decode_part(file, index, region, scale=scale, model=model, execution=execution).to_array()


def encode_picture(
    picture: Picture, options: EncodeOptions = EncodeOptions(), execution: Execution = Execution()
) -> Container:
    """Compress a picture and its metadata.

    Raises:
        UnsupportedImageError, LimitError, ModelError, ValueError: as :func:`encode`.
    """
    from mulanzip.encoder.effort import SearchPlan
    from mulanzip.imageio import stored as stored_form

    plan = SearchPlan.of(options)
    metadata = tuple(
        Chunk(kind, zlib.compress(picture.metadata[kind], 9)) for kind in KINDS if kind in picture.metadata
    )
    candidates = []
    is_for_model = picture.mode not in _WITHOUT_MODEL
    is_tried = options.stored and _has_stored_chance(picture)
    is_quick = is_for_model and is_tried and plan.fit_steps(*picture.pixels.shape[:2]) > 0
    if is_for_model:
        candidates.append(
            _encode_with_model(picture, options.model, plan.quick(), execution.silent())
            if is_quick
            else _encode_with_model(picture, options.model, plan, execution)
        )
    if (
        not candidates
        or is_tried
        or (options.stored and stored_form.quick_size(picture) < _QUICK_MARGIN * candidates[0].payload_size)
    ):
        candidates.append(_store(picture))
    if is_quick and candidates[0].payload_size < _OUT_OF_REACH * candidates[-1].payload_size:
        candidates[0] = _encode_with_model(picture, options.model, plan, execution)
    best = min(candidates, key=lambda file: file.payload_size)
    stack = (Chunk(STACK, b""),) if picture.is_stack else ()
    return replace(best, chunks=(*metadata, *stack, *best.chunks))


def _has_stored_chance(picture: Picture) -> bool:
    """Whether the stored form takes next to no time, or may be the smaller one."""
    from mulanzip.imageio import stored as stored_form

    return picture.is_deep or picture.pixels.size <= _SMALL or stored_form.looks_drawn(picture)


def _store(picture: Picture) -> Container:
    from mulanzip.imageio import stored as stored_form

    header = _header(picture, Coding.STORED, 0, bytes(registry.ID_BYTES))
    return Container(header, (Chunk(STORED, stored_form.store(picture)),))


def _encode_with_model(picture: Picture, model: str, plan: SearchPlan, execution: Execution) -> Container:
    from mulanzip.codec.neighbours import MAX_DISTANCE
    from mulanzip.encoder.image import encode_image

    info = registry.suited(model, colours_of(picture.mode))
    if info.kind == "gaussian":
        return _encode_in_chain(picture, info, execution)
    kept = min(picture.bands, MAX_DISTANCE) * picture.pixels[..., 0].size * (picture.pixels.itemsize + 1)
    runtime = open_for_coding(info, picture.pixels.nbytes, execution, kept)
    others = registry.others(model, colours_of(picture.mode)) if plan.tries_models and not picture.is_deep else ()
    if others:
        from mulanzip.encoder.model_choice import choose_model

        runtimes = [runtime, *(open_for_coding(other, picture.pixels.nbytes, execution, kept) for other in others)]
        index = choose_model(picture.pixels[..., :1], runtimes)
        info, runtime = (info, *others)[index], runtimes[index]
    coded = encode_image(picture, runtime, plan, execution.progress)
    header = _header(picture, Coding.MODEL, coded.side.schedule, info.model_id)
    segments = (Chunk(SEGMENT, payload) for payload in coded.payloads)
    return Container(header, (*coded.side.chunks(header), *segments))


def _encode_in_chain(picture: Picture, info: registry.ModelInfo, execution: Execution) -> Container:
    """Compress with a model of Gaussian noise."""
    if picture.mode is not Mode.RGB or picture.is_deep:
        raise UnsupportedImageError(f"{info.name} is a model of Gaussian noise, for RGB images of 8 bits alone")
    from mulanzip.gaussian.exact.runtime import open_gaussian
    from mulanzip.gaussian.exact.tiled_image import encode_tiled_image as encode_tiles

    first_tiles = registry.find(registry.DEFAULT_MODEL)
    runtime = open_for_coding(first_tiles, picture.pixels.nbytes, execution)
    data = encode_tiles(picture.pixels, open_gaussian(info, execution.device), runtime, execution.progress)
    return Container(_header(picture, Coding.CHAIN, 0, first_tiles.model_id), (Chunk(CHAIN, data),))


def _header(picture: Picture, coding: Coding, schedule: int, model_id: bytes) -> Header:
    height, width = picture.pixels.shape[:2]
    return Header(
        picture.mode,
        coding,
        width,
        height,
        schedule,
        model_id,
        picture.pixel_hash(),
        depth=picture.depth,
        signed=picture.is_signed,
        bands=picture.bands,
    )


def open_for_coding(info: registry.ModelInfo, size: int, execution: Execution, beside: int = 0) -> Runtime:
    """The model, ready to code an image of ``size`` bytes, with ``beside`` bytes of slices that are kept meanwhile.

    Raises:
        ModelError: if the model cannot be used.
        LimitError: if there is not enough memory.
    """
    execution.limits.require(memory.coding_bytes(size, execution.thread_count) + beside)
    from mulanzip.density.runtime import open_runtime

    return open_runtime(info.path, execution.device, execution.threads)


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
    """Restore a slice or band, a region of a picture, or both, without metadata; arguments as for :func:`decode`.

    All checksums are checked, and the hashes of what is decoded.

    Raises:
        CorruptFileError, IndexError, ModelError, LimitError, ValueError: as :func:`decode`.
        UnsupportedImageError: as :func:`decode_container`.
    """
    preview.check_scale(scale)
    header = file.header
    if index is not None and header.coding.is_file:
        from mulanzip import kept_file

        image, within = kept_file.image_of_slice(file, index, execution.limits)
        number = within if image.header.bands else None
        return decode_part(image, number, region, scale=scale, model=model, execution=execution)
    if index is not None and not 0 <= index < header.bands:
        raise IndexError(f"the file has {header.bands} slices or bands: none has the number {index}")
    level = SCALES.index(scale)
    has_level = level < len(level_grids(max(1, header.height), max(1, header.width)))
    if header.coding is not Coding.MODEL or not has_level:
        whole = decode_container(file, model=model, execution=execution)
        pixels = whole.pixels[::scale, ::scale][preview.region_of(region, whole.pixels.shape[:2], scale)]
        picture = replace(whole, pixels=pixels, metadata={})
        return picture if index is None else _band(picture, pixels[..., index : index + 1])
    from mulanzip.codec.image import bytes_kept, decode_groups

    execution.limits.check_pixels(header.height, header.width)
    grid = level_grids(header.height, header.width)[level]
    part = preview.region_of(region, (header.height, header.width), scale)
    size = grid.height * grid.width * header.channels * header.dtype.itemsize
    runtime = open_for_coding(registry.by_id(header.model_id, model), size, execution, bytes_kept(file))
    pixels = decode_groups(file, runtime, execution.progress, level=level, only=index, region=part)
    picture = Picture(header.mode, pixels, bits=header.depth, is_stack=bool(file.of_kind(STACK)))
    return picture if index is None else _band(picture, pixels)


def _band(picture: Picture, pixels: np.ndarray) -> Picture:
    """A band or slice as a gray picture."""
    return replace(picture, mode=Mode.GRAY, pixels=pixels, is_stack=False)


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


def context_of(data: bytes, *, model: str | None = None) -> np.ndarray | None:
    """The context that a file carries: int8 ``(entries,)``; None where there is none.

    Raises:
        CorruptFileError, ModelError: as :func:`decode`.
    """
    from mulanzip.density import context
    from mulanzip.density.model import load

    file = container.unpack(data)
    payloads = file.of_kind(CONTEXT)
    if not payloads:
        return None
    return context.decode(payloads[0], load(registry.by_id(file.header.model_id, model).path).prior)


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


def verify(picture: Picture, data: bytes, model: str, execution: Execution = Execution()) -> None:
    """Check that the bytes of a file decode to a picture, pixels and metadata.

    Args:
        model: to try beside the shipped ones.

    Raises:
        VerificationError: if they do not.
    """
    try:
        restored = decode_picture(data, model=model, execution=execution)
    except CorruptFileError as error:
        raise VerificationError(f"verification failed: {error}") from error
    compare(restored, picture)


def compare(restored: Picture, picture: Picture) -> None:
    """Check that a picture has come back, pixels and metadata.

    Raises:
        VerificationError: if it has not.
    """
    # Decoding has compared the pixels with the header's hash, which is the picture's.
    if restored.metadata != picture.metadata or not np.array_equal(restored.pixels, picture.pixels):
        raise VerificationError("verification failed: the file does not decode to the same image")


def code_length(
    array: np.ndarray,
    *,
    model: str = EncodeOptions.model,
    context: np.ndarray | None = None,
    schedule: str = EncodeOptions.schedule,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
) -> float:
    """``-log2`` of the probability that the model gives to an image, in bits.

    This is what the coder is asked to spend; the file is larger by its header and checksums, and by
    some thousandths of a percent.

    Args:
        array: uint8 ``(H, W, 3)`` or ``(H, W)``.
        context: that the model is adapted with, as :func:`mulanzip.context_of` gives it; its own bits not counted.
        model, schedule, device, threads: as for :func:`mulanzip.encode`.

    Raises:
        UnsupportedImageError: for other arrays.
        ModelError: if the model cannot be used.
        ValueError: for an unknown schedule or device.
    """
    from mulanzip.codec.planes import Canvas
    from mulanzip.codec.segment import measure_segments
    from mulanzip.density import jpeg_gamut
    from mulanzip.density.runtime import open_runtime
    from mulanzip.density.sample_statistics import SampleStatistics
    from mulanzip.image.channels import to_coding_order
    from mulanzip.lattice.geometry import segments
    from mulanzip.lattice.schedules import SCHEDULES
    from mulanzip.lattice.tile_schedules import TileSchedules

    if array.dtype != np.uint8 or not array.size or array.ndim < 2 or array.shape[2:] not in ((), (3,)):
        raise UnsupportedImageError("the model gives probabilities to uint8 arrays of shape (H, W, 3) or (H, W)")
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULES)}")
    pixels = to_coding_order(array) if array.ndim == 3 else array[..., None]
    runtime = open_runtime(registry.suited(model, pixels.shape[2], "erasure").path, device, threads).adapted(context)
    runtime = runtime.at(SampleStatistics(gamut=jpeg_gamut.find(pixels)))
    parts = segments(*pixels.shape[:2])
    return sum(measure_segments(Canvas.of(pixels), runtime, TileSchedules.uniform(schedule), parts))
