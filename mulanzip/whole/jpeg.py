"""JPEG files <-> JPEG XL, which codes the same coefficients in less space and restores the same bytes."""

from __future__ import annotations

import re
from typing import NamedTuple

import imagecodecs

from mulanzip.errors import CorruptFileError
from mulanzip.limits import Limits
from mulanzip.varint import Reader, Writer

SIGNATURE = b"\xff\xd8\xff"
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
#: Markers that no length follows.
_BARE = (0x01, *range(0xD0, _END + 1))
#: Markers of frames: their segments have the size of the image.
_FRAMES = tuple(n for n in range(0xC0, 0xD0) if n not in (0xC4, 0xC8, 0xCC))
#: The next marker behind coded data: neither a stuffed byte nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
#: Memory that libjxl takes for a pixel, about: coefficients, and their copies.
_BYTES_PER_PIXEL = 40
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODESTREAM = b"\xff\x0a"
_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class Frame(NamedTuple):
    """The image of a JPEG file: its size in pixels, and its number of components."""

    height: int
    width: int
    components: int


def scan(data: bytes, start: int = 0) -> tuple[int, Frame] | None:
    """The end of the JPEG file that begins at ``start``, and its frame; None if it is damaged or has no end."""
    frame = None
    position = start + 2
    if data[start : start + 3] != SIGNATURE:
        return None
    while position + 4 <= len(data) or data[position : position + 2] == b"\xff\xd9":
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # Fill byte.
            position += 1
            continue
        if marker == _END:
            return None if frame is None else (position + 2, frame)
        if marker in _BARE:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        if marker in _FRAMES and len(body) > 5 and frame is None:
            frame = Frame(int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), body[5])
        if marker == _SCAN:
            found = _MARKER.search(data, position)
            if found is None:
                return None
            position = found.start()
    return None


def pack(data: bytes, limits: Limits) -> bytes | None:
    """The payload for a JPEG file: its size, and JPEG XL; None if that is not smaller, or does not restore it.

    Raises:
        LimitError: if there is not enough memory.
    """
    found = scan(data)
    if found is None:
        return None
    limits.require(_memory(*found[1][:2]))
    try:
        coded = bytes(imagecodecs.jpegxl_encode_jpeg(data, numthreads=1))
    except Exception:  # imagecodecs raises errors of several types: CMYK, arithmetic coding, truncated.
        return None
    writer = Writer()
    writer.number(len(data))
    writer.raw(coded)
    payload = bytes(writer.data)
    try:
        is_same = unpack(payload, limits) == data
    except CorruptFileError:
        return None
    return payload if is_same and len(payload) < len(data) else None


def size_of(payload: bytes) -> int:
    """Bytes of the JPEG file that a payload restores.

    Raises:
        CorruptFileError: if the payload is damaged.
    """
    return _read(payload)[0]


def unpack(payload: bytes, limits: Limits) -> bytes:
    """The inverse of :func:`pack`.

    Raises:
        CorruptFileError: if the payload is damaged.
        LimitError: if its image is larger than the limits allow.
    """
    size, coded = _read(payload)
    height, width = image_size(coded)
    limits.check_pixels(height, width)
    limits.require(size + _memory(height, width))
    try:
        data = bytes(imagecodecs.jpegxl_decode_jpeg(coded, numthreads=1, out=size))
    except MemoryError:
        raise
    except Exception as error:  # imagecodecs raises errors of several types.
        raise CorruptFileError(f"a JPEG file, as JPEG XL, is damaged: {error}") from None
    if len(data) != size:
        raise CorruptFileError("a JPEG file, as JPEG XL, has another length than it says")
    return data


def _memory(height: int, width: int) -> int:
    return height * width * _BYTES_PER_PIXEL


def _read(payload: bytes) -> tuple[int, bytes]:
    reader = Reader(payload)
    try:
        return reader.number(), reader.rest()
    except ValueError:
        raise CorruptFileError("a JPEG file, as JPEG XL, is cut") from None


def image_size(coded: bytes) -> tuple[int, int]:
    """Height and width in pixels of a JPEG XL file, as it states them: nothing is decoded.

    Raises:
        CorruptFileError: if they cannot be read.
    """
    start = _codestream(coded)
    # As many bits as a size takes: the lowest of the first byte comes first.
    bits = int.from_bytes(coded[start + 2 : start + 12], "little")
    if coded[start : start + 2] != _CODESTREAM or len(coded) < start + 12:
        raise CorruptFileError("a JPEG file, as JPEG XL, is damaged: it has no image")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & (1 << count) - 1, bits >> count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = side()
    ratio = take(3)
    if not ratio:
        return height, side()
    across, down = _RATIOS[ratio]
    return height, height * across // down


def _codestream(coded: bytes) -> int:
    """The position of the codestream, or of its first part."""
    if not coded.startswith(_CONTAINER):
        return 0
    position = 0
    while position + 8 <= len(coded):
        size, kind = int.from_bytes(coded[position : position + 4], "big"), coded[position + 4 : position + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(coded[position + 8 : position + 16], "big"), 16
        if kind == b"jxlc":
            return position + head
        if kind == b"jxlp":
            return position + head + 4
        if size < head:
            break
        position += size
    return len(coded)
