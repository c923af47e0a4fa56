"""Lossless JPEG (ISO/IEC 10918-1, process 14): differences from a prediction, in Huffman codes that the stream names.

A content is the samples, then all bytes of the stream outside of its coded data: markers before, and what is behind.
The coded data end with their last whole byte, as writers fill up the next one in different ways.  This leaves no choice
to a library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mulanzip.streams import dicom_items

SIGNATURE = b"\xff\xd8\xff"
_FRAME, _TABLES, _SCAN, _RESTARTS = 0xC3, 0xC4, 0xDA, 0xDD
#: Other kinds of frames, and arithmetic coding.
_OTHERS = frozenset(range(0xC0, 0xD0)) - {_FRAME, _TABLES, 0xC8}
#: A marker behind coded data, in which zeros follow bytes of ones.
_MARKER = re.compile(rb"\xff[^\x00]", re.DOTALL)
#: The only predictor of ours: the sample on the left.
_LEFT = 1
#: Number of classes of differences: as many bits as they have, 0 to 16.
_CLASSES = 17
#: Differences that are coded at a time, and bytes that are decoded.
_BLOCK, _BYTES = 1 << 16, 1 << 16


class _Code(NamedTuple):
    """Huffman codes by class of difference: bits, and their number; 0 where there is none."""

    bits: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Header:
    """What the markers before the coded data say.

    Attributes:
        end: bytes of the markers.
        precision: bits per sample.
        height, width, components: of the image.
        codes: for each component.
    """

    end: int
    precision: int
    height: int
    width: int
    components: int
    codes: tuple[_Code, ...]

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.height * self.width * self.components


def read_header(data: bytes, start: int = 0) -> Header:
    """The header of the stream that begins at ``start``.

    Raises:
        ValueError: if it is damaged, or of a kind that is not for us.
    """
    position, frame = start + 2, None
    tables: dict[int, _Code] = {}
    if data[start : start + 3] != SIGNATURE:
        raise ValueError("no JPEG")
    while position + 4 <= len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if data[position] != 0xFF or length < 2 or len(body) != length - 2:
            break
        position += 2 + length
        if marker in _OTHERS or (marker == _RESTARTS and any(body)):
            raise ValueError("another kind of JPEG")
        if marker == _TABLES:
            tables |= _read_tables(body)
        elif marker == _FRAME:
            frame = body
        elif marker == _SCAN and frame is not None:
            return _header(position - start, frame, body, tables)
    raise ValueError("a damaged header")


def _header(end: int, frame: bytes, scan: bytes, tables: dict[int, _Code]) -> Header:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5] or not 1 <= frame[5] <= 4:
        raise ValueError("a damaged frame")
    precision, components = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    is_whole = len(scan) == 4 + 2 * components and scan[0] == components
    if not is_whole or any(frame[7::3][i] != 0x11 for i in range(components)):
        raise ValueError("components apart, or of several sizes")
    predictor, ending, transform = scan[-3:]
    if scan[1:-3:2] != frame[6::3] or predictor != _LEFT or ending or transform:
        raise ValueError("another kind of scan")
    numbers = [byte >> 4 for byte in scan[2:-3:2]]
    if not (2 <= precision <= 16 and height and width) or any(number not in tables for number in numbers):
        raise ValueError("a damaged frame")
    if len(set(numbers)) > 1:
        raise ValueError("several codes")
    return Header(end, precision, height, width, components, tuple(tables[number] for number in numbers))


def _read_tables(body: bytes) -> dict[int, _Code]:
    tables = {}
    while body:
        number, counts = body[0], body[1:17]
        symbols = body[17 : 17 + sum(counts)]
        if len(counts) < 16 or len(symbols) != sum(counts) or number > 3:
            raise ValueError("a damaged table of codes")
        body = body[17 + len(symbols) :]
        bits, lengths = np.zeros(_CLASSES, np.uint64), np.zeros(_CLASSES, np.int64)
        code, place = 0, 0
        for length, count in enumerate(counts, 1):
            for symbol in symbols[place : place + count]:
                if symbol >= _CLASSES or code >> length:
                    raise ValueError("a damaged table of codes")
                bits[symbol], lengths[symbol] = code, length
                code += 1
            place += count
            code <<= 1
        tables[number] = _Code(bits, lengths)
    return tables


def content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    """The content of a stream; None if it is damaged, not for us, or has not ``size`` bytes of samples.

    Args:
        unit: bytes of a sample in the content, 1 or 2, low byte first.
    """
    return dicom_items.content_of(stream, size, lambda whole: _content_of(whole, size, unit))


def _content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    try:
        header = read_header(stream)
        if header.size * unit != size or header.precision > 8 * unit:
            return None
        samples = _samples(_decoded(stream, header), header)
        data = samples.astype(f"<u{unit}").tobytes()
        made = _make(data, stream[: header.end], unit)
    except ValueError:
        return None
    return data + stream[: header.end] + stream[len(made) :] if stream.startswith(made) else None


def make(content: bytes, size: int, unit: int) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are samples.

    Raises:
        ValueError: if the rest does not fit them.
    """
    return dicom_items.make(content, size, lambda data, rest: _make(data, rest, unit))


