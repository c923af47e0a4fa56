"""BMP files of uncompressed pixels: 1 to 32 bits per pixel, palettes, masks, rows from the bottom or from the top."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.source.found import WITH_ALPHA, Found, at, palette_mode
from mulanzip.source.holes import Hole, Layout, read
from mulanzip.source.packing import Fields, Packed, Words

_OLD_HEADER, _WITH_MASKS, _WITH_ALPHA_MASK = 12, 52, 56
_PLAIN, _MASKS, _ALPHA_MASKS = 0, 3, 6
#: The colours of a pixel of 16 bits without masks.
_FIVE_BITS = (0x7C00, 0x3E0, 0x1F)


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data.startswith(b"BM") and len(data) >= 26


def find(data: bytes) -> Iterator[Found]:
    """The image of a file; may end with ValueError."""
    try:
        offset, size = struct.unpack_from("<II", data, 10)
        compression = colours = 0
        if size == _OLD_HEADER:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
            (colours,) = struct.unpack_from("<I", data, 46)
    except struct.error:
        raise ValueError("a short header") from None
    if width <= 0 or height == 0 or compression not in (_PLAIN, _MASKS, _ALPHA_MASKS):
        raise ValueError("no uncompressed pixels")
    step = -(-width * bits // 32) * 4
    rows = abs(height)
    start, row_step = (offset + (rows - 1) * step, -step) if height > 0 else (offset, step)

    def hole(packing: Words | Packed | Fields) -> Hole:
        return at(Layout.of_rows(rows, width, row_step, packing), start)

    if bits in (1, 4, 8):
        mode, palette = _palette(data, size, bits, colours, offset)
        yield Found(hole(Words(1) if bits == 8 else Packed(bits)), mode, palette)
    elif bits == 24:
        yield Found(hole(Words(1, pixel_step=3, places=(2, 1, 0))), Mode.RGB)
    elif bits in (16, 32):
        masks = _masks(data, size, bits, compression)
        if bits == 32 and masks[3:] == (0,) and compression == _PLAIN:
            masks = (*masks[:3], 0xFF << 24)  # Nobody says whether the fourth byte is alpha.
            found = _of_masks(bits, masks)
            packing = found if _varies(data, hole(found)) else _of_masks(bits, masks[:3])
        else:
            packing = _of_masks(bits, tuple(mask for mask in masks if mask))
        yield Found(hole(packing), WITH_ALPHA[packing.channels])


def _palette(data: bytes, size: int, bits: int, colours: int, offset: int) -> tuple[Mode, bytes]:
    entry = 3 if size == _OLD_HEADER else 4
    count = min(colours or 1 << bits, 1 << bits, max(0, offset - 14 - size) // entry)
    entries = np.frombuffer(data[14 + size : 14 + size + count * entry], np.uint8)
    entries = entries[: len(entries) // entry * entry].reshape(-1, entry)
    return palette_mode(entries[:, 2::-1].tobytes())


def _masks(data: bytes, size: int, bits: int, compression: int) -> tuple[int, ...]:
    """Bits of red, green, blue and alpha in a pixel; of alpha 0 if there is none."""
    if compression == _PLAIN:
        return (*(_FIVE_BITS if bits == 16 else (0xFF0000, 0xFF00, 0xFF)), 0)
    has_alpha = compression == _ALPHA_MASKS or size >= _WITH_ALPHA_MASK
    found = struct.unpack_from("<IIII", data.ljust(70, b"\0"), 54)
    return found if has_alpha else (*found[:3], 0)


def _of_masks(bits: int, masks: tuple[int, ...]) -> Words | Fields:
    if len(masks) not in (3, 4):
        raise ValueError("a colour without bits")
    lows = [(mask & -mask).bit_length() - 1 for mask in masks]
    widths = [mask.bit_length() - low for mask, low in zip(masks, lows, strict=True)]
    taken = 0
    for mask, low, width in zip(masks, lows, widths, strict=True):
        if mask >> low != (1 << width) - 1 or mask & taken or mask >> bits or width > 16:
            raise ValueError("impossible masks")
        taken |= mask
    if all(width == 8 and low % 8 == 0 for low, width in zip(lows, widths, strict=True)):
        return Words(1, pixel_step=bits // 8, places=tuple(low // 8 for low in lows))
    return Fields(bits // 8, "<", 0, tuple(zip(lows, widths, strict=True)))


def _varies(data: bytes, hole: Hole) -> bool:
    """Whether the last channel has several values."""
    last = read(data, hole)[..., -1]
    return bool((last != last[0, 0]).any())
