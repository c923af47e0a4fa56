"""Arrays <-> ``.mzp`` bytes: what ``import mulanzip`` offers for work in memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mulanzip import limits as memory
from mulanzip import registry
from mulanzip.encoder.effort import DEFAULT_EFFORT, DEFAULT_MU, candidates, fit_share, fit_steps, is_fitted
from mulanzip.errors import CorruptFileError, UnsupportedImageError, VerificationError
from mulanzip.format import container
from mulanzip.format.container import CHAIN, CONTEXT, STORED, Chunk, Coding, Container, Header
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import preview
from mulanzip.imageio import stored as stored_form
from mulanzip.imageio.metadata import check
from mulanzip.imageio.preview import SCALES
from mulanzip.lattice.geometry import level_grids
from mulanzip.lattice.tile_schedules import ScheduleChoices
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.progress import Progress

if TYPE_CHECKING:
    from mulanzip.density.runtime import Runtime

#: Metadata of one kind at most, uncompressed.
_MAX_METADATA = 1 << 28
#: Samples of an image that is tried both ways, whatever it looks like.
_SMALL = 1 << 14
#: The stored form is tried where a quick one has less than so many times the model's bytes.
_QUICK_MARGIN = 1.08
#: A context is not fitted where the model makes more than so many times the stored form without one.
_OUT_OF_REACH = 1.5
_WITHOUT_MODEL = (Mode.PALETTE, Mode.BILEVEL)

#: What a file has for its pixels.
Form = tuple[Header, list[Chunk]]


def _is_tried_both_ways(picture: Picture) -> bool:
    """Whether a stored form costs next to no time, or has a chance."""
    return picture.is_deep or picture.pixels.size <= _SMALL or stored_form.looks_drawn(picture)


def encode(
    array: np.ndarray,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = DEFAULT_EFFORT,
    context: str | np.ndarray | None = None,
    schedule: str = "default",
    mu: float = DEFAULT_MU,
    device: str = "auto",
    threads: int | None = None,
    stored: bool = True,
) -> bytes:
    """Compress an image.

    Args:
        array: uint8 or uint16 ``(H, W)`` gray, ``(H, W, 2)`` gray and alpha, ``(H, W, 3)`` RGB, ``(H, W, 4)``
            RGBA, ``(H, W, 5 to 255)`` bands; int16 ``(H, W)`` or ``(H, W, bands)``; or bool ``(H, W)``.
        model: name of a shipped model, or path of a model file; one of Gaussian noise codes 8-bit RGB images as a chain
            of tiles, slowly, and effort, context and schedule mean nothing to it.
        effort: 1 (fast) to 9 (small): how long to fit a context to the image; none at 1.
        context: ``none``, or ``fit`` at any effort; chosen by ``effort`` if not given.  Or a context to use as it
            is, int8 ``(entries,)``, such as :func:`mulanzip.context_of` finds in the file of a similar image.
        schedule: order in which the denoiser reveals the pixels, one of
            :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`; or ``adaptive``: for each tile the one that costs least.
        mu: with ``adaptive``, how many bits per cell (four pixels) the tile may grow for each evaluation of the
            network that it saves the decoder.
        device: ``auto``, ``cpu``, ``cuda`` or ``reference``; the bytes are the same on all of them.
        threads: at most so many, all cores by default; the bytes are the same for any number.
        stored: keep the pixels as JPEG XL, WebP or PNG where that is smaller than what the model gives; tried
            for small images, and those that look like drawings or are smaller so in their middle.

    Returns:
        the bytes of a ``.mzp`` file.

    Raises:
        UnsupportedImageError: for arrays that are no such image.
        LimitError: if there is not enough memory.
        ModelError: if the model cannot be used.
        ValueError: for unknown options.
    """
    return encode_picture(
        Picture.from_array(array),
        model=model,
        effort=effort,
        context=context,
        schedule=schedule,
        mu=mu,
        device=device,
        threads=threads,
        stored=stored,
    )


def decode(
    data: bytes,
    *,
    scale: int = 1,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
) -> np.ndarray:
    """Restore an image from the bytes of a ``.mzp`` file.

    Args:
        data: the whole file.
        scale: 1 for the image; 2, 4 or 8 for a preview: exactly its pixels ``[::scale, ::scale]``, in a
            fraction of the time.  Checksums are checked all the same, hashes of what is not decoded cannot be.
        model: a model to try beside the shipped ones, where the file needs another.
        device, threads: as for :func:`encode`.
        limits: what the image may take; its pixels count as a whole for a preview too.

    Returns:
        what :func:`encode` was given; palette images (from files) as RGB or RGBA.

    Raises:
        CorruptFileError: if the bytes are damaged in any way.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
        ValueError: for unknown options.
    """
    picture = decode_picture(data, scale=scale, model=model, device=device, threads=threads, limits=limits)
    return picture.to_array()


def encode_picture(
    picture: Picture,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = DEFAULT_EFFORT,
    context: str | np.ndarray | None = None,
    schedule: str = "default",
    mu: float = DEFAULT_MU,
    device: str = "auto",
    threads: int | None = None,
    stored: bool = True,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> bytes:
    """Like :func:`encode` for a :class:`Picture`, which has metadata too."""
    given = context if isinstance(context, np.ndarray) else None
    steps = fit_steps(effort, "none" if isinstance(context, np.ndarray) else context)
    choice = candidates(effort, schedule, mu)
    metadata = tuple(
        Chunk(kind, zlib.compress(picture.metadata[kind], 9)) for kind in KINDS if kind in picture.metadata
    )

    def coded(steps: int | None, choice: ScheduleChoices, progress: Progress | None) -> Form:
        return _encode_with_model(picture, model, given, steps, choice, device, threads, limits, progress)

    forms = []
    is_for_model = picture.mode not in _WITHOUT_MODEL
    is_tried = stored and _is_tried_both_ways(picture)
    is_rough = is_for_model and is_tried and bool(steps) and is_fitted(*picture.pixels.shape[:2])
    if is_for_model:
        forms.append(
            coded(None, ScheduleChoices(choice.names[:1]), None) if is_rough else coded(steps, choice, progress)
        )
    if not forms or is_tried or (stored and stored_form.quick_size(picture) < _QUICK_MARGIN * _size(forms[0])):
        forms.append(_stored(picture))
    if is_rough and _size(forms[0]) < _OUT_OF_REACH * _size(forms[-1]):
        forms[0] = coded(steps, choice, progress)
    header, chunks = min(forms, key=_size)
    return Container(header, (*metadata, *chunks)).pack()


def _stored(picture: Picture) -> Form:
    header = _header(picture, Coding.STORED, 0, bytes(registry.ID_BYTES))
    return header, [Chunk(STORED, stored_form.store(picture))]


def _size(form: Form) -> int:
    return sum(len(c.payload) + container.CHUNK_OVERHEAD for c in form[1])


def _encode_with_model(
    picture: Picture,
    model: str,
    context: np.ndarray | None,
    steps: int | None,
    choice: ScheduleChoices,
    device: str,
    threads: int | None,
    limits: Limits,
    progress: Progress | None,
) -> Form:
    from mulanzip.codec.image import encode_groups

    info = registry.find(model, None)
    if info.kind == "gaussian":
        return _encode_in_chain(picture, info, device, threads, limits, progress)
    height, width = picture.pixels.shape[:2]
    runtime = open_for_coding(info, device, threads, picture.pixels.nbytes, limits)
    share = fit_share(steps or 0, height, width)
    chunks, schedule = encode_groups(picture, runtime, choice, context, steps, share, progress)
    return _header(picture, Coding.MODEL, schedule, info.model_id), chunks


def _encode_in_chain(
    picture: Picture,
    info: registry.ModelInfo,
    device: str,
    threads: int | None,
    limits: Limits,
    progress: Progress | None,
) -> Form:
    """By a model of Gaussian noise."""
    if picture.mode is not Mode.RGB or picture.is_deep:
        raise UnsupportedImageError(f"{info.name} is a model of Gaussian noise, for RGB images of 8 bits alone")
    from mulanzip.gaussian.exact.runtime import open_gaussian
    from mulanzip.gaussian.exact.tiled_image import encode_picture as encode_tiles

    seeds = registry.find(registry.DEFAULT_MODEL)
    runtime = open_for_coding(seeds, device, threads, picture.pixels.nbytes, limits)
    data = encode_tiles(picture.pixels, open_gaussian(info, device), runtime, progress)
    return _header(picture, Coding.CHAIN, 0, seeds.model_id), [Chunk(CHAIN, data)]


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


def open_for_coding(
    info: registry.ModelInfo, device: str, threads: int | None, size: int, limits: Limits = NO_LIMITS
) -> Runtime:
    """The model, ready to code an image of so many bytes.

    Raises:
        ModelError: if the model cannot be used.
        LimitError: if there is not enough memory.
    """
    limits.require(memory.coding_bytes(size, threads or memory.available_cores()))
    from mulanzip.density.runtime import open_runtime

    return open_runtime(info.path, device, threads)


def decode_picture(
    data: bytes,
    *,
    scale: int = 1,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> Picture:
    """Like :func:`decode`, with mode, palette and metadata (those that hold for a preview)."""
    preview.check_scale(scale)
    file = container.unpack(data)
    header = file.header
    limits.check_pixels(header.height, header.width)
    metadata = metadata_of(file, limits)
    palette, level = b"", 0
    if header.coding is Coding.STORED:
        limits.require(stored_form.bytes_to_restore(header.kind, header.width, header.height))
        pixels, palette = stored_form.restore(file.of_kind(STORED)[0], header.kind, header.width, header.height)
    elif header.coding is Coding.CHAIN:
        from mulanzip.gaussian.exact.tiled_image import decode_picture as decode_tiles

        size = header.height * header.width * header.channels
        runtime = open_for_coding(registry.by_id(header.model_id, model), device, threads, size, limits)
        sides = (header.height, header.width)
        data = file.of_kind(CHAIN)[0]
        pixels = decode_tiles(data, sides, runtime, model=model, device=device, progress=progress)
    else:
        from mulanzip.codec.image import decode_groups

        grids = level_grids(header.height, header.width)
        level = min(SCALES.index(scale), len(grids) - 1)
        size = grids[level].height * grids[level].width * header.channels * header.dtype.itemsize
        runtime = open_for_coding(registry.by_id(header.model_id, model), device, threads, size, limits)
        pixels = decode_groups(file, runtime, progress, level=level)
    picture = Picture(header.mode, pixels, palette, metadata, bits=header.depth)
    if level == 0 and picture.pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises")
    return preview.shrunk(picture, scale, SCALES[level])


def context_of(data: bytes, *, model: str | None = None) -> np.ndarray | None:
    """The context that a file carries: int8 ``(entries,)``; None where there is none.

    Raises:
        CorruptFileError, ModelError: as :func:`decode`.
    """
    from mulanzip.density.model import load
    from mulanzip.encoder.adapt import context_in

    file = container.unpack(data)
    if not file.of_kind(CONTEXT):
        return None
    return context_in(file, load(registry.by_id(file.header.model_id, model).path).prior)


def metadata_of(file: Container, limits: Limits = NO_LIMITS) -> dict[bytes, bytes]:
    """Payloads of metadata by kind.

    Raises:
        CorruptFileError: if they are damaged.
        LimitError: if they are too large.
    """
    metadata = {chunk.kind: inflate(chunk, limits) for chunk in file.chunks if chunk.kind in KINDS}
    check(metadata, file.header.mode)
    return metadata


def inflate(chunk: Chunk, limits: Limits = NO_LIMITS) -> bytes:
    """The content of a metadata chunk.

    Raises:
        CorruptFileError: if it is damaged.
        LimitError: if it is too large.
    """
    inflater = zlib.decompressobj()
    most = min(_MAX_METADATA, limits.memory or _MAX_METADATA)
    try:
        payload = inflater.decompress(chunk.payload, most)
    except zlib.error:
        raise CorruptFileError(f"metadata {chunk.kind.decode()} is damaged") from None
    if inflater.unconsumed_tail:
        limits.require(most + 1)
    if not inflater.eof or inflater.unused_data:
        raise CorruptFileError(f"metadata {chunk.kind.decode()} is damaged or too large")
    return payload


def verify(
    picture: Picture,
    data: bytes,
    *,
    model: str,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> None:
    """Check that ``data`` decodes to ``picture``, pixels and metadata.

    Raises:
        VerificationError: if it does not.
    """
    try:
        restored = decode_picture(data, model=model, device=device, threads=threads, limits=limits, progress=progress)
    except CorruptFileError as error:
        raise VerificationError(f"verification failed: {error}") from error
    same = restored.pixel_hash() == picture.pixel_hash() and restored.metadata == picture.metadata
    if not same or not np.array_equal(restored.pixels, picture.pixels):
        raise VerificationError("verification failed: the file does not decode to the same image")


def code_length(
    array: np.ndarray,
    *,
    model: str = registry.DEFAULT_MODEL,
    context: np.ndarray | None = None,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
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
    from mulanzip.codec.segment import code_segment
    from mulanzip.density import jpeg_gamut
    from mulanzip.density.runtime import open_runtime
    from mulanzip.density.sample_scale import EIGHT_BIT
    from mulanzip.entropy.ans import BitCounter
    from mulanzip.image.channels import to_coding_order
    from mulanzip.lattice.geometry import segments
    from mulanzip.lattice.schedules import SCHEDULES
    from mulanzip.lattice.tile_schedules import TileSchedules

    if array.dtype != np.uint8 or not array.size or array.ndim < 2 or array.shape[2:] not in ((), (3,)):
        raise UnsupportedImageError("the model gives probabilities to uint8 arrays of shape (H, W, 3) or (H, W)")
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULES)}")
    runtime = open_runtime(registry.find(model).path, device, threads).adapted(context)
    pixels = to_coding_order(array) if array.ndim == 3 else array[..., None]
    runtime = runtime.at(replace(EIGHT_BIT, gamut=jpeg_gamut.find(pixels)))
    counter = BitCounter()
    with runtime.intra_threads(runtime.threads):
        for segment in segments(*pixels.shape[:2]):
            code_segment(segment, pixels, runtime, TileSchedules.uniform(schedule), counter, decoding=False)
    return counter.bits
