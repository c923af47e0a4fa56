"""The bits ledger: where the bits of a file are, and what each stage of coding costs."""

from __future__ import annotations

from dataclasses import dataclass

from mulanzip import registry
from mulanzip.codec.segment import HASH_BYTES, code_segment, samples_hash
from mulanzip.codec.side_info import groups_of, plans_of
from mulanzip.density.runtime import open_runtime
from mulanzip.encoder.adapt import context_in
from mulanzip.entropy.ans import BitCounter, SymbolDecoder
from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import CHUNK_OVERHEAD, CONTEXT, GAMUT, HEADER_SIZE, SEGMENT, VALUE_EDGES, VALUES, Coding
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import segments


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


def ledger(data: bytes, *, model: str | None = None, device: str = "auto", threads: int | None = None) -> Ledger:
    """Decode a file and account for its bits.

    Raises:
        UnsupportedImageError: for stored images, which have no code length.
        CorruptFileError, ModelError: as :func:`mulanzip.decode`.
    """
    file = container.unpack(data)
    header = file.header
    if header.coding is not Coding.MODEL:
        raise UnsupportedImageError("the image is stored as it is, or a chain: it has no code length under a model")
    import numpy as np

    groups = groups_of(file)
    runtime = open_runtime(registry.by_id(header.model_id, model).path, device, threads)
    prior = runtime.model.prior
    found = context_in(file, prior)
    runtime = runtime.adapted(found)
    pixels = np.empty((header.height, header.width, header.channels), dtype=header.dtype)
    plans = plans_of(file, groups)
    entries = []
    if found is not None:
        theory = prior.code_length(found)
        coded = 8.0 * len(file.of_kind(CONTEXT)[0])
        entries.append(Entry("context", theory, coded, coded))
    for number, group in enumerate(groups):
        if group.code.is_constant:
            pixels[..., group.channels] = group.code.values[0]
            continue
        coder = runtime.at(group.sample_scale)
        indices = np.zeros((header.height, header.width, group.colours), dtype=coder.sample_scale.dtype)
        mark = f"{number}: " if len(groups) > 1 else ""
        for index, (segment, payload) in enumerate(
            zip(segments(header.height, header.width), file.of_kind(SEGMENT)[group.segments], strict=True)
        ):
            decoder = SymbolDecoder(payload[HASH_BYTES:])
            counter = BitCounter(decoder)
            code_segment(segment, indices, coder, plans[number], counter, decoding=True)
            decoder.finish()
            if samples_hash(segment, indices) != payload[:HASH_BYTES]:
                raise CorruptFileError(f"segment {mark}{index} does not decode to the right samples")
            coded = 8.0 * (len(payload) - HASH_BYTES)
            name = "coarse levels" if segment.is_base else f"tile {index}"
            entries.append(Entry(mark + name, counter.bits, coded, coded))
        group.restore(indices, pixels)
    if Picture(header.mode, pixels).pixel_hash() != header.pixel_hash:
        raise CorruptFileError("the pixels do not have the hash that the header promises")
    hashes = 8.0 * HASH_BYTES * len(file.of_kind(SEGMENT))
    metadata = sum(
        8.0 * len(c.payload) for c in file.chunks if c.kind not in (SEGMENT, CONTEXT, GAMUT, VALUE_EDGES, VALUES)
    )
    marks = 8.0 * CHUNK_OVERHEAD * (1 + len(file.chunks))
    entries.append(Entry("header", 0, 0, 8.0 * HEADER_SIZE))
    entries.append(Entry("checksums", 0, 0, hashes + marks))
    for kind, name in ((VALUES, "values in use"), (GAMUT, "gamut"), (VALUE_EDGES, "tones")):
        if payloads := file.of_kind(kind):
            entries.append(Entry(name, 0, 0, 8.0 * len(payloads[0])))
    if metadata:
        entries.append(Entry("metadata", 0, 0, metadata))
    return Ledger(tuple(entries), pixels.size)
