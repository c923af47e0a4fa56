"""Runs of TGA: packets of a header and pixels; a content is the pixels, then the headers.

The headers stay as they are, so that no choice of a writer has to be known.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Bit of a header: one pixel follows, and counts as several.
_RUN = 0x80


def stream_end(data: bytes, start: int, pixels: int, unit: int) -> int:
    """The position behind the packets that begin at ``start``.

    Args:
        pixels: number of them in all packets.
        unit: bytes of a pixel.

    Raises:
        ValueError: if there are fewer, or the last packet has more.
    """
    position, left = start, pixels
    while left > 0:
        if position >= len(data):
            raise ValueError("too few pixels")
        count, stored = _counts(data[position])
        position += 1 + stored * unit
        left -= count
    if left or position > len(data):
        raise ValueError("packets that do not fit the image")
    return position


def content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    """The content of a stream; None if it has not ``size`` bytes of pixels."""
    samples, headers, position = bytearray(), bytearray(), 0
    while position < len(stream):
        header = stream[position]
        count, stored = _counts(header)
        end = position + 1 + stored * unit
        samples += stream[position + 1 : end] * (count if stored == 1 else 1)
        headers.append(header)
        position = end
        if len(samples) > size:
            return None
    return bytes(samples + headers) if len(samples) == size and position == len(stream) else None


def make(content: bytes, size: int, unit: int) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are pixels.

    Raises:
        ValueError: if the headers do not fit the pixels.
    """
    return b"".join(_packets(content, size, unit))


def _packets(content: bytes, size: int, unit: int) -> Iterator[bytes]:
    position = 0
    for header in content[size:]:
        count, stored = _counts(header)
        yield bytes([header]) + content[position : position + stored * unit]
        position += count * unit
        if position > size:
            break
    if position != size:
        raise ValueError("headers that do not fit the pixels")


def _counts(header: int) -> tuple[int, int]:
    """Number of pixels that a packet stands for, and of those in it."""
    count = (header & ~_RUN) + 1
    return count, 1 if header & _RUN else count