def _make(data: bytes, rest: bytes, unit: int) -> bytes:
    """The stream of samples and rest."""
    header, size = read_header(rest), len(data)
    if header.size * unit != size:
        raise ValueError("another number of samples than the header of the JPEG says")
    samples = np.frombuffer(data, f"<u{unit}", header.size).astype(np.int32)
    samples = samples.reshape(header.height, header.width, header.components)
    coded = b"".join(_coded(_differences(samples, header), header.codes))
    return rest[: header.end] + coded.replace(b"\xff", b"\xff\x00") + rest[header.end :]


def _differences(samples: np.ndarray, header: Header) -> np.ndarray:
    """Samples less those on their left: int32 ``(samples, components)``, -32767 to 32768."""
    predicted = np.empty_like(samples)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = samples[:, :-1], samples[:-1, 0], 1 << header.precision - 1
    found = samples - predicted & 0xFFFF
    found[found > 1 << 15] -= 1 << 16
    return found.reshape(-1, header.components)


def _samples(differences: np.ndarray, header: Header) -> np.ndarray:
    """The inverse of :func:`_differences`: int64 ``(H, W, components)``, 0 to 65535."""
    found = differences.reshape(header.height, header.width, header.components)
    found[:, 0] = np.cumsum(found[:, 0], axis=0) + (1 << header.precision - 1)
    return np.cumsum(found, axis=1) & 0xFFFF


def _decoded(stream: bytes, header: Header) -> np.ndarray:
    """The differences in coded data, int64.

    Raises:
        ValueError: if the data are damaged.
    """
    marker = _MARKER.search(stream, header.end)
    coded = stream[header.end : marker.start() if marker else len(stream)].replace(b"\xff\x00", b"\xff")
    code = header.codes[0]
    steps, classes = np.zeros(1 << 16, np.uint8), np.zeros(1 << 16, np.uint8)
    for number in np.flatnonzero(code.lengths).tolist():
        shift = 16 - int(code.lengths[number])
        first = int(code.bits[number]) << shift
        classes[first : first + (1 << shift)] = number
        steps[first : first + (1 << shift)] = code.lengths[number] + number % 16
    data = np.frombuffer(coded + bytes(4), np.uint8).astype(np.uint32)
    words = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    starts, at, left = list[np.ndarray](), 0, header.size
    for base in range(0, len(coded), _BYTES):
        count = min(_BYTES, len(coded) - base)
        windows = words[base : base + count, None] >> 8 - np.arange(8, dtype=np.uint32) & 0xFFFF
        found = _chain(steps[windows.ravel()].tolist(), at - 8 * base, left)
        left -= len(found)
        starts.append(np.array(found[:-1], np.int64) + 8 * base)
        at = 8 * base + found[-1]
        left += 1
    if left or at > 8 * len(coded):
        raise ValueError("short coded data")
    places = np.concatenate(starts)
    symbols = classes[words[places >> 3] >> (8 - (places & 7)).astype(np.uint32) & 0xFFFF].astype(np.int64)
    extra, places = symbols % 16, places + code.lengths[symbols]
    low = (words[places >> 3] >> (24 - (places & 7) - extra).astype(np.uint32)).astype(np.int64) & (1 << extra) - 1
    low -= np.where((low >> np.maximum(extra - 1, 0) == 0) & (extra > 0), (1 << extra) - 1, 0)
    return np.where(symbols == 16, 1 << 15, low)


def _chain(steps: list[int], position: int, most: int) -> list[int]:
    """Positions from one to the next, at most ``most`` and the one behind them; all but the last are in ``steps``.

    Raises:
        ValueError: if there is no step.
    """
    found = [position]
    while position < len(steps) and len(found) <= most:
        if not steps[position]:
            raise ValueError("coded data that are no codes")
        position += steps[position]
        found.append(position)
    return found


def _coded(differences: np.ndarray, codes: tuple[_Code, ...]) -> Iterator[bytes]:
    """The whole bytes of the coded data, without the zeros that follow bytes of ones."""
    left = np.zeros(0, np.uint8)
    rows = max(1, _BLOCK // len(codes))
    for top in range(0, len(differences), rows):
        block = differences[top : top + rows]
        words, lengths = np.empty(block.shape, np.uint64), np.empty(block.shape, np.int64)
        for i, code in enumerate(codes):
            words[:, i], lengths[:, i] = _words(block[:, i], code)
        bits = np.concatenate((left, _bits(words.ravel(), lengths.ravel())))
        whole = len(bits) - len(bits) % 8
        yield np.packbits(bits[:whole]).tobytes()
        left = bits[whole:]


def _words(differences: np.ndarray, code: _Code) -> tuple[np.ndarray, np.ndarray]:
    """Codes with the bits behind them, and their numbers of bits.

    Raises:
        ValueError: if there is no code for a difference.
    """
    classes = np.searchsorted(1 << np.arange(16), np.abs(differences), "right")
    if not code.lengths[classes].all():
        raise ValueError("a difference without a code")
    extra = np.where(classes < 16, classes, 0)
    low = np.where(differences < 0, differences - 1, differences) & (1 << extra) - 1
    return code.bits[classes] << extra.astype(np.uint64) | low.astype(np.uint64), code.lengths[classes] + extra


def _bits(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The low bits of words as a string, the highest first: uint8, 0 or 1."""
    ends = np.cumsum(lengths)
    which = np.repeat(np.arange(len(words)), lengths)
    shifts = ends[which] - 1 - np.arange(len(which))
    return (words[which] >> shifts.astype(np.uint64) & np.uint64(1)).astype(np.uint8)
