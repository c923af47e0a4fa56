"""Maps of an image, and pictures of them: the bits of each pixel, and the noise schedule of each tile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mulanzip import open_model, registry
from mulanzip.codec.coders import CellMeter
from mulanzip.codec.image import CodedGroup, coded_groups
from mulanzip.codec.planes import Canvas
from mulanzip.codec.side_info import SideInfo
from mulanzip.codec.tile import code_tile
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.runtime import Runtime
from mulanzip.errors import UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import Coding, Container
from mulanzip.lattice.geometry import Tile, level_grids, level_view, segments, write_cells
from mulanzip.lattice.schedules import SCHEDULE_NAMES, Schedule
from mulanzip.limits import Limits
from mulanzip.options import Execution
from mulanzip.progress import Progress, part_of

#: Colours of schedules, from few evaluations to many.
_SCHEDULE_COLOURS = {
    "one": ("green", (44, 160, 44)),
    "default": ("blue", (60, 140, 220)),
}
SCHEDULE_LEGEND = ", ".join(f"{name} {colour}" for name, (colour, _) in _SCHEDULE_COLOURS.items())
#: From few bits to many: black, blue, red, yellow, white.
_RAMP = ((0, 0, 0), (50, 20, 140), (200, 40, 80), (250, 180, 40), (255, 255, 255))


def bits_map(
    data: bytes,
    *,
    model: str | None = None,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
) -> np.ndarray:
    """The bits that each pixel of a file takes, all channels together.

    Args:
        all as for :func:`mulanzip.decode`; progress: called with the share that is done.

    Returns:
        float32 ``(H, W)``, bits; the sum is the code length of the pixels, without context and checksums.

    Raises:
        UnsupportedImageError: for images that no model codes segment by segment: they have no code length.
        CorruptFileError, ModelError, LimitError: as :func:`mulanzip.decode`.
    """
    file = _coded(data)
    header = file.header
    # The map takes as much as four bytes of samples per pixel.
    size = header.height * header.width * (header.channels * header.dtype.itemsize + 4)
    execution = Execution(device, threads, limits)
    runtime = open_model.open_for_coding(registry.by_id(header.model_id, model), size, execution)
    bits = np.zeros((header.height, header.width), dtype=np.float32)
    for coded in coded_groups(file, SideInfo.read(file), runtime, progress):
        bits += _group_bits(coded)
    return bits


def _group_bits(coded: CodedGroup) -> np.ndarray:
    """The map of channels that are coded together."""
    height, width, colours = coded.shape
    runtime, progress = coded.runtime, coded.progress
    canvas = replace(coded, progress=part_of(progress, 0, 0.5)).decode().anew()
    bits = np.zeros((height, width, 1), dtype=np.float32)
    level_view(bits, level_grids(height, width)[-1])[...] = colours * np.log2(runtime.sample_scale.count)
    parts = segments(height, width)
    with inner_threads(runtime.threads):
        for done, segment in enumerate(parts):
            for number, tile in enumerate(segment.tiles, segment.first):
                _measure(tile, canvas, runtime, coded.group.schedules[number], bits)
            if progress is not None:
                progress(0.5 + 0.5 * (done + 1) / len(parts))
    return bits[..., 0]


def schedule_map(data: bytes) -> np.ndarray:
    """The schedule of each pixel's finest tile, as its position in ``SCHEDULE_NAMES``; decodes nothing.

    Where several groups of channels are coded, the map is that of the first.

    Returns:
        uint8 ``(H, W)``.

    Raises:
        UnsupportedImageError: for images that no model codes segment by segment: they have no schedule.
        CorruptFileError: if the file is damaged.
    """
    file = _coded(data)
    side = SideInfo.read(file)
    numbers = (side.varying or side.groups)[0].schedules.numbers
    found = np.full((file.header.height, file.header.width), numbers[0], dtype=np.uint8)
    if len(numbers) > 1:
        for segment in segments(*found.shape):
            for number, tile in enumerate(segment.tiles, segment.first):
                if tile.grid.level == 0:
                    found[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right] = numbers[number]
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
            "the image is stored, or a chain of tiles: its pixels have neither bits nor schedules"
        )
    return file


def _measure(tile: Tile, canvas: Canvas, runtime: Runtime, schedule: Schedule, bits: np.ndarray) -> None:
    """Fill in the bits of a tile's phases."""
    meter = CellMeter(runtime.statistics)
    code_tile(tile, canvas, runtime.network, schedule, meter)
    inside = level_view(bits, tile.grid)[2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right]
    present = tile.grid.presence()[tile.top : tile.bottom, tile.left : tile.right]
    cells = np.zeros((tile.height, tile.width, 4, 1), dtype=np.float32)
    cells[:, :, 0] = inside[::2, ::2]
    for phase, found in meter.phases.items():
        cells[present[..., phase], phase, 0] = found
    write_cells(cells, inside)
