"""LZW of GIF files, from the byte that says how long the first codes are to the block of no bytes.

Nearly all writers take the longest phrase that they know.  Then the indices say all codes, and a content is the indices
and what else a writer chose: where the table of phrases is cleared, where a phrase ends too early, how the codes end,
and how long blocks are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from mulanzip.varint import Reader, Writer

#: Maximum number of codes in the table, and of bits of a code.
_CODES, _BITS = 1 << 12, 12
#: Maximum number of indices that a byte stands for.
MOST_OF_BYTE = _CODES * 8 // _BITS
_LONGEST_BLOCK = 255
#: First row and step of the passes of an interlaced image.
_PASSES = ((0, 8), (4, 8), (2, 4), (1, 2))


def content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    """The content of a stream; None if it is damaged, or has not ``size`` indices.

    Args:
        unit: bytes of a row where rows are interlaced, else 1.
    """
    try:
        step, data = _joined(stream)
        indices, clears, cuts, ending = _read(data, stream[0], size)
        rows = _in_order(indices, unit)
    except (ValueError, IndexError):
        return None
    writer = Writer()
    writer.raw(stream[:1])
    writer.number(step)
    for numbers in (clears, cuts):
        writer.number(len(numbers))
        for value in numbers:
            writer.number(value)
    writer.raw(ending)
    return rows + bytes(writer.data)


def make(content: bytes, size: int, unit: int) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are indices.

    Raises:
        ValueError: if the rest does not fit them.
    """
    reader = Reader(content[size:])
    least, step = reader.byte(), reader.number()
    clears, cuts = ([reader.number() for _ in range(reader.count())] for _ in range(2))
    ending = reader.rest()
    if not 2 <= least <= 8 or not 1 <= step <= _LONGEST_BLOCK or max(content[:size], default=256) >> least:
        raise ValueError("indices that do not fit their codes")
    codes = _codes_of(_interlaced(content[:size], unit), 1 << least, clears, cuts)
    if not ending:
        codes.append((1 << least) + 1)
    bits = _bits_of(np.array(codes, np.uint16), least)
    if ending:
        bits = np.concatenate((bits, np.unpackbits(np.frombuffer(ending, np.uint8), bitorder="little")))
        bits = bits[: len(bits) // 8 * 8]
    data = np.packbits(bits, bitorder="little").tobytes()
    return content[size : size + 1] + _in_blocks(data, step)


def _joined(stream: bytes) -> tuple[int, bytes]:
    """Bytes of each block but the last, and all bytes."""
    blocks, at = list[bytes](), 1
    while stream[at]:
        blocks.append(stream[at + 1 : at + 1 + stream[at]])
        at += 1 + stream[at]
    step = len(blocks[0]) if len(blocks) > 1 else _LONGEST_BLOCK
    data = b"".join(blocks)
    if _in_blocks(data, step) != stream[1:]:
        raise ValueError("blocks of several sizes")
    return step, data


def _in_blocks(data: bytes, step: int) -> bytes:
    blocks = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _read(data: bytes, least: int, size: int) -> tuple[bytes, list[int], list[int], bytes]:
    """Indices; codes before each clear code; indices from each phrase that ends too early to the next; the ending."""
    clear, indices, clears, cuts = 1 << least, bytearray(), list[int](), list[int]()
    start = [bytes([i]) for i in range(clear)] + [b"", b""]
    phrases, known, last, before, count, cut, bit = start.copy(), dict[int, int](), -1, b"", 0, 0, 0
    for code, end in _codes_in(data, least):
        bit = end
        if code == clear:
            clears.append(count)
            phrases, count = start.copy(), 0
            continue
        phrase = before + before[:1] if code == len(phrases) and count else phrases[code]
        if not phrase:
            raise ValueError("the end comes too early")
        key = last << 8 | phrase[0]
        if key in known:
            cuts.append(len(indices) - cut)
            cut = len(indices)
        if not count:
            known = {}
        elif len(phrases) < _CODES:
            known.setdefault(key, len(phrases))
            phrases.append(before + phrase[:1])
        indices += phrase
        last, before = code, phrase
        count += 1
        if len(indices) >= size:
            break
    if len(indices) != size:
        raise ValueError("another number of indices")
    return bytes(indices), clears, cuts, _ending(data, bit, clear + 1, _widths(least)[min(count, _CODES)])


def _codes_in(data: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Codes, and the position behind each, in bits."""
    if not 2 <= least <= 8:
        raise ValueError("an impossible length of codes")
    widths, bit, count = _widths(least), 0, 0
    while bit + widths[count] <= 8 * len(data):
        word = int.from_bytes(data[bit >> 3 : (bit >> 3) + 3], "little")
        code = word >> (bit & 7) & (1 << widths[count]) - 1
        bit += widths[count]
        count = 0 if code == 1 << least else min(count + 1, _CODES)
        yield code, bit


def _widths(least: int) -> list[int]:
    """Bits of a code, by the number of codes since the table was cleared, up to that of codes in the table."""
    first = (1 << least) + 1
    return [max(least + 1, min(_BITS, (first + max(1, count)).bit_length())) for count in range(_CODES + 1)]


def _ending(data: bytes, bit: int, end: int, width: int) -> bytes:
    """The bits from a position on; nothing where they are the code for the end, and zeros to a whole byte."""
    rest = int.from_bytes(data[bit // 8 :], "little") >> bit % 8
    size = len(data) - bit // 8
    if not size:
        raise ValueError("no end")
    return b"" if rest == end and 8 * size < bit % 8 + width + 8 else rest.to_bytes(size, "little")


def _codes_of(indices: bytes, clear: int, clears: list[int], cuts: list[int]) -> list[int]:
    """All codes up to that of the last phrase."""
    codes, known, free, count = list[int](), dict[int, int](), clear + 2, 0
    counts = iter(clears)
    stop = next(counts, -1)

    def clear_table() -> None:
        nonlocal free, count, stop
        while count == stop:
            codes.append(clear)
            known.clear()
            free, count, stop = clear + 2, 0, next(counts, -1)

    def add(code: int, following: int) -> None:
        """A phrase, and the longer one that is known from now on."""
        nonlocal free, count
        codes.append(code)
        count += 1
        if count == stop:
            clear_table()
        elif free < _CODES:
            known.setdefault(code << 8 | following, free)
            free += 1

    places = [*accumulate(cuts), len(indices)]
    if 0 in cuts or places != sorted(set(places)):
        raise ValueError("phrases beyond the indices")
    clear_table()
    begin = 0
    for end in places:
        code = indices[begin]
        for index in indices[begin + 1 : end]:
            longer = known.get(code << 8 | index)
            if longer is None:
                add(code, index)
                code = index
            else:
                code = longer
        add(code, indices[end] if end < len(indices) else 0)
        begin = end
    return codes


def _bits_of(codes: np.ndarray, least: int) -> np.ndarray:
    """The bits of codes, uint16 -> uint8: low ones first."""
    numbers = np.arange(len(codes))
    is_first = np.concatenate(([True], codes[:-1] == 1 << least))
    count = numbers - np.maximum.accumulate(np.where(is_first, numbers, 0))
    widths = np.array(_widths(least), np.uint8)[np.minimum(count, _CODES)]
    places = np.arange(_BITS, dtype=np.uint8)
    return (codes[:, None] >> places & 1).astype(np.uint8)[places < widths[:, None]]


def _in_order(rows: bytes, unit: int) -> bytes:
    """Rows as they are seen, from those in the order of the stream."""
    if unit == 1:
        return rows
    order = _order(len(rows) // unit)
    seen = np.empty((len(order), unit), np.uint8)
    seen[order] = np.frombuffer(rows, np.uint8).reshape(-1, unit)
    return seen.tobytes()


def _interlaced(rows: bytes, unit: int) -> bytes:
    """The inverse of :func:`_in_order`; ValueError if there are no whole rows."""
    if unit == 1:
        return rows
    seen = np.frombuffer(rows, np.uint8).reshape(-1, unit)
    return seen[_order(len(seen))].tobytes()


def _order(height: int) -> np.ndarray:
    """Number of each row in the order of the stream."""
    return np.concatenate([np.arange(first, height, step) for first, step in _PASSES])
