"""The samples of a group of channels <-> coded segments."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mulanzip.codec.coders import TileCoder, TileDecoder, TileEncoder, TileMeter
from mulanzip.codec.planes import Canvas
from mulanzip.codec.tile import code_tile
from mulanzip.density.inner_threads import side_by_side
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError
from mulanzip.lattice.geometry import Segment, level_grids, level_view, segments
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.progress import Meter, Progress
from mulanzip.timings import timed

#: Bytes of the hash of the samples of a segment, at its beginning.
HASH_BYTES = 8


def code_segment(
    segment: Segment, canvas: Canvas, runtime: Runtime, schedules: TileSchedules, coder: TileCoder, *, skipped: int = 0
) -> None:
    """Code everything in a segment: encoder, decoder and meters share this function.

    Args:
        canvas: its pixels are samples of ``runtime.sample_scale``.
        schedules: of all tiles of the image.
        skipped: number of finer levels that ``canvas`` and ``segment`` leave out.
    """
    if segment.base:
        coarsest = level_view(canvas.pixels, segment.base)
        values = coder.uniform(None if coder.decoding else coarsest.reshape(-1), coarsest.size)
        if coder.decoding:
            coarsest[...] = values.reshape(coarsest.shape)
    for number, tile in enumerate(segment.tiles, segment.first):
        code_tile(tile, canvas, runtime.network, schedules[number], coder, skipped=skipped)


def samples_hash(segment: Segment, pixels: np.ndarray) -> bytes:
    """Hash of the finest samples of a segment, which include all coarser ones of the segment."""
    if segment.tiles:
        tile = segment.tiles[-1]
        level = level_view(pixels, tile.grid)
        samples = level[..., 2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right, :]
    else:
        assert segment.base is not None
        samples = level_view(pixels, segment.base)
    samples = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<"))
    return hashlib.blake2b(samples.data, digest_size=HASH_BYTES).digest()


def _finest_level(segment: Segment) -> int:
    return -1 if segment.is_base else segment.tiles[0].grid.level


def for_each_level(work: Callable[[int], None], parts: Sequence[Segment], runtime: Runtime) -> None:
    """Do the work for segments, given their positions: one level after the other, each on all threads.

    Segments of a level depend on coarser levels alone.
    """
    for _, group in groupby(range(len(parts)), key=lambda i: _finest_level(parts[i])):
        side_by_side(work, list(group), runtime.threads)


def _weight(segment: Segment) -> int:
    """Amount of work in a segment."""
    return 1 + sum(tile.height * tile.width for tile in segment.tiles)


def encode_segments(
    pixels: np.ndarray, runtime: Runtime, schedules: TileSchedules, progress: Progress | None = None
) -> list[bytes]:
    """Code an image.

    Args:
        pixels: samples of ``runtime.sample_scale``, ``(H, W, C)`` in coding order of colours, C 1 or 3.
        schedules: of its tiles.
        progress: called with the share that is done.

    Returns:
        the segments' payloads in order: hash of the samples, then coded symbols.
    """
    return encode_canvas(Canvas.of(pixels), runtime, schedules, progress)


def encode_canvas(
    canvas: Canvas, runtime: Runtime, schedules: TileSchedules, progress: Progress | None = None
) -> list[bytes]:
    """The same for the pixels of a canvas, none of which is coded yet."""
    parts = segments(*canvas.pixels.shape[:2])
    payloads = [b""] * len(parts)
    meter = Meter([_weight(part) for part in parts], progress)

    def work(index: int) -> None:
        encoder = TileEncoder(runtime.statistics)
        code_segment(parts[index], canvas, runtime, schedules, encoder)
        with timed("coder"):
            coded = encoder.finish()
        payloads[index] = samples_hash(parts[index], canvas.pixels) + coded
        meter.finished(index)

    for_each_level(work, parts, runtime)
    return payloads


def measure_segments(
    canvas: Canvas, runtime: Runtime, schedules: TileSchedules, parts: Sequence[Segment]
) -> list[float]:
    """Code lengths of segments in bits.

    Args:
        canvas: its pixels are samples of ``runtime.sample_scale``.
        schedules: of all tiles of the image.
        parts: from coarse to fine.  Segments learn from those of coarser levels if these are among them.
    """
    bits = [0.0] * len(parts)

    def work(index: int) -> None:
        meter = TileMeter(runtime.statistics)
        code_segment(parts[index], canvas, runtime, schedules, meter)
        bits[index] = meter.bits

    for_each_level(work, parts, runtime)
    return bits


def decode_segment(
    segment: Segment,
    payload: bytes,
    canvas: Canvas,
    runtime: Runtime,
    schedules: TileSchedules,
    *,
    skipped: int = 0,
) -> None:
    """Fill in the pixels of one segment, given those of the coarser levels.

    Args:
        segment, canvas, skipped: as for :func:`code_segment`.
        schedules: of all tiles of the image.
        payload: hash of the samples, then coded symbols.

    Raises:
        CorruptFileError: if the payload does not decode to the samples with its hash; the canvas is wrong then.
    """
    decoder = TileDecoder(runtime.statistics, payload[HASH_BYTES:])
    code_segment(segment, canvas, runtime, schedules, decoder, skipped=skipped)
    decoder.finish()
    if samples_hash(segment, canvas.pixels) != payload[:HASH_BYTES]:
        raise CorruptFileError("the samples do not have the hash that the segment promises")


def decode_segments(
    payloads: Sequence[bytes],
    shape: tuple[int, int, int],
    runtime: Runtime,
    schedules: TileSchedules,
    progress: Progress | None = None,
    *,
    level: int = 0,
) -> np.ndarray:
    """The inverse of :func:`encode_segments`.

    Args:
        shape: ``(H, W, C)`` of the image.
        schedules: of all tiles of the image.
        level: lattice level to decode.  It is coded like an image of its own: its segments come first in the file.

    Returns:
        the pixels of that level, samples of ``runtime.sample_scale``.

    Raises:
        CorruptFileError: naming the segment that is damaged.
    """
    canvas = Canvas.of(new_level(shape, level, runtime))
    decode_canvas(payloads, canvas, shape[:2], runtime, schedules, progress, Wanted(level))
    return canvas.pixels


def new_level(shape: tuple[int, int, int], level: int, runtime: Runtime) -> np.ndarray:
    """Zeros for the pixels of a level of an image ``(H, W, C)``."""
    grid = level_grids(*shape[:2])[level]
    return np.zeros((grid.height, grid.width, shape[2]), dtype=runtime.sample_scale.dtype)


@dataclass(frozen=True)
class Wanted:
    """What of an image is decoded.

    Attributes:
        level: of the lattice, 0 for the image.
        only: positions of segments, with all that these are decoded from; None for all.
    """

    level: int = 0
    only: Set[int] | None = None


def decode_canvas(
    payloads: Sequence[bytes],
    canvas: Canvas,
    size: tuple[int, int],
    runtime: Runtime,
    schedules: TileSchedules,
    progress: Progress | None,
    wanted: Wanted,
) -> None:
    """Fill in the pixels of a canvas, which are those of a level of an image.

    Args:
        size: height and width of the image.
        wanted: what of it is decoded.

    Raises:
        CorruptFileError: naming the segment that is damaged.
    """
    whole = segments(*size)
    parts = segments(*canvas.pixels.shape[:2])
    meter = Meter([_weight(part) for part in parts], progress)

    level = wanted.level

    def work(index: int) -> None:
        if wanted.only is not None and index not in wanted.only:
            return
        part, payload = parts[index], payloads[index]
        try:
            if len(part.tiles) == len(whole[index].tiles):
                decode_segment(part, payload, canvas, runtime, schedules, skipped=level)
            else:  # The base segment continues at finer levels: neither its hash nor its end can be checked.
                decoder = TileDecoder(runtime.statistics, payload[HASH_BYTES:])
                code_segment(part, canvas, runtime, schedules, decoder, skipped=level)
        except CorruptFileError as error:
            raise CorruptFileError(f"segment {index} of {len(whole)} is damaged: {error}") from None
        meter.finished(index)

    for_each_level(work, parts, runtime)
