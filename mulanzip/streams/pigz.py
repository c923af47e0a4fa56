"""The deflated stream of pigz, which compresses blocks of its input side by side."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: Bytes of a block, and of those before it that it can refer to.
_BLOCK, _DICTIONARY = 1 << 17, 1 << 15
#: An empty block of fixed codes, and its bits.
_EMPTY, _EMPTY_BITS = 2, 10


def pieces(data: bytes, level: int, memory: int, strategy: int) -> Iterator[bytes]:
    """The stream without header and checksum, a block after the other.

    Args:
        level, memory, strategy: as zlib has them.
    """
    for start in range(0, max(1, len(data)), _BLOCK):
        before = data[max(0, start - _DICTIONARY) : start]
        deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, memory, strategy, before)
        made = deflater.compress(data[start : start + _BLOCK])
        if start + _BLOCK >= len(data):
            yield made + deflater.flush()
            return
        yield made + deflater.flush(zlib.Z_BLOCK)
        yield _to_whole_byte(deflater)


def _to_whole_byte(deflater: zlib._Compress) -> bytes:
    """The last bits of a block, and what fills their byte: an empty stored block, or empty blocks of fixed codes."""
    # An empty block of fixed codes follows the bits here: its only 1 says how many they are.
    text = int.from_bytes(deflater.copy().flush(zlib.Z_PARTIAL_FLUSH), "little")
    bits = text.bit_length() - _EMPTY.bit_length()
    if bits % 2:
        return deflater.flush(zlib.Z_SYNC_FLUSH)
    text -= _EMPTY << bits
    while bits % 8:
        text |= _EMPTY << bits
        bits += _EMPTY_BITS
    return text.to_bytes(bits // 8, "little")
