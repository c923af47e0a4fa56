"""PNG files built chunk by chunk."""

from __future__ import annotations

import struct
import zlib

from mulanzip.imageio import png


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_file(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file.

    Args:
        rows: the bytes to deflate; each row starts with its filter byte.
        chunks: kinds and payloads of further chunks, before the pixels.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(png_chunk(*part) for part in parts)
