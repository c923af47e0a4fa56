"""The section "Streams" of docs/format.md, written from its text alone: slow, and without mulanzip."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import deflate
import imagecodecs
import numpy as np
import tifffile
from zlib_ng import zlib_ng


class _Numbers:
    def __init__(self, data: bytes):
        self.bytes = iter(data)

    def number(self) -> int:
        value = shift = 0
        for byte in self.bytes:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise EOFError

    def raw(self, count: int) -> bytes:
        return bytes(next(self.bytes) for _ in range(count))


def restore(table: bytes, expanded: bytes) -> bytes:
    """The source of an expanded file; its streams are not written anew."""
    numbers = _Numbers(table)
    assert numbers.number() == len(expanded)
    file, end, facts, shifts = b"", 0, [], [(0, 0)]
    for _ in range(numbers.number()):
        method, row, size = numbers.number(), numbers.number(), numbers.number()
        predictor = (size, numbers.number(), numbers.number()) if size else None
        library = numbers.raw(7 if method == 0 else 1)
        for _ in range(numbers.number()):
            start = end + numbers.number()
            length, place = numbers.number(), numbers.number()
            tail = numbers.raw(numbers.number())
            file += expanded[end:start]
            end = start + length
            content = expanded[start:end] if predictor is None else _differences(expanded[start:end], row, *predictor)
            facts.append((place, len(file)))
            file += _made(method, library, content, row)[: place - len(tail)] + tail
            shifts.append((end, len(file) - end))
    made = bytearray(file + expanded[end:])
    for position, flags, stream in _fields(numbers):
        size = 2 << (flags >> 2)
        at = position + next(shift for behind, shift in reversed(shifts) if behind <= position)
        made[at : at + size] = facts[stream][flags & 1].to_bytes(size, "little" if flags & 2 else "big")
    return bytes(made)


def _fields(numbers: _Numbers) -> Iterator[tuple[int, int, int]]:
    for _ in range(numbers.number()):
        start, flags, first, count = (numbers.number() for _ in range(4))
        for i in range(count):
            yield start + i * (2 << (flags >> 2)), flags, first + i


def _differences(content: bytes, row: int, size: int, order: int, channels: int) -> bytes:
    kind = f"{'<>'[order]}u{size}"
    samples = np.frombuffer(content, kind).astype(np.int64).reshape(len(content) // row, -1, channels)
    left = np.zeros_like(samples)
    left[:, 1:] = samples[:, :-1]
    return ((samples - left) % 256**size).astype(kind).tobytes()


def _made(method: int, library: bytes, content: bytes, row: int) -> bytes:
    if method == 0:
        number, level, window, memory, strategy = library[:5]
        if number == 2:
            made = bytes(deflate.zlib_compress(content, level))
        else:
            coder = (zlib, zlib_ng)[number].compressobj(level, zlib.DEFLATED, window, memory, strategy)
            made = coder.compress(content) + coder.flush()
        return library[5:] + made[2:]
    if library[0] == 0:
        rows = np.frombuffer(content, np.uint8).reshape(-1, row)
        name = ("lzw", "packbits")[method - 1]
        file = bytes(imagecodecs.tiff_encode(rows, compression=name, rowsperstrip=len(rows)))
        with tifffile.TiffFile(io.BytesIO(file)) as tiff:
            page = tiff.pages.first
            return file[page.dataoffsets[0] :][: page.databytecounts[0]]
    if method == 1:
        return bytes(imagecodecs.lzw_encode(content))
    step = len(content) if library[0] == 1 else row
    return b"".join(bytes(imagecodecs.packbits_encode(content[i : i + step])) for i in range(0, len(content), step))
