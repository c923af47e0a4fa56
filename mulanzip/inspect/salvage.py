"""What can be trusted of a damaged ``.mzp`` file.

Every segment carries a hash of its samples: one that decodes to them is right, whatever happened around
it.  A segment needs the coarser pixels of its area and around it; where they are lost, it is lost as well.
Lost pixels take the value of the nearest pixel of the coarser level above and left of them.  Without
header, model or first segment nothing can be salvaged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mulanzip import api, registry
from mulanzip.codec.segment import decode_segment
from mulanzip.codec.side_info import ChannelGroup, groups_of, plans_of
from mulanzip.codec.tile import level_view
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.adapt import for_file
from mulanzip.errors import CorruptFileError, NotDamagedError
from mulanzip.format import container
from mulanzip.format.container import STORED, Coding, Container, Header
from mulanzip.format.damaged import Fragment, candidates_of, parts_of
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata
from mulanzip.imageio import stored as stored_form
from mulanzip.inspect.lost_areas import DamagedRegion, describe
from mulanzip.jobs.files import STREAM, FileResult, restore_file
from mulanzip.lattice.geometry import Segment, Tile, segments, to_cells, write_cells
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.progress import Progress, part_of

#: In the names of files that are not the original.
MARK = ".salvaged"


@dataclass(frozen=True)
class Salvaged:
    """What came out.

    Attributes:
        picture: with the metadata that are intact.
        trusted: bool ``(H, W)``, which pixels are those of the original.
        losses: the segments that are lost.
        damaged_metadata: names of metadata that are left out.
    """

    picture: Picture
    trusted: np.ndarray
    losses: list[DamagedRegion]
    damaged_metadata: list[str]


def salvage_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    model: str | None = None,
    suffix: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    dry_run: bool = False,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> FileResult:
    """Write what can be trusted of a damaged file; called ``photo.salvaged.png`` by default.

    The result's notes say what is lost.  Its status is ``sound`` if nothing is wrong with the file: nothing is
    written then.

    Args:
        all as for :func:`mulanzip.decompress_file`.

    Raises:
        CorruptFileError: if nothing can be salvaged.
        MulanzipError, OSError: as for :func:`mulanzip.decompress_file`; nothing is written then.
    """
    found: list[Salvaged] = []

    def decode(data: bytes, progress: Progress | None) -> Picture:
        found.append(salvage(data, model=model, device=device, threads=threads, limits=limits, progress=progress))
        return found[0].picture

    try:
        result = restore_file(
            source,
            output,
            decode,
            mark=MARK,
            suffix=suffix,
            overwrite=overwrite,
            make_folder=make_folder,
            dry_run=dry_run,
            limits=limits,
            progress=progress,
        )
    except NotDamagedError as error:
        path = Path(source) if isinstance(source, str | os.PathLike) else STREAM
        return FileResult(path, STREAM, 0, notes=[str(error)], status="sound")
    if not found:
        return result
    return replace(result, status="salvaged", notes=[*_describe(found[0]), *result.notes])


def _describe(salvaged: Salvaged) -> list[str]:
    notes = describe(salvaged.losses)
    notes += [f"{name} is lost" for name in salvaged.damaged_metadata]
    exact = int(salvaged.trusted.sum())
    # Rounded down: 100 % is all.
    return [*notes, f"{1000 * exact // salvaged.trusted.size / 10:.1f} % of the pixels are exact"]


def salvage(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> Salvaged:
    """Decode what can be trusted of a damaged file.

    Args:
        all as for :func:`mulanzip.decode`.

    Raises:
        NotDamagedError: if nothing is wrong with the file.
        CorruptFileError: if nothing can be salvaged: the header or the first segment is damaged.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
    """
    header = Header.unpack(data)
    limits.check_pixels(header.height, header.width)
    parts = list(parts_of(data))
    kept, damaged = _metadata(parts, header.mode, limits)
    if header.coding is Coding.CHAIN:
        raise CorruptFileError("nothing can be salvaged of a chain of tiles: each needs those after it")
    if header.coding is Coding.STORED:
        pixels, palette = _restore_stored(header, parts, limits)
        losses: list[DamagedRegion] = []
        trusted = np.ones(pixels.shape[:2], dtype=bool)
    else:
        info = registry.by_id(header.model_id, model)
        size = 2 * header.height * header.width * header.channels * header.dtype.itemsize
        runtime = api.open_for_coding(info, device, threads, size, limits)
        # Without its context, where that is lost, no segment has the right hash.
        sound = Container(header, tuple(part.chunk for part in parts if part.chunk is not None))
        pixels, trusted, losses = _decode(sound, parts, for_file(runtime, sound), progress)
        palette = b""
    picture = Picture(header.mode, pixels, palette, kept, bits=header.depth)
    if not losses and picture.pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises: none can be trusted")
    if not losses and any(part.chunk is None for part in parts):
        damaged.append("a part that cannot be read, perhaps metadata,")
    if not losses and not damaged and _is_sound(data):
        raise NotDamagedError("the file is not damaged; decompress it without --salvage")
    return Salvaged(picture, trusted, losses, damaged)


def _is_sound(data: bytes) -> bool:
    try:
        container.unpack(data)
    except CorruptFileError:
        return False
    return True


def _metadata(parts: list[Fragment], mode: Mode, limits: Limits) -> tuple[dict[bytes, bytes], list[str]]:
    """Metadata that are intact, and the names of those that are not."""
    kept: dict[bytes, bytes] = {}
    damaged = []
    for part in parts:
        if part.chunk is None or part.chunk.kind not in KINDS:
            continue
        try:
            if not part.intact:
                raise CorruptFileError("its checksum is wrong")
            payload = api.inflate(part.chunk, limits)
            metadata.check({part.chunk.kind: payload}, mode)
            kept[part.chunk.kind] = payload
        except CorruptFileError:
            damaged.append(f"metadata {part.chunk.kind.decode()}")
    return kept, damaged


def _restore_stored(header: Header, parts: list[Fragment], limits: Limits) -> tuple[np.ndarray, bytes]:
    limits.require(stored_form.bytes_to_restore(header.kind, header.width, header.height))
    for part in parts:
        if part.chunk is not None and part.chunk.kind == STORED:
            return stored_form.restore(part.chunk.payload, header.kind, header.width, header.height)
    raise CorruptFileError("nothing can be salvaged: the stored image is damaged")


def _plans(file: Container, groups: list[ChannelGroup]) -> list[list[TileSchedules]]:
    """The schedules of the tiles by group; where they are lost, every guess that is right for segments of one tile."""
    try:
        return [[plan] for plan in plans_of(file, groups)]
    except CorruptFileError:
        return [[TileSchedules.uniform(name) for name in SCHEDULE_NAMES]] * len(groups)


def _decode(
    file: Container, parts: list[Fragment], runtime: Runtime, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray, list[DamagedRegion]]:
    """Pixels ``(H, W, channels)``, which of them to trust, and what is lost."""
    header = file.header
    geometry = segments(header.height, header.width)
    groups = groups_of(file, strict=False)
    candidates = candidates_of(parts, groups[-1].segments.stop)
    plans = _plans(file, groups)
    pixels = np.empty((header.height, header.width, header.channels), dtype=header.dtype)
    trusted = np.ones(pixels.shape[:2], dtype=bool)
    losses: list[DamagedRegion] = []
    with runtime.intra_threads(runtime.threads):
        for done, group in enumerate(groups):
            if group.code.is_constant:
                pixels[..., group.channels] = group.code.values[0]
                continue
            indices, exact, lost = _decode_group(
                geometry,
                candidates[group.segments],
                (*pixels.shape[:2], group.colours),
                runtime.at(group.sample_scale),
                plans[done],
                part_of(progress, done / len(groups), (done + 1) / len(groups)),
            )
            group.restore(indices, pixels)
            trusted &= exact
            first, total = group.segments.start, groups[-1].segments.stop
            losses += [replace(loss, segment=first + loss.segment, total=total) for loss in lost]
    return pixels, trusted, losses


def _decode_group(
    geometry: list[Segment],
    candidates: list[list[bytes]],
    shape: tuple[int, int, int],
    runtime: Runtime,
    plans: list[TileSchedules],
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray, list[DamagedRegion]]:
    """The same for planes that are coded together: samples ``(H, W, C)`` of ``runtime.sample_scale``."""
    pixels = np.zeros(shape, dtype=runtime.sample_scale.dtype)
    trusted = np.zeros((*shape[:2], 1), dtype=bool)
    losses = []
    for index, (segment, payloads) in enumerate(zip(geometry, candidates, strict=True)):
        if _fits(segment, payloads, pixels, trusted, runtime, plans):
            _trust(segment, trusted)
        elif segment.is_base:
            raise CorruptFileError("nothing can be salvaged: the first segment, which all others need, is damaged")
        else:
            tile = segment.tiles[0]
            _fill(tile, pixels)
            losses.append(_loss(index, len(geometry), tile, shape))
        if progress is not None:
            progress((index + 1) / len(geometry))
    return pixels, trusted[..., 0], losses


def _fits(
    segment: Segment,
    payloads: list[bytes],
    pixels: np.ndarray,
    trusted: np.ndarray,
    runtime: Runtime,
    plans: list[TileSchedules],
) -> bool:
    """Whether the segment's coarser pixels are known and a payload decodes to its samples under one of the plans."""
    if not segment.is_base and not _context(segment.tiles[0], trusted).all():
        return False
    for payload, plan in product(payloads, plans):
        try:
            decode_segment(segment, payload, pixels, runtime, plan)
        except CorruptFileError:
            continue
        return True
    return False


