"""The bits ledger: where the bits of a file are, and what each stage of coding costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mulanzip import open_model, registry
from mulanzip.codec.image import CodedGroup, coded_groups, new_pixels
from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import HASH_BYTES, measure_segments
from mulanzip.codec.side_info import SideInfo
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import (
    CHUNK_OVERHEAD,
    CONTEXT,
    GAMUT,
    HEADER_SIZE,
    NEIGHBOURS,
    SCHEDULES_CHUNK,
    SEGMENT,
    VALUE_EDGES,
    VALUES,
    Coding,
    Container,
)
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import segments
from mulanzip.options import Execution

#: Chunks of side information that have no code length of their own, and their names.
_SIDE_NAMES = {
    SCHEDULES_CHUNK: "schedules",
    VALUES: "values in use",
    GAMUT: "gamut",
    VALUE_EDGES: "value edges",
    NEIGHBOURS: "earlier slices",
}


@dataclass(frozen=True)
class Entry:
    """One term: bits in theory (code length under the integer model), coded, and in the file."""

    name: str
    theory: float
    coded: float
    file: float


@dataclass(frozen=True)
class Ledger:
    """All terms of a file; their ``file`` bits add up to its size."""

    entries: tuple[Entry, ...]
    subpixels: int

    @property
    def total(self) -> Entry:
        """The sum of all terms."""
        return Entry(
            "total",
            sum(e.theory for e in self.entries),
            sum(e.coded for e in self.entries),
            sum(e.file for e in self.entries),
        )

    def table(self) -> str:
        """A text table in bytes and bits per subpixel."""
        lines = [f"{'bytes of':<16}{'theory':>12}{'coded':>12}{'file':>12}{'bpsp':>9}"]
        for e in (*self.entries, self.total):
            bpsp = e.file / self.subpixels
            lines.append(f"{e.name:<16}{e.theory / 8:>12,.1f}{e.coded / 8:>12,.0f}{e.file / 8:>12,.0f}{bpsp:>9.4f}")
        return "\n".join(lines)


def ledger(
    data: bytes,
    *,
    model: str | None = None,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
) -> Ledger:
    """Decode a file and account for its bits.

    Args:
        model, device, threads: as for :func:`mulanzip.decode`.

    Raises:
        UnsupportedImageError: for images that no model codes segment by segment: they have no code length.
        CorruptFileError, ModelError, LimitError: as :func:`mulanzip.decode`.
    """
    file = container.unpack(data)
    header = file.header
    if header.coding is not Coding.MODEL:
        raise UnsupportedImageError("the image is stored, or a chain of tiles: it has no code length under a model")
    size = header.height * header.width * header.channels * header.dtype.itemsize
    runtime = open_model.open_for_coding(registry.by_id(header.model_id, model), size, Execution(device, threads))
    side = SideInfo.read(file)
    pixels = new_pixels(file, side)
    entries = _context_entries(side, runtime)
    for coded in coded_groups(file, side, runtime):
        mark = f"{side.groups.index(coded.group)}: " if len(side.groups) > 1 else ""
        canvas = coded.decode()
        entries += _segment_entries(coded, canvas, mark)
        coded.group.restore(canvas.pixels, pixels)
    if Picture(header.mode, pixels).pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises")
    return Ledger((*entries, *_other_entries(file)), pixels.size)


def _context_entries(side: SideInfo, runtime: Runtime) -> list[Entry]:
    prior = runtime.model.prior
    context = side.context(prior)
    if context is None or side.coded_context is None:
        return []
    coded = 8.0 * len(side.coded_context)
    return [Entry("context", prior.code_length(context), coded, coded)]


def _segment_entries(coded: CodedGroup, canvas: Canvas, mark: str) -> list[Entry]:
    """An entry for each segment of a group.

    Args:
        canvas: the group, decoded.
        mark: goes before the names of entries.
    """
    parts = segments(*coded.shape[:2])
    lengths = measure_segments(canvas.anew(), coded.runtime, coded.group.schedules, parts)
    entries = []
    for number, (segment, length, payload) in enumerate(zip(parts, lengths, coded.payloads, strict=True)):
        bits = 8.0 * (len(payload) - HASH_BYTES)
        name = "coarse levels" if segment.is_base else f"tile {number}"
        entries.append(Entry(mark + name, length, bits, bits))
    return entries


def _other_entries(file: Container) -> Iterator[Entry]:
    """Entries of everything but the context and the segments' symbols."""
    yield Entry("header", 0, 0, 8.0 * HEADER_SIZE)
    hashes = 8.0 * HASH_BYTES * len(file.of_kind(SEGMENT))
    yield Entry("checksums", 0, 0, hashes + 8.0 * CHUNK_OVERHEAD * (1 + len(file.chunks)))
    for kind, name in _SIDE_NAMES.items():
        if payloads := file.of_kind(kind):
            yield Entry(name, 0, 0, 8.0 * len(payloads[0]))
    accounted = (SEGMENT, CONTEXT, *_SIDE_NAMES)
    if metadata := sum(len(chunk.payload) for chunk in file.chunks if chunk.kind not in accounted):
        yield Entry("metadata", 0, 0, 8.0 * metadata)
