"""Chunks of PNG files: reads the metadata that Pillow drops or changes, and writes it back byte for byte."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture

if TYPE_CHECKING:
    from PIL import Image

Chunk = tuple[bytes, bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: The kind of the chunk that makes a file an animation.
ANIMATION = b"acTL"
#: Bytes of a chunk without its payload.
OVERHEAD = 12
#: Chunks that go between the palette and the pixels; all others go before the palette.
_AFTER_PALETTE = (b"tRNS", b"bKGD", b"hIST")
#: Chunks that stay true when the pixels are compressed again, beside those marked as safe to copy.
_KEPT = frozenset(
    (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"hIST", b"sPLT", b"tIME", b"oFFs")
)
_TEXT = frozenset((b"tEXt", b"zTXt", b"iTXt", b"tIME"))
#: Chunks whose content is kept elsewhere, or follows from the pixels.
_REPLACED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"pHYs", ANIMATION, b"fcTL"))
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_GRAY, _RGB, _PALETTE = 0, 2, 3


def _split(file: BinaryIO, damaged: list[str]) -> Iterator[Chunk]:
    """All chunks without pixels, up to the end mark; the kinds of those whose checksums are wrong go to ``damaged``."""
    end = file.seek(0, io.SEEK_END)
    position = len(SIGNATURE)
    while position + OVERHEAD <= end:
        file.seek(position)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        position += OVERHEAD + length
        if kind == b"IEND" or position > end:
            return
        if kind != b"IDAT":
            payload = file.read(length)
            if int.from_bytes(file.read(4), "big") == zlib.crc32(kind + payload):
                yield kind, payload
            else:
                damaged.append(f"{kind.decode('ascii', 'replace')}, which is damaged")


def join(kind: bytes, payload: bytes) -> bytes:
    """The bytes of a chunk in a file."""
    return len(payload).to_bytes(4, "big") + kind + payload + zlib.crc32(kind + payload).to_bytes(4, "big")


def bare(data: bytes) -> bytes:
    """The PNG file without all chunks but header, palette and pixels: others may change what a decoder returns."""
    position, kept = len(SIGNATURE), [SIGNATURE]
    while position + OVERHEAD <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + OVERHEAD + length
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def bit_depth(file: BinaryIO) -> int:
    """Bits per sample of a PNG file.  The position in the file stays the same."""
    position = file.tell()
    file.seek(24)
    depth = file.read(1)[0]
    file.seek(position)
    return depth


def read_chunks(file: BinaryIO) -> tuple[list[Chunk], bytes, list[str]]:
    """Metadata of a PNG file that Pillow has read.

    Returns:
        the chunks to keep, those before the palette first, without ICC, EXIF, XMP and resolution; the payload of
        ``tRNS``; and the kinds of the chunks that are lost, as they are damaged, or may not stay true when pixels are
        compressed again.
        Gray values in ``tRNS`` and ``bKGD`` are scaled to 8 bits, as Pillow scales the pixels.
    """
    kept: list[Chunk] = []
    transparency, lost = b"", list[str]()
    depth, colour = 8, _GRAY
    for kind, payload in _split(file, lost):
        if kind == b"IHDR":
            depth, colour = payload[8], payload[9]
        elif kind == b"tRNS" and colour == _PALETTE:
            transparency = payload[:256]
        elif kind == b"tRNS" and len(payload) == {_GRAY: 2, _RGB: 6}.get(colour):
            transparency = _to_eight_bits(payload, depth) if colour == _GRAY else payload
        elif _is_kept(kind, payload) and not (kind == b"hIST" and colour != _PALETTE):
            scaled = kind == b"bKGD" and colour == _GRAY
            kept.append((kind, _to_eight_bits(payload, depth) if scaled else payload))
        elif kind not in _REPLACED and not _is_xmp(kind, payload):
            lost.append(kind.decode("ascii", "replace"))
    return sorted(kept, key=_is_after_palette), transparency, list(dict.fromkeys(lost))


def is_text(chunk: Chunk) -> bool:
    """Whether a chunk is text, or the time of the last modification."""
    return chunk[0] in _TEXT


def _is_xmp(kind: bytes, payload: bytes) -> bool:
    return kind == b"iTXt" and payload.startswith(_XMP_KEYWORD)


def _is_after_palette(chunk: Chunk) -> bool:
    return chunk[0] in _AFTER_PALETTE


def _is_kept(kind: bytes, payload: bytes) -> bool:
    if kind == b"pHYs":
        return payload[-1:] != b"\1"
    if kind == b"eXIf" or _is_xmp(kind, payload) or not kind.isalpha():
        return False
    ancillary, safe_to_copy = bool(kind[0] & 32), bool(kind[3] & 32)
    return kind in _KEPT or (ancillary and safe_to_copy)


def _to_eight_bits(payload: bytes, depth: int) -> bytes:
    """Scale a gray value of 2 or 4 bits to 8 bits, as Pillow scales the pixels."""
    if depth not in (2, 4) or len(payload) != 2:
        return payload
    value = payload[1] & ((1 << depth) - 1)
    return bytes([0, value * 255 // ((1 << depth) - 1)])


def pack_chunks(chunks: Iterable[Chunk]) -> bytes:
    """Chunks as bytes: the length (4 bytes, big endian), kind and payload of each."""
    return b"".join(len(payload).to_bytes(4, "big") + kind + payload for kind, payload in chunks)


def unpack_chunks(packed: bytes) -> list[Chunk]:
    """The inverse of :func:`pack_chunks`.

    Raises:
        CorruptFileError: if the bytes are damaged, or a chunk is not metadata.
    """
    chunks: list[Chunk] = []
    position = 0
    while position < len(packed):
        start = position + 8
        length, kind = int.from_bytes(packed[position : position + 4], "big"), packed[position + 4 : start]
        position = start + length
        payload = packed[start:position]
        if position > len(packed) or not _is_kept(kind, payload):
            raise CorruptFileError("the PNG chunks are damaged")
        chunks.append((kind, payload))
    return chunks


def icc_chunk(profile: bytes) -> Chunk:
    return b"iCCP", b"ICC profile\0\0" + zlib.compress(profile, 9)


def xmp_chunk(packet: bytes) -> Chunk:
    return b"iTXt", _XMP_KEYWORD + b"\0\0\0\0" + packet


def comment_chunk(comment: bytes) -> Chunk | None:
    """A text chunk of a comment in another format; None if the comment has zeros before its end, and so is no text."""
    comment = comment.rstrip(b"\0")
    if b"\0" in comment:
        return None
    try:
        is_utf8 = bool(comment.decode()) and not comment.isascii()
    except UnicodeDecodeError:
        is_utf8 = False
    return (b"iTXt", b"Comment\0\0\0\0\0" + comment) if is_utf8 else (b"tEXt", b"Comment\0" + comment)


def resolution_chunk(dpi: tuple[float, float]) -> Chunk:
    per_metre = [round(d / 0.0254).to_bytes(4, "big") for d in dpi]
    return b"pHYs", b"".join(per_metre) + b"\1"


def encode(picture: Picture, chunks: Sequence[Chunk] = ()) -> bytes:
    """A PNG file of the pixels with these chunks of metadata, instead of the picture's own metadata."""
    front = [join(*chunk) for chunk in chunks if not _is_after_palette(chunk)]
    middle = [join(*chunk) for chunk in chunks if _is_after_palette(chunk)]
    if picture.mode is Mode.PALETTE:
        middle.insert(0, join(b"PLTE", picture.palette))
    data = encode_samples(picture.pixels) if picture.is_deep else _by_pillow(picture)
    header = len(SIGNATURE) + OVERHEAD + 13
    pixels = header
    while data[pixels + 4 : pixels + 8] != b"IDAT":  # A search for the letters could find them in a palette.
        pixels += OVERHEAD + int.from_bytes(data[pixels : pixels + 4], "big")
    return b"".join((data[:header], *front, *middle, data[pixels:]))


def encode_samples(pixels: np.ndarray) -> bytes:
    """A PNG file of 8 or 16 bits: uint8 or uint16 ``(H, W)``, or ``(H, W, 1 to 4)``."""
    import imagecodecs

    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    # The encoder's default buffer is too small for short rows: each has a filter byte, each 8 KiB a chunk header.
    rows = pixels.nbytes + len(pixels)
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=9, out=rows + rows // 64 + 4096))


def _by_pillow(picture: Picture) -> bytes:
    from mulanzip.imageio.pillow_files import saved

    return saved(_full_palette(picture), "PNG", optimize=True)


def _full_palette(picture: Picture) -> Image.Image:
    """A Pillow image whose palette has colours for all indices: Pillow chooses the bits per index by its length."""
    from mulanzip.imageio.pillow_image import to_pillow

    if picture.mode is not Mode.PALETTE:
        return to_pillow(picture)
    missing = 3 * (int(picture.pixels.max()) + 1) - len(picture.palette)
    return to_pillow(Picture(Mode.PALETTE, picture.pixels, picture.palette + bytes(max(0, missing))))
