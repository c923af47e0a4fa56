"""What a ``.mzp`` file says of itself, without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mulanzip import container, registry
from mulanzip.container import CHUNK_OVERHEAD, HEADER_SIZE, SEGMENT, Coding, Container, Mode
from mulanzip.errors import ModelError
from mulanzip.imageio import png_original
from mulanzip.imageio.metadata import KINDS
from mulanzip.noise import SCHEDULE_NAMES

_PARTS = {
    SEGMENT: "segments",
    container.STORED: "stored image",
    container.CONTEXT: "context",
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
    schedule: str
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
    if header.coding is Coding.MODEL:
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
        schedule=SCHEDULE_NAMES[header.schedule],
        model=model,
        model_id=header.model_id.hex() if header.coding is Coding.MODEL else "",
        segments=len(file.of_kind(SEGMENT)),
        parts=parts,
        restores_file=bool(file.of_kind(png_original.KIND)),
    )