def _context(tile: Tile, trusted: np.ndarray) -> np.ndarray:
    """Which of the coarser pixels that a tile is decoded from can be trusted."""
    halo = tile.with_halo()
    coarser = level_view(trusted, tile.grid)[::2, ::2]
    return coarser[halo.top : halo.bottom, halo.left : halo.right]


def _trust(segment: Segment, trusted: np.ndarray) -> None:
    if segment.tiles:
        tile = segment.tiles[-1]
        level = level_view(trusted, tile.grid)
        level[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right] = True
    else:
        assert segment.base is not None
        level_view(trusted, segment.base)[...] = True


def _fill(tile: Tile, pixels: np.ndarray) -> None:
    """Give all pixels of a tile's cells the value of the cell's coarser pixel."""
    level = level_view(pixels, tile.grid)
    inside = level[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right]
    cells = to_cells(inside)
    cells[:] = cells[:, :, :1].copy()
    write_cells(cells, inside)


def _loss(index: int, total: int, tile: Tile, shape: tuple[int, int, int]) -> DamagedRegion:
    side = 2 << tile.grid.level
    bottom, right = min(side * tile.bottom, shape[0]), min(side * tile.right, shape[1])
    return DamagedRegion(index, total, side * tile.top, bottom, side * tile.left, right, tile.grid.level)
