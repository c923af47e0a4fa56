"""RLE of DICOM: the bytes of samples as planes, the high bytes first, each a segment of PackBits behind a header.

A content is the samples, then the header, and for each segment the headers of its packets and what is behind them.
They leave no choice to a library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

#: The number of segments, and their positions.
_HEADER = struct.Struct("<16I")
_NOTHING = 128


def content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    """The content of a stream; None if it is damaged, or has not ``size`` bytes of samples.

    Args:
        unit: bytes of a sample, 1 or 2, low byte first.
    """
    try:
        bounds = _bounds(stream, len(stream))
        count, rest = _plane_size(size, len(bounds), unit), bytearray(stream[: _HEADER.size])
        planes = np.empty((len(bounds), count), np.uint8)
        for plane, (start, end) in zip(planes, bounds, strict=True):
            plane[...] = np.frombuffer(_read(stream[start:end], count, rest), np.uint8)
    except ValueError:
        return None
    samples = planes.reshape(-1, unit, count)[:, ::-1].transpose(2, 0, 1)
    return samples.tobytes() + bytes(rest)


def make(content: bytes, size: int, unit: int) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are samples.

    Raises:
        ValueError: if the rest does not fit them.
    """
    rest = content[size:]
    bounds = _bounds(rest, len(rest) + size)
    count = _plane_size(size, len(bounds), unit)
    samples = np.frombuffer(content, np.uint8, size).reshape(count, -1, unit)
    planes = samples.transpose(1, 2, 0)[:, ::-1].reshape(len(bounds), count)
    made, position = bytearray(rest[: _HEADER.size]), _HEADER.size
    for number, (plane, (start, end)) in enumerate(zip(planes, bounds, strict=True)):
        if len(made) != start:
            raise ValueError("segments that do not follow each other")
        headers = 0
        for packet in _packets(plane.tobytes(), rest, position):
            made += packet
            headers += 1
        position += headers
        behind = end - len(made) if number + 1 < len(bounds) else len(rest) - position
        if behind < 0 or position + behind > len(rest):
            raise ValueError("segments that do not fit their header")
        made += rest[position : position + behind]
        position += behind
    return bytes(made)


def _bounds(data: bytes, end: int) -> list[tuple[int, int]]:
    """Start and end of each segment."""
    if len(data) < _HEADER.size:
        raise ValueError("no header")
    count, *starts = _HEADER.unpack_from(data)
    if not 1 <= count <= len(starts) or starts[0] != _HEADER.size:
        raise ValueError("a damaged header")
    ends = [*starts[1:count], end]
    if any(start > stop for start, stop in zip(starts, ends, strict=False)):
        raise ValueError("a damaged header")
    return list(zip(starts[:count], ends, strict=True))


def _plane_size(size: int, planes: int, unit: int) -> int:
    if planes % unit or size % planes or not size:
        raise ValueError("another number of segments")
    return size // planes


def _read(segment: bytes, count: int, rest: bytearray) -> bytes:
    """The bytes of a plane; the headers of packets, and what is behind them, go to ``rest``."""
    plane, position = bytearray(), 0
    while len(plane) < count:
        if position >= len(segment):
            raise ValueError("a short segment")
        header = segment[position]
        pixels, stored = _counts(header)
        plane += segment[position + 1 : position + 1 + stored] * (pixels if stored == 1 else 1)
        rest.append(header)
        position += 1 + stored
    if len(plane) != count or position > len(segment):
        raise ValueError("packets that do not fit the image")
    rest += segment[position:]
    return bytes(plane)


def _packets(plane: bytes, rest: bytes, position: int) -> Iterator[bytes]:
    """The packets of a plane, by the headers from ``position`` on."""
    at = 0
    while at < len(plane):
        if position >= len(rest):
            raise ValueError("too few packets")
        pixels, stored = _counts(rest[position])
        yield rest[position : position + 1] + plane[at : at + stored]
        at += pixels
        position += 1
    if at != len(plane):
        raise ValueError("packets that do not fit the image")


def _counts(header: int) -> tuple[int, int]:
    """Number of bytes that a packet stands for, and of those in it."""
    if header == _NOTHING:
        return 0, 0
    return (257 - header, 1) if header > _NOTHING else (header + 1, header + 1)
