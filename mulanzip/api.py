"""Arrays and pictures <-> ``.mzp`` bytes: what ``import mulanzip`` offers for work in memory."""

from __future__ import annotations

import numpy as np

from mulanzip import registry
from mulanzip.errors import UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import CONTEXT
from mulanzip.image.picture import Picture
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution
from mulanzip.picture_decoder import decode_container, decode_part
from mulanzip.picture_encoder import encode_picture


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
        PartError: if there is no such slice or band, or no pixel in the region; an IndexError, too.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
        ValueError: for unknown options.
    """
    execution = Execution(device, threads, limits)
    file = container.unpack(data)
    if index is None and region is None:
        return decode_container(file, scale=scale, model=model, execution=execution).to_array()
    return decode_part(file, index, region, scale=scale, model=model, execution=execution).to_array()


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
