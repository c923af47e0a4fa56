"""DICOM files: with and without preamble, in both byte orders, with and without types; frames as they are, RLE or JPEG.

The reader of elements is our own: it takes no more time and memory than the file has bytes, and needs no pydicom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mulanzip.image.kinds import Mode
from mulanzip.source.found import Found, at, open_block, words_of
from mulanzip.source.holes import Hole, Layout, read
from mulanzip.source.packing import Fields, Packing, Words
from mulanzip.streams import dicom_items, jpeg_ls, lossless_jpeg
from mulanzip.streams.recipe import Method, Recipe

_PREAMBLE, _SIGNATURE = 128, b"DICM"
#: Bytes at the start of a file that suffice to recognize it.
START = 1 << 10
_SYNTAX = (2, 0x10)
_SAMPLES, _KIND, _PLANAR, _FRAMES = (0x28, 2), (0x28, 4), (0x28, 6), (0x28, 8)
_ROWS, _COLUMNS, _ALLOCATED, _STORED = (0x28, 0x10), (0x28, 0x11), (0x28, 0x100), (0x28, 0x101)
_HIGH, _SIGNED, _PIXELS = (0x28, 0x102), (0x28, 0x103), (0x7FE0, 0x10)
_SERIES, _INSTANCE, _POSITION, _ORIENTATION = (0x20, 0xE), (0x20, 0x13), (0x20, 0x32), (0x20, 0x37)
_OF_SERIES = (_SERIES, _INSTANCE, _POSITION, _ORIENTATION)
_WANTED = (_SAMPLES, _KIND, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH, _SIGNED, *_OF_SERIES)
#: Maximum number of bytes of a wanted value.
_MAX_VALUE = 128
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_UNKNOWN_LENGTH = 0xFFFFFFFF
_LONG = tuple(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = tuple(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_IMPLICIT, _EXPLICIT, _BIG = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2"
_RLE = b"1.2.840.10008.1.2.5"
#: Kinds of JPEG without loss; the last two are JPEG-LS, of which the second one may have loss.
_JPEGS = {
    b"1.2.840.10008.1.2.4.57": Method.LOSSLESS_JPEG,
    b"1.2.840.10008.1.2.4.70": Method.LOSSLESS_JPEG,
    b"1.2.840.10008.1.2.4.80": Method.JPEG_LS,
    b"1.2.840.10008.1.2.4.81": Method.JPEG_LS,
}
#: Most samples that a byte stands for: a bit is one of lossless JPEG; JPEG-LS has runs.
_SAMPLES_OF_BYTE = {Method.LOSSLESS_JPEG: 8, Method.JPEG_LS: 1 << 12}
#: Maximum number of bytes that a byte of RLE stands for.
_MOST_OF_RUN = 64
_MAX_DEPTH = 32


@dataclass(frozen=True)
class _Coding:
    """How elements are written: byte order, and whether their types stand in the file."""

    order: str = "little"
    is_explicit: bool = True


@dataclass(frozen=True)
class _Element:
    tag: tuple[int, int]
    kind: bytes
    start: int
    length: int


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    if data[_PREAMBLE : _PREAMBLE + 4] == _SIGNATURE:
        return True
    return _bare_start(data) is not None


def _bare_start(data: bytes) -> int | None:
    """Where elements begin in a file without preamble; None if there are none.

    The first two must be of group 2 or 8, and follow each other.  A byte before them is the end of what was cut off.
    """
    for start in (0, 1) if data[:1] in (b"\0", b" ") else (0,):
        for coding in (_Coding(), _Coding(is_explicit=False), _Coding("big")):
            try:
                first = _element(data, start, coding)
                second = _element(data, first.start + first.length, coding)
            except ValueError:
                continue
            if first.tag[0] in (2, 8) and first.tag[1] <= 0x60 and first.tag < second.tag and second.tag[0] <= 0x10:
                return start
    return None


def find(data: bytes) -> Iterator[Found]:
    """The frames of a file; may end with ValueError."""
    syntax, position = syntax_of(data)
    if syntax == _RLE or syntax in _JPEGS:
        coding = _Coding()
        values, element = _values(data, position, coding)
        if element is not None:
            fragments = _fragments(data, element, coding)
            yield from (
                _planes(values, fragments, coding)
                if syntax == _RLE
                else _jpegs(data, values, fragments, coding, _JPEGS[syntax])
            )
        return
    coding = _coding(data, position, syntax)
    values, element = _values(data, position, coding)
    if element is not None and element.length != _UNKNOWN_LENGTH:
        yield from _frames(data, values, element, coding)


def place_in_series(data: bytes) -> tuple[bytes, float, float]:
    """The UID of the series that a file belongs to, its place across the slices in millimetres, and its number there.

    What the file does not say is empty or 0.
    """
    try:
        syntax, position = syntax_of(data)
        values = _values(data, position, _coding(data, position, syntax))[0]
    except ValueError:
        return b"", 0, 0
    where, axes = (_decimals(values.get(tag, b"")) for tag in (_POSITION, _ORIENTATION))
    across = float(np.dot(np.cross(axes[:3], axes[3:]), where)) if (len(where), len(axes)) == (3, 6) else 0
    number = _decimals(values.get(_INSTANCE, b""))
    return values.get(_SERIES, b""), across, number[0] if len(number) == 1 else 0


def _decimals(text: bytes) -> list[float]:
    """Decimal numbers; none where one is damaged, or no finite one."""
    try:
        found = [float(part) for part in text.strip(b"\0 ").split(b"\\")]
    except ValueError:
        return []
    return found if np.isfinite(found).all() else []


def syntax_of(data: bytes) -> tuple[bytes | None, int]:
    """The UID of the transfer syntax, if there is one, and the position of the elements behind it.

    Raises:
        ValueError: if the file is damaged.
    """
    position = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == _SIGNATURE else _bare_start(data) or 0
    syntax = None
    while position < len(data) and _tag(data, position, "little")[0] == 2:
        element = _element(data, position, _Coding())
        position = element.start + element.length
        if element.tag == _SYNTAX:
            syntax = data[element.start : position].rstrip(b"\0 ")
    return syntax, position


def promised_size(elements: bytes) -> tuple[int, int, int]:
    """Rows, columns, and bytes of all pixels, by elements of the explicit little-endian coding; 0 where not stated.

    Args:
        elements: perhaps only the first ones.
    """
    coding = _Coding()
    values = _values(elements, 0, coding)[0]
    rows, columns, bits = (_short(values, tag, coding, 0) for tag in (_ROWS, _COLUMNS, _ALLOCATED))
    samples = _short(values, _SAMPLES, coding, 1) * max(1, _count(values.get(_FRAMES, b"")))
    return rows, columns, rows * columns * samples * bits // 8


def _values(data: bytes, position: int, coding: _Coding) -> tuple[dict[tuple[int, int], bytes], _Element | None]:
    """Values of the elements that are wanted, and the element of the pixels; up to where the file is damaged."""
    values: dict[tuple[int, int], bytes] = {}
    try:
        while position < len(data):
            element = _element(data, position, coding)
            if element.tag == _PIXELS:
                return values, element
            if element.tag in _WANTED and element.length <= _MAX_VALUE:
                values[element.tag] = data[element.start : element.start + element.length]
            position = _end(data, element, coding, 0)
    except ValueError:
        pass
    return values, None


def _short(values: dict[tuple[int, int], bytes], tag: tuple[int, int], coding: _Coding, default: int) -> int:
    value = values.get(tag, b"")
    return _number(value, 0, 2, coding.order) if len(value) >= 2 else default


def _coding(data: bytes, position: int, syntax: bytes | None) -> _Coding:
    """The coding of the elements behind group 2.  Files without it are taken as they look."""
    if syntax is None:
        order = "little" if data[position : position + 2] < b"\x20" else "big"
        return _Coding(order, data[position + 4 : position + 6] in _LONG + _SHORT)
    known = {_IMPLICIT: _Coding(is_explicit=False), _EXPLICIT: _Coding(), _BIG: _Coding("big")}
    if syntax not in known:
        raise ValueError("compressed frames")
    return known[syntax]


def _number(data: bytes, position: int, size: int, order: str) -> int:
    if position + size > len(data):
        raise ValueError("the file is too short")
    return int.from_bytes(data[position : position + size], "little" if order == "little" else "big")


def _tag(data: bytes, position: int, order: str) -> tuple[int, int]:
    return _number(data, position, 2, order), _number(data, position + 2, 2, order)


def _element(data: bytes, position: int, coding: _Coding) -> _Element:
    tag = _tag(data, position, coding.order)
    if not coding.is_explicit or tag[0] == _ITEM[0]:
        return _Element(tag, b"", position + 8, _number(data, position + 4, 4, coding.order))
    kind = data[position + 4 : position + 6]
    if kind in _LONG:
        return _Element(tag, kind, position + 12, _number(data, position + 8, 4, coding.order))
    if kind not in _SHORT:
        raise ValueError("an unknown type")
    return _Element(tag, kind, position + 8, _number(data, position + 6, 2, coding.order))


def _end(data: bytes, element: _Element, coding: _Coding, depth: int) -> int:
    """The position behind an element."""
    if element.length != _UNKNOWN_LENGTH:
        return element.start + element.length
    if depth > _MAX_DEPTH:
        raise ValueError("sequences too deep in each other")
    # What has the type "unknown" and no length is a sequence without types.
    inner = _Coding(is_explicit=False) if element.kind == b"UN" else coding
    position = element.start
    stop = _END_OF_ITEM if element.tag == _ITEM else _END_OF_SEQUENCE
    while True:
        below = _element(data, position, inner)
        if below.tag == stop:
            return below.start
        position = _end(data, below, inner, depth + 1)


def _fragments(data: bytes, element: _Element, coding: _Coding) -> list[tuple[int, int]]:
    """Start and end of each item of compressed pixels, but the first, which has positions of frames."""
    found, position = [], element.start
    while position < len(data):
        item = _element(data, position, coding)
        if item.tag != _ITEM or item.length == _UNKNOWN_LENGTH:
            break
        position = item.start + item.length
        found.append((item.start, position))
    return found[1:]


def _jpegs(
    data: bytes,
    values: dict[tuple[int, int], bytes],
    fragments: list[tuple[int, int]],
    coding: _Coding,
    method: Method,
) -> Iterator[Found]:
    """Frames of a kind of JPEG without loss, each an item."""
    kind = values.get(_KIND, b"").rstrip(b"\0 ")
    signed = bool(_short(values, _SIGNED, coding, 0) & 1)
    frames = max(1, _count(values.get(_FRAMES, b"")))
    if not fragments or len(fragments) != frames != 1:
        raise ValueError("frames of several items")
    streams = fragments
    if len(fragments) > frames:  # The only frame, with the heads of its items.
        streams = [(fragments[0][0] - dicom_items.ITEM_HEAD, fragments[-1][1])]
    read_header = lossless_jpeg.read_header if method is Method.LOSSLESS_JPEG else jpeg_ls.read_header
    for (start, end), (first, _) in zip(streams, fragments, strict=False):
        header = read_header(data, first)
        if header.components not in (1, 3) or header.size > _SAMPLES_OF_BYTE[method] * (end - start):
            raise ValueError("no frames for us")
        unit = 1 if header.precision <= 8 else 2
        flip = 1 << header.precision - 1 if signed and header.precision < 16 else 0
        places = tuple(range(0, unit * header.components, unit))
        packing = Words(unit, "<", signed and not flip, flip, unit * header.components, places)
        layout = Layout.of_rows(header.height, header.width, header.width * packing.pixel_step, packing)
        mode = {1: Mode.GRAY, 3: Mode.RGB if kind == b"RGB" and not packing.signed else Mode.BANDS}[header.components]
        recipe = Recipe(method, header.size * unit, unit=unit)
        yield Found(at(layout, start), mode, bits=max(9, header.precision), blocks=open_block(recipe, start, end))


def _planes(values: dict[tuple[int, int], bytes], fragments: list[tuple[int, int]], coding: _Coding) -> Iterator[Found]:
    """Frames of RLE, each an item."""

    def number(tag: tuple[int, int], default: int = 0) -> int:
        return _short(values, tag, coding, default)

    rows, columns, channels, allocated = number(_ROWS), number(_COLUMNS), number(_SAMPLES, 1), number(_ALLOCATED)
    signed, kind = bool(number(_SIGNED) & 1), values.get(_KIND, b"").rstrip(b"\0 ")
    frames = max(1, _count(values.get(_FRAMES, b"")))
    if not rows or not columns or channels not in (1, 3) or allocated not in (8, 16) or len(fragments) != frames:
        raise ValueError("no frames for us")
    unit = allocated // 8
    layout = Layout.of_rows(rows, columns, columns * unit * channels, words_of(unit, "<", signed, channels))
    mode = {1: Mode.GRAY, 3: Mode.RGB if kind == b"RGB" and not (signed and unit == 2) else Mode.BANDS}[channels]
    recipe = Recipe(Method.BYTE_PLANES, rows * layout.row_step, unit=unit)
    for start, end in fragments:
        if rows * layout.row_step > _MOST_OF_RUN * (end - start):
            raise ValueError("a frame that cannot be in its item")
        blocks = open_block(recipe, start, end)
        yield Found(at(layout, start), mode, bits=max(9, number(_STORED, allocated)), blocks=blocks)


def _frames(data: bytes, values: dict[tuple[int, int], bytes], element: _Element, coding: _Coding) -> Iterator[Found]:
    def number(tag: tuple[int, int], default: int = 0) -> int:
        return _short(values, tag, coding, default)

    rows, columns, channels = number(_ROWS), number(_COLUMNS), number(_SAMPLES, 1)
    allocated, signed = number(_ALLOCATED), bool(number(_SIGNED) & 1)
    kind = values.get(_KIND, b"").rstrip(b"\0 ")
    is_swapped = allocated == 8 and coding.order == "big" and element.kind == b"OW"
    if not rows or not columns or channels not in (1, 3) or allocated not in (8, 16) or is_swapped or b"42" in kind:
        raise ValueError("no frames for us")
    size = allocated // 8
    planes = channels if number(_PLANAR) == 1 else 1
    packing: Packing = words_of(size, "<" if coding.order == "little" else ">", signed, channels // planes)
    plane = rows * columns * size * channels // planes
    layout = Layout.of_rows(rows, columns, columns * size * channels // planes, packing, planes)
    count = min(_count(values.get(_FRAMES, b"")), min(element.length, len(data) - element.start) // (plane * planes))
    stored, high = number(_STORED, allocated), number(_HIGH, number(_STORED, allocated) - 1)
    mode = {1: Mode.GRAY, 3: Mode.RGB if kind == b"RGB" and not (signed and size == 2) else Mode.BANDS}[channels]
    holes = [
        at(layout, *(element.start + (i * planes + j) * plane for j in range(planes))) for i in range(max(0, count))
    ]
    if size == 2 and channels == 1 and 8 < stored < 16 and high == stored - 1:
        holes = _without_other_bits(data, holes, layout, stored, signed)
    for hole in holes:
        yield Found(hole, mode, bits=max(9, stored))


def _count(text: bytes) -> int:
    try:
        return max(1, int(text.strip(b"\0 ") or b"1"))
    except ValueError:
        return 1


def _without_other_bits(data: bytes, holes: list[Hole], layout: Layout, stored: int, signed: bool) -> list[Hole]:
    """Holes of the stored bits alone where the bits above hold something else, as overlays of old devices do."""
    order = layout.packing.order
    words_alone = replace(layout, packing=Words(2, order, pixel_step=2))
    for hole in holes:
        words = read(data, Hole(words_alone, hole.offsets))
        if signed:
            above = words.view(np.int16) >> np.int16(stored - 1)
            has_others = bool(((above != 0) & (above != -1)).any())
        else:
            has_others = bool((words >> np.uint16(stored)).any())
        if has_others:
            packing = Fields(2, order, 1 << stored - 1 if signed else 0, ((0, stored),))
            return [Hole(replace(layout, packing=packing), hole.offsets) for hole in holes]
    return holes
