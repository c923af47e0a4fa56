"""GIF files: still images, and the frames of animations."""

from __future__ import annotations

from collections.abc import Iterator

from mulanzip.source.found import Found, at, open_block, palette_mode, words_of
from mulanzip.source.holes import Layout
from mulanzip.streams import gif_lzw
from mulanzip.streams.recipe import Method, Recipe

_SIGNATURES = (b"GIF87a", b"GIF89a")
#: Bytes of the header, and of the description of an image.
_HEADER, _IMAGE = 13, 10
_EXTENSION, _SEPARATOR = 0x21, 0x2C
_HAS_PALETTE, _INTERLACED = 0x80, 0x40
#: The frames that begin before this number of pixels are taken out.  Indices are stored, which takes up to 40 seconds
#: for a million of them.
_MOST_PIXELS = 1 << 22


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data.startswith(_SIGNATURES)


def find(data: bytes) -> Iterator[Found]:
    """The images of a file; may end with ValueError."""
    if len(data) < _HEADER:
        raise ValueError("the file is too short")
    palette, position = _palette(data, data[_HEADER - 3], _HEADER)
    pixels = 0
    while position + _IMAGE <= len(data) and pixels < _MOST_PIXELS:
        if data[position] == _EXTENSION:
            position = _behind_blocks(data, position + 2)
        elif data[position] == _SEPARATOR:
            width, height = (int.from_bytes(data[position + i : position + i + 2], "little") for i in (5, 7))
            flags = data[position + _IMAGE - 1]
            own_palette, start = _palette(data, flags, position + _IMAGE)
            position = _behind_blocks(data, start + 1)
            if not 0 < width * height <= gif_lzw.MOST_OF_BYTE * (position - start):
                raise ValueError("an image that cannot be in its blocks")
            pixels += width * height
            layout = Layout.of_rows(height, width, width, words_of(1, "<", False))
            recipe = Recipe(Method.GIF_LZW, width * height, unit=width if flags & _INTERLACED else 1)
            mode, colours = palette_mode(own_palette or palette)
            yield Found(at(layout, start), mode, colours, blocks=open_block(recipe, start, position))
        else:
            return


def _palette(data: bytes, flags: int, start: int) -> tuple[bytes, int]:
    """The palette that flags announce, empty if there is none; and the position behind it."""
    end = start + (3 << (flags & 7) + 1 if flags & _HAS_PALETTE else 0)
    return data[start:end], end


def _behind_blocks(data: bytes, position: int) -> int:
    """The position behind blocks of data, the last of which is empty."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    if position >= len(data):
        raise ValueError("the blocks are cut")
    return position + 1
