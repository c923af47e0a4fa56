"""The pixels of a damaged ``.mzp`` file that can be trusted.

Every segment carries a hash of its samples: a segment that decodes to them is right, whatever happened to the others.
A segment needs the coarser pixels of its area and around it; where they are lost, it is lost as well.
Lost pixels take the value of the nearest pixel of the coarser level above and left of them.  Without
header, model or first segment nothing can be salvaged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mulanzip import open_model, picture_decoder, registry
from mulanzip.codec.image import CodedGroup, coded_groups, new_pixels
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import decode_segment
from mulanzip.codec.side_info import SideInfo
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError, NotDamagedError
from mulanzip.format import container
from mulanzip.format.container import STORED, Coding, Container, Header
from mulanzip.format.damaged import Fragment, candidates_of, parts_of
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata
from mulanzip.imageio import stored as stored_form
from mulanzip.inspect.damaged_regions import DamagedRegion
from mulanzip.lattice.geometry import Segment, Tile, level_view, segments, to_cells, write_cells
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES
from mulanzip.limits import Limits
from mulanzip.options import Execution
from mulanzip.progress import Progress


@dataclass(frozen=True)
class Salvaged:
    """The result of a salvage.

    Attributes:
        picture: with the metadata that are intact.
        trusted: bool ``(H, W)``, which pixels are those of the original.
        regions: the segments that are lost.
        damaged_metadata: names of metadata that are left out.
    """

    picture: Picture
    trusted: np.ndarray
    regions: list[DamagedRegion]
    damaged_metadata: list[str]


def salvage(data: bytes, *, model: str | None = None, execution: Execution = Execution()) -> Salvaged:
    """Decode what can be trusted of a damaged file.

    Args:
        model: to try beside the shipped ones.

    Raises:
        NotDamagedError: if nothing is wrong with the file.
        CorruptFileError: if nothing can be salvaged: the header or the first segment is damaged.
        ModelError: if the model that made the file is not here.
        LimitError: if there is not enough memory, or the image is beyond the limits.
    """
    header, limits = Header.unpack(data), execution.limits
    limits.check_pixels(header.height, header.width)
    if header.coding.is_file:
        if _is_sound(data):
            raise NotDamagedError("the file is not damaged; decompress it without --salvage")
        raise CorruptFileError("nothing can be salvaged: a whole file was kept, and its hash would be wrong")
    fragments = list(parts_of(data))
    kept, damaged = _metadata(fragments, header.mode, limits)
    if header.coding is Coding.CHAIN:
        raise CorruptFileError("nothing can be salvaged of a chain of tiles: each needs those after it")
    if header.coding is Coding.STORED:
        pixels, palette = _restore_stored(header, fragments, limits)
        regions: list[DamagedRegion] = []
        trusted = np.ones(pixels.shape[:2], dtype=bool)
    else:
        size = 2 * header.height * header.width * header.channels * header.dtype.itemsize
        runtime = open_model.open_for_coding(registry.by_id(header.model_id, model), size, execution)
        # Without its context, where that is lost, no segment has the right hash.
        file = Container(header, tuple(part.chunk for part in fragments if part.chunk is not None))
        pixels, trusted, regions = _decode(file, fragments, runtime, execution.progress)
        palette = b""
    picture = Picture(header.mode, pixels, palette, kept, bits=header.depth)
    if not regions and picture.pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises: none can be trusted")
    if not regions and any(part.chunk is None for part in fragments):
        damaged.append("a part that cannot be read, perhaps metadata,")
    if not regions and not damaged and _is_sound(data):
        raise NotDamagedError("the file is not damaged; decompress it without --salvage")
    return Salvaged(picture, trusted, regions, damaged)


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
            payload = picture_decoder.metadata_content(part.chunk, limits)
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


def _possible_side_info(file: Container) -> list[SideInfo]:
    """The side information; where the schedules are lost, one guess for each schedule.

    A guess is right for segments of one tile.
    """
    try:
        return [SideInfo.read(file, strict=False)]
    except CorruptFileError:
        if file.header.schedule != MIXED:
            raise
        headers = (replace(file.header, schedule=number) for number in range(len(SCHEDULE_NAMES)))
        return [SideInfo.read(replace(file, header=header), strict=False) for header in headers]


def _decode(
    file: Container, fragments: list[Fragment], runtime: Runtime, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray, list[DamagedRegion]]:
    """Pixels ``(H, W, channels)``, which of them to trust, and what is lost."""
    sides = _possible_side_info(file)
    total = sides[0].segment_count
    candidates = candidates_of(fragments, total)
    pixels = new_pixels(file, sides[0])
    trusted = np.ones(pixels.shape[:2], dtype=bool)
    regions: list[DamagedRegion] = []
    with inner_threads(runtime.threads):
        # Guesses differ in schedules alone.
        for ways in zip(*(coded_groups(file, side, runtime, progress) for side in sides), strict=True):
            group = ways[0].group
            indices, exact, lost = _decode_group(list(ways), candidates[group.segments])
            group.restore(indices, pixels)
            trusted &= exact
            first = group.segments.start
            regions += [replace(region, segment=first + region.segment, total=total) for region in lost]
    return pixels, trusted, regions


def _decode_group(
    ways: list[CodedGroup], candidates: list[list[bytes]]
) -> tuple[np.ndarray, np.ndarray, list[DamagedRegion]]:
    """Indices ``(H, W, C)`` of channels that are coded together, which of them to trust, and what is lost.

    Args:
        ways: the group, with each of the schedules that it may have.
        candidates: for each segment, the payloads that it may have.
    """
    shape, progress = ways[0].shape, ways[0].progress
    canvas = ways[0].new_canvas()
    trusted = np.zeros((*shape[:2], 1), dtype=bool)
    regions = []
    geometry = segments(*shape[:2])
    for number, (segment, payloads) in enumerate(zip(geometry, candidates, strict=True)):
        is_known = segment.is_base or _context(segment.tiles[0], trusted).all()
        if is_known and any(_fits(segment, payload, canvas, way) for payload, way in product(payloads, ways)):
            _trust(segment, trusted)
        elif segment.is_base:
            raise CorruptFileError("nothing can be salvaged: the first segment, which all others need, is damaged")
        else:
            tile = segment.tiles[0]
            _fill(tile, canvas.pixels)
            regions.append(_region(number, len(geometry), tile, shape))
        if progress is not None:
            progress((number + 1) / len(geometry))
    return canvas.pixels, trusted[..., 0], regions


def _fits(segment: Segment, payload: bytes, canvas: Canvas, way: CodedGroup) -> bool:
    """Whether a payload decodes to the segment's samples, which are in the canvas then."""
    try:
        decode_segment(segment, payload, canvas, way.runtime, way.group.schedules)
    except CorruptFileError:
        return False
    return True


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


def _region(index: int, total: int, tile: Tile, shape: tuple[int, int, int]) -> DamagedRegion:
    side = 2 << tile.grid.level
    bottom, right = min(side * tile.bottom, shape[0]), min(side * tile.right, shape[1])
    return DamagedRegion(index, total, side * tile.top, bottom, side * tile.left, right, tile.grid.level)
