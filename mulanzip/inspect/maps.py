"""Where the bits of an image are, and how its noise is scheduled: maps, and pictures of them."""

from __future__ import annotations

import numpy as np

from mulanzip import api, registry
from mulanzip.codec.cell_bits import CellBits
from mulanzip.codec.segment import decode_segments
from mulanzip.codec.side_info import ChannelGroup, groups_of, plans_of
from mulanzip.codec.tile import code_tile, level_view
from mulanzip.density.runtime import Runtime
from mulanzip.encoder.adapt import for_file
from mulanzip.errors import UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import SEGMENT, Coding, Container
from mulanzip.lattice.geometry import Tile, level_grids, segments, write_cells
from mulanzip.lattice.schedules import SCHEDULE_NAMES, Schedule, subset_mask
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.progress import Progress, part_of

#: Colours of schedules, from few evaluations to many.
_SCHEDULE_COLOURS = {
    "one": ("green", (44, 160, 44)),
    "default": ("blue", (60, 140, 220)),
    "three": ("yellow", (255, 215, 60)),
    "four": ("orange", (255, 127, 14)),
    "six": ("red", (214, 39, 40)),
}
SCHEDULE_LEGEND = ", ".join(f"{name} {colour}" for name, (colour, _) in _SCHEDULE_COLOURS.items())
#: From few bits to many: black, blue, red, yellow, white.
_RAMP = ((0, 0, 0), (50, 20, 140), (200, 40, 80), (250, 180, 40), (255, 255, 255))


def bits_map(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> np.ndarray:
    """What each pixel of a file takes, all colours together.

    Returns:
        float32 ``(H, W)``, bits; the sum is the code length of the pixels, without context and marks.

    Raises:
        UnsupportedImageError: for stored images, which have no code length.
        CorruptFileError, ModelError, LimitError: as :func:`mulanzip.decode`.
    """
    file = _coded(data)
    header = file.header
    info = registry.by_id(header.model_id, model)
    # The map takes as much as four bytes of samples.
    size = header.height * header.width * (header.channels * header.dtype.itemsize + 4)
    runtime = for_file(api.open_for_coding(info, device, threads, size, limits), file)
    groups = groups_of(file)
    plans = plans_of(file, groups)
    bits = np.zeros((header.height, header.width), dtype=np.float32)
    for done, group in enumerate(groups):
        if not group.code.is_constant:
            reached = part_of(progress, done / len(groups), (done + 1) / len(groups))
            bits += _group_bits(file, group, runtime.at(group.sample_scale), plans[done], reached)
    return bits


def _group_bits(
    file: Container, group: ChannelGroup, runtime: Runtime, plan: TileSchedules, progress: Progress | None
) -> np.ndarray:
    """The map of planes that are coded together."""
    height, width = file.header.height, file.header.width
    shape = (height, width, group.colours)
    payloads = file.of_kind(SEGMENT)[group.segments]
    planes = decode_segments(payloads, shape, runtime, plan, part_of(progress, 0, 0.5))
    bits = np.zeros((height, width, 1), dtype=np.float32)
    level_view(bits, level_grids(height, width)[-1])[...] = 8 * shape[2] * runtime.sample_scale.dtype.itemsize
    parts = segments(height, width)
    with runtime.intra_threads(runtime.threads):
        for done, segment in enumerate(parts):
            for number, tile in enumerate(segment.tiles, segment.first):
                _measure(tile, planes, runtime, plan[number], bits)
            if progress is not None:
                progress(0.5 + 0.5 * (done + 1) / len(parts))
    return bits[..., 0]


def schedule_map(data: bytes) -> np.ndarray:
    """The schedule of each pixel's finest tile, as its position in ``SCHEDULE_NAMES``; decodes nothing.

    Returns:
        uint8 ``(H, W)``.

    Raises:
        UnsupportedImageError: for stored images, which have none.
        CorruptFileError: if the file is damaged.
    """
    file = _coded(data)
    groups = groups_of(file)
    # That of the first planes that have tiles.
    first = next((i for i, group in enumerate(groups) if not group.code.is_constant), 0)
    plan = plans_of(file, groups)[first]
    found = np.full((file.header.height, file.header.width), plan.numbers[0], dtype=np.uint8)
    if len(plan.numbers) > 1:
        for segment in segments(*found.shape):
            for number, tile in enumerate(segment.tiles, segment.first):
                if tile.grid.level == 0:
                    found[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right] = plan.numbers[number]
    return found


def bits_picture(bits: np.ndarray) -> tuple[np.ndarray, float]:
    """Colours for a map of bits: uint8 ``(H, W, 3)``, black for 0 to white; and the bits that are white.

    One pixel in a thousand may have more.
    """
    most = max(1.0, float(np.quantile(bits, 0.999)))
    position = np.linspace(0, most, len(_RAMP))
    planes = [np.interp(bits, position, [colour[i] for colour in _RAMP]) for i in range(3)]
    return np.stack(planes, 2).astype(np.uint8), most


def schedule_picture(numbers: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Colours for a map of schedules, darker where there are few bits: uint8 ``(H, W, 3)``.

    Args:
        numbers: from :func:`schedule_map`; bits: from :func:`bits_map`.
    """
    light = np.clip(bits / max(1.0, float(np.quantile(bits, 0.99))), 0, 1)
    colours = np.array([_SCHEDULE_COLOURS[name][1] for name in SCHEDULE_NAMES], dtype=np.float32)[numbers]
    return (colours * (0.35 + 0.65 * light[..., None])).astype(np.uint8)


def _coded(data: bytes) -> Container:
    file = container.unpack(data)
    if file.header.coding is not Coding.MODEL:
        raise UnsupportedImageError(
            "the image is stored as it is, or a chain: no model gives its pixels bits, or schedules"
        )
    return file


def _measure(tile: Tile, planes: np.ndarray, runtime: Runtime, schedule: Schedule, bits: np.ndarray) -> None:
    """Fill in the bits of a tile's phases."""
    lengths = CellBits(runtime.tables, planes.shape[2], runtime.sample_scale)
    code_tile(tile, planes, runtime.network, schedule, lengths, decoding=False)
    inside = level_view(bits, tile.grid)[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right]
    present = tile.grid.presence()[tile.top : tile.bottom, tile.left : tile.right]
    reveals = [reveal for step in schedule for reveal in step]
    cells = np.zeros((tile.height, tile.width, 4, 1), dtype=np.float32)
    cells[:, :, 0] = inside[::2, ::2]
    for reveal, found in zip(reveals, lengths.phases, strict=True):
        mask = present[..., reveal.phase] & subset_mask(reveal.part, tile.height, tile.width)
        cells[mask, reveal.phase, 0] = found
    write_cells(cells, inside)
