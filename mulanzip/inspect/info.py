"""What a ``.mzp`` file says of itself, without decoding it."""

from __future__ import annotations

import io
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mulanzip import registry
from mulanzip.codec.side_info import SideInfo
from mulanzip.errors import ModelError
from mulanzip.format import archive, container
from mulanzip.format.archive import FILE, GROUP, METADATA, Directory, read_front
from mulanzip.format.container import CHUNK_OVERHEAD, HEADER_SIZE, SEGMENT, Coding, Container
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.imageio.png_original import original
from mulanzip.lattice.schedules import MIXED, SCHEDULE_NAMES, SCHEDULES
from mulanzip.lattice.tile_schedules import tile_cells
from mulanzip.options import Grade

#: The part of a JPEG file that is kept.
JPEG_PART = "JPEG as JPEG XL"
_PARTS = {
    SEGMENT: "segments",
    container.STORED: "stored image",
    container.CHAIN: "chain of tiles",
    container.CONTEXT: "context",
    container.SCHEDULES_CHUNK: "schedules",
    container.VALUES: "values in use",
    container.GAMUT: "gamut",
    container.VALUE_EDGES: "value edges",
    container.NEIGHBOURS: "earlier slices",
    container.STACK: "mark of a stack",
    original.KIND: "original file",
    container.DATA: "bytes",
    container.JPEG: JPEG_PART,
    container.SKELETON: "skeleton",
    container.STREAMS: "streams",
    container.IMAGE: "images",
}


@dataclass(frozen=True)
class FileInfo:
    """Facts about a file.

    Attributes:
        mode, width, height, channels, depth, signed: of the image: size in pixels, samples per pixel, bits per sample.
            Where a file is kept: of its first image; width and height are 0 where that is not known.
        images: number of images that are coded.
        size: bytes of the whole file; bpsp: bits per subpixel, None without an image.
        coding: ``MODEL``, ``STORED``, ``CHAIN``, ``PIECES`` or ``SKELETON``.
        grade: how much of the source comes back.
        model: name of the shipped model it needs, or None if it is not here (or not needed).
        schedules: share of the image's cells by schedule.
        evaluations: of the network, per cell.
        parts: bytes by part: header and marks, segments or stored image, each kind of metadata.
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
    grade: Grade
    images: int

    @property
    def bpsp(self) -> float | None:
        samples = self.width * self.height * self.channels
        return 8 * self.size / samples if samples and self.images == 1 else None


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
    images = [container.unpack(payload) for payload in file.of_kind(container.IMAGE)]
    schedules: dict[str, float] = {}
    if header.coding is Coding.MODEL:
        schedules = _schedules(file)
    model_id = next((i.header.model_id for i in (file, *images) if any(i.header.model_id)), b"")
    if model_id:
        model = _model_name(model_id)
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
        model_id=model_id.hex(),
        segments=sum(len(one.of_kind(SEGMENT)) for one in (file, *images)),
        parts=parts,
        grade=header.grade,
        images=1 if header.coding is not Coding.SKELETON and header.width else len(images),
    )


def _schedules(file: Container) -> dict[str, float]:
    """Share of an image's cells by schedule, largest first."""
    side, cells_of_tiles = SideInfo.read(file), tile_cells(file.header.height, file.header.width)
    numbers = side.joined_schedules(len(cells_of_tiles)).numbers
    if side.schedule != MIXED:
        return {SCHEDULE_NAMES[side.schedule]: 1.0}
    cells = np.bincount(numbers, len(side.varying) * cells_of_tiles, len(SCHEDULES))
    shares = dict(zip(SCHEDULE_NAMES, (cells / cells.sum()).tolist(), strict=True))
    return {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share}


@dataclass(frozen=True)
class ArchiveInfo:
    """Facts about an archive.

    Attributes:
        images: how many there are; grouped: of them, in groups; groups: how many there are.
        size: bytes of the whole archive.
        model: name of the shipped model that it needs, or None if it is not here.
        schedule: of all groups.
        kinds: number of images by mode and size, largest first; others: those that are ``.mzp`` files.
        parts: bytes by part.
    """

    images: int
    grouped: int
    groups: int
    size: int
    model: str | None
    model_id: str
    schedule: str
    kinds: dict[str, int]
    parts: dict[str, int]


def describe_archive(data: bytes) -> tuple[ArchiveInfo, Directory]:
    """Describe an archive: checks its header and directory, decodes nothing.

    Raises:
        CorruptFileError, LimitError
    """
    header, directory = read_front(io.BytesIO(data))
    kinds = Counter("others" if m.shape is None else str(m.shape) for m in directory.members)
    names = {GROUP: "groups", FILE: "single files", METADATA: "metadata"}
    parts = {name: sum(p.length for p in directory.parts if p.kind == kind) for kind, name in names.items()}
    marks = archive.HEADER_SIZE + CHUNK_OVERHEAD * (2 + len(directory.parts)) + archive.END_PAYLOAD
    parts["directory"] = len(data) - marks - sum(parts.values())
    parts["header"] = marks
    groups = [part for part in directory.parts if part.kind == GROUP]
    info = ArchiveInfo(
        images=len(directory.members),
        grouped=sum(part.count for part in groups),
        groups=len(groups),
        size=len(data),
        model=_model_name(header.model_id),
        model_id=header.model_id.hex(),
        schedule=SCHEDULE_NAMES[header.schedule],
        kinds=dict(kinds.most_common()),
        parts={name: count for name, count in parts.items() if count},
    )
    return info, directory


def _model_name(model_id: bytes) -> str | None:
    try:
        return registry.by_id(model_id).name
    except ModelError:
        return None
