"""Arrays <-> ``.mzp`` bytes: what ``import mulanzip`` offers for work in memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from mulanzip import container, cores, memory, registry
from mulanzip.container import SEGMENT, STORED, Chunk, Coding, Container, Header, Mode
from mulanzip.errors import CorruptFileError, VerificationError
from mulanzip.imageio import stored as stored_form
from mulanzip.imageio.metadata import KINDS, check
from mulanzip.memory import NO_LIMITS, Limits
from mulanzip.noise import SCHEDULE_NAMES, SCHEDULES
from mulanzip.picture import CHANNELS, Picture
from mulanzip.planes import from_coding_order, to_coding_order

if TYPE_CHECKING:
    from mulanzip.codec import Progress
    from mulanzip.exact.runtime import Runtime

EFFORTS = range(1, 10)
DEFAULT_EFFORT = 5
#: Metadata of one kind at most, uncompressed.
_MAX_METADATA = 1 << 28
#: Samples of an image that is tried both ways, whatever it looks like.
_SMALL = 1 << 14
_MODEL_MODES = (Mode.GRAY, Mode.RGB)


def encode(
    array: np.ndarray,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = DEFAULT_EFFORT,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
    stored: bool = True,
) -> bytes:
    """Compress an image.

    Args:
        array: uint8 ``(H, W)`` gray, ``(H, W, 2)`` gray and alpha, ``(H, W, 3)`` RGB, ``(H, W, 4)``
            RGBA, or bool ``(H, W)``.
        model: name of a shipped model, or path of a model file.
        effort: 1 (fast) to 9 (small); has no effect yet.
        schedule: order in which the denoiser reveals the pixels, one of
            :data:`mulanzip.noise.SCHEDULE_NAMES`.
        device: ``auto``, ``cpu``, ``cuda`` or ``reference``; the bytes are the same on all of them.
        threads: at most so many, all cores by default; the bytes are the same for any number.
        stored: keep the pixels as WebP or PNG where that is smaller than what the model gives; tried
            for small images and those that look like drawings or screenshots.

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
        schedule=schedule,
        device=device,
        threads=threads,
        stored=stored,
    )


def decode(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
) -> np.ndarray:
    """Restore an image from the bytes of a ``.mzp`` file.

    Args:
        data: the whole file.
        model: a model to try beside the shipped ones, where the file needs another.
        device, threads: as for :func:`encode`.
        limits: what the image may take.

    Returns:
        what :func:`encode` was given; palette images (from files) as RGB or RGBA.

    Raises:
        CorruptFileError: if the bytes are damaged in any way.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
    """
    return decode_picture(data, model=model, device=device, threads=threads, limits=limits).to_array()


def encode_picture(
    picture: Picture,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = DEFAULT_EFFORT,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
    stored: bool = True,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> bytes:
    """Like :func:`encode` for a :class:`Picture`, which has metadata too."""
    if effort not in EFFORTS:
        raise ValueError(f"effort must be {EFFORTS[0]} to {EFFORTS[-1]}, not {effort}")
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULE_NAMES)}")
    metadata = tuple(
        Chunk(kind, zlib.compress(picture.metadata[kind], 9)) for kind in KINDS if kind in picture.metadata
    )
    coded = None
    if picture.mode in _MODEL_MODES:
        coded = _encode_with_model(picture, model, schedule, device, threads, limits, progress)
    if coded is None or (stored and (_is_small(picture) or stored_form.looks_drawn(picture))):
        height, width = picture.pixels.shape[:2]
        header = Header(picture.mode, Coding.STORED, width, height, 0, bytes(registry.ID_BYTES), picture.pixel_hash())
        alternative = header, [Chunk(STORED, stored_form.store(picture))]
        if coded is None or _size(alternative[1]) < _size(coded[1]):
            coded = alternative
    header, chunks = coded
    return Container(header, (*metadata, *chunks)).pack()


def _is_small(picture: Picture) -> bool:
    """Whether a stored form costs next to no time to try."""
    return picture.pixels.size <= _SMALL


def _size(chunks: list[Chunk]) -> int:
    return sum(len(c.payload) + container.CHUNK_OVERHEAD for c in chunks)


def _encode_with_model(
    picture: Picture,
    model: str,
    schedule: str,
    device: str,
    threads: int | None,
    limits: Limits,
    progress: Progress | None,
) -> tuple[Header, list[Chunk]]:
    from mulanzip.codec import encode_segments

    info = registry.find(model)
    height, width, channels = picture.pixels.shape
    runtime = _open(info, device, threads, picture.pixels.size, limits)
    planes = to_coding_order(picture.pixels) if channels == 3 else picture.pixels
    payloads = encode_segments(planes, runtime, SCHEDULES[schedule], progress)
    number = SCHEDULE_NAMES.index(schedule)
    header = Header(picture.mode, Coding.MODEL, width, height, number, info.model_id, picture.pixel_hash())
    return header, [Chunk(SEGMENT, payload) for payload in payloads]


def _open(info: registry.ModelInfo, device: str, threads: int | None, samples: int, limits: Limits) -> Runtime:
    limits.require(memory.coding_bytes(samples, threads or cores.available()))
    from mulanzip.exact.runtime import open_runtime

    return open_runtime(info.path, device, threads)


def decode_picture(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> Picture:
    """Like :func:`decode`, with mode, palette and metadata."""
    file = container.unpack(data)
    header = file.header
    limits.check_pixels(header.height, header.width)
    samples = header.height * header.width * CHANNELS[header.mode]
    metadata = metadata_of(file, limits)
    palette = b""
    if header.coding is Coding.STORED:
        limits.require(2 * samples)
        pixels, palette = stored_form.restore(file.of_kind(STORED)[0], header.mode, header.width, header.height)
    else:
        from mulanzip.codec import decode_segments

        runtime = _open(registry.by_id(header.model_id, model), device, threads, samples, limits)
        shape = (header.height, header.width, CHANNELS[header.mode])
        schedule = SCHEDULES[SCHEDULE_NAMES[header.schedule]]
        pixels = decode_segments(file.of_kind(SEGMENT), shape, runtime, schedule, progress)
        if header.mode is Mode.RGB:
            pixels = from_coding_order(pixels)
    picture = Picture(header.mode, pixels, palette, metadata)
    if picture.pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises")
    return picture


def metadata_of(file: Container, limits: Limits = NO_LIMITS) -> dict[bytes, bytes]:
    """Payloads of metadata by kind.

    Raises:
        CorruptFileError: if they are damaged.
        LimitError: if they are too large.
    """
    metadata = {chunk.kind: _inflate(chunk, limits) for chunk in file.chunks if chunk.kind in KINDS}
    check(metadata, file.header.mode)
    return metadata


def _inflate(chunk: Chunk, limits: Limits) -> bytes:
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
