"""What a ``.mzp`` file says of itself, without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mulanzip import container, registry
from mulanzip.container import CHUNK_OVERHEAD, HEADER_SIZE, SEGMENT, Coding, Container, Mode
from mulanzip.errors import ModelError
from mulanzip.groups import groups_of, varying
from mulanzip.imageio import png_original
from mulanzip.imageio.metadata import KINDS
from mulanzip.noise import SCHEDULE_NAMES, SCHEDULES
from mulanzip.plan import plan_in, tile_cells

_PARTS = {
    SEGMENT: "segments",
    container.STORED: "stored image",
    container.CONTEXT: "context",
    container.SCHEDULES_CHUNK: "schedules",
    container.VALUES: "values in use",
    png_original.KIND: "original file",
}


@dataclass(frozen=True)
class FileInfo:
    """Facts about a file.

    Attributes:
        width, height: in pixels; channels: samples per pixel; depth: bits per sample, signed or not.
        size: bytes of the whole file; bpsp: bits per subpixel.
        coding: ``MODEL`` or ``STORED``.
        model: name of the shipped model it needs, or None if it is not here (or not needed).
        schedules: share of the image's cells by schedule.
        evaluations: of the network, per cell.
        parts: bytes by part: header and marks, segments or stored image, each kind of metadata.
        restores_file: whether the original PNG file comes back byte for byte, not its content alone.
    """

    mode: Mode
    width: int
    height: int
    channels: int
    depth: int
    signed: bool
    size: int
    coding: Coding
    schedules: dict[str, float]
    evaluations: float
    model: str | None
    model_id: str
    segments: int
    parts: dict[str, int]
    restores_file: bool

    @property
    def bpsp(self) -> float:
        return 8 * self.size / (self.width * self.height * self.channels)


def info(path: str | os.PathLike[str]) -> FileInfo:
    """Describe a ``.mzp`` file: checks its structure and checksums, decodes nothing.

    Raises:
        CorruptFileError, LimitError, OSError
    """
    data = Path(path).read_bytes()
    return describe(container.unpack(data), len(data))


def describe(file: Container, size: int) -> FileInfo:
    """The same for a file that is already open."""
    header = file.header
    parts = {"header": HEADER_SIZE + CHUNK_OVERHEAD * (1 + len(file.chunks))}
    for chunk in file.chunks:
        name = _PARTS.get(chunk.kind)
        if name is None:
            name = f"metadata {chunk.kind.decode()}" if chunk.kind in KINDS else f"unknown {chunk.kind.decode()}"
        parts[name] = parts.get(name, 0) + len(chunk.payload)
    model = None
    schedules: dict[str, float] = {}
    if header.coding is Coding.MODEL:
        schedules = _schedules(file)
        try:
            model = registry.by_id(header.model_id).name
        except ModelError:
            model = None
    return FileInfo(
        mode=header.mode,
        width=header.width,
        height=header.height,
        channels=header.channels,
        depth=header.depth,
        signed=header.signed,
        size=size,
        coding=header.coding,
        schedules=schedules,
        evaluations=sum(share * len(SCHEDULES[name]) for name, share in schedules.items()),
        model=model,
        model_id=header.model_id.hex() if header.coding is Coding.MODEL else "",
        segments=len(file.of_kind(SEGMENT)),
        parts=parts,
        restores_file=bool(file.of_kind(png_original.KIND)),
    )


def _schedules(file: Container) -> dict[str, float]:
    """Share of an image's cells by schedule, largest first."""
    groups = len(varying(groups_of(file)))
    plan = plan_in(file, groups)
    if len(plan.numbers) == 1:
        return {SCHEDULE_NAMES[plan.numbers[0]]: 1.0}
    cells = np.bincount(plan.numbers, groups * tile_cells(file.header.height, file.header.width), len(SCHEDULES))
    shares = dict(zip(SCHEDULE_NAMES, (cells / cells.sum()).tolist(), strict=True))
    return {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share}
